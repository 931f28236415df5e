package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// The exit codes. Scripts rely on them.
const (
	exitDone   = 0 // what was asked for is done
	exitFailed = 1 // it could not be done
	exitUsage  = 2 // wrong usage or configuration: nothing was tried
)

// The purposes by which `depeer` alone lists its commands.
const (
	groupWatch  = "watch"
	groupRead   = "read"
	groupConfig = "config"
)

// commands makes every command of depeer. A command that is not here does not exist.
var commands = []func() *cobra.Command{
	runCommand,
	statusCommand,
	replayCommand,
	explainCommand,
	timelineCommand,
	eventsCommand,
	incidentsCommand,
	migrationsCommand,
	impactCommand,
	backfillCommand,
	backtestCommand,
	demoCommand,
	checkCommand,
	subscriptionsCommand,
	silencesCommand,
	sightingsCommand,
	scanCommand,
	watchlistCommand,
	tokensCommand,
	versionCommand,
}

// usageError is an error of the caller: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// usagef makes an error that says what was wrong with the call.
func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// rootCommand makes the tree of commands. The second value becomes true when a
// command has begun to work: an error before that is one of usage.
func rootCommand() (*cobra.Command, *bool) {
	root := &cobra.Command{
		Use:   "depeer",
		Short: "Watch who routes a hoster, who dropped it, and who took it in again",
		Long: `depeer watches the routes of watch-listed hosters and of the upstreams that carry
them. It says who was cut off, by whom, and who took them in again. It only
listens: it announces no route.`,
		SilenceUsage:  true, // an error is one sentence, not a page of flags
		SilenceErrors: true, // printed once, by complain
	}
	root.PersistentFlags().StringP("config", "c", "", "configuration `FILE` (YAML)")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddGroup(
		&cobra.Group{ID: groupWatch, Title: "Watch and judge:"},
		&cobra.Group{ID: groupRead, Title: "Read recordings:"},
		&cobra.Group{ID: groupConfig, Title: "Configure:"},
	)
	for _, make := range commands {
		root.AddCommand(make())
	}
	begun := new(bool)
	mark(root, begun)
	return root, begun
}

// mark makes c and every command below it note that it has begun. Cobra checks flags and
// arguments before that, so no command has to tell its usage errors from others.
func mark(c *cobra.Command, begun *bool) {
	if work := c.RunE; work != nil {
		c.RunE = func(cmd *cobra.Command, args []string) error {
			*begun = true
			return work(cmd, args)
		}
	}
	for _, sub := range c.Commands() {
		mark(sub, begun)
	}
}

// family makes a command that only holds others. Called alone it shows its help;
// cobra would show that for a misspelt sub-command too, and exit with 0.
func family(c *cobra.Command, subs ...*cobra.Command) *cobra.Command {
	c.AddCommand(subs...)
	c.SuggestionsMinimumDistance = 2
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		hint := ""
		if s := cmd.SuggestionsFor(args[0]); len(s) > 0 {
			hint = fmt.Sprintf(" (did you mean %s?)", strings.Join(s, " or "))
		}
		return usagef("unknown command %q for %q%s", args[0], cmd.CommandPath(), hint)
	}
	return c
}

// complain prints why the program ends and returns its exit code.
func complain(w io.Writer, err error, begun bool) int {
	var faults Faults
	var usage usageError
	switch {
	case errors.As(err, &faults):
		fmt.Fprintln(w, err) // each line names its file and place already
		return exitUsage
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(w, "depeer: interrupted")
		return exitFailed
	case errors.As(err, &usage), !begun:
		fmt.Fprintf(w, "depeer: %s\n", strings.TrimSpace(err.Error()))
		return exitUsage
	}
	fmt.Fprintf(w, "depeer: %v\n", err)
	return exitFailed
}

// configFile is the value of --config, "" where it was not given.
func configFile(cmd *cobra.Command) string { return cmd.Flag("config").Value.String() }

// loadConfig reads the file that --config names. A command that can do without
// one asks configFile first.
func loadConfig(cmd *cobra.Command) (*Config, error) {
	file := configFile(cmd)
	if file == "" {
		return nil, usagef("%s needs a configuration: --config FILE", cmd.CommandPath())
	}
	return LoadConfig(file)
}

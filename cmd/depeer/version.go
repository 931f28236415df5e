package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the linker: -ldflags "-X main.version=v0.1.0 -X main.commit=... -X main.date=...".
// What it did not set comes from what the go command noted in the binary.
var version, commit, date string

// build says which depeer this is. Its JSON is read by scripts.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"` // "unknown" where the binary was built outside of a checkout
	Date    string `json:"date"`   // of the build, or of the commit, RFC 3339
	Dirty   bool   `json:"dirty,omitempty"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func thisBuild() build {
	b := build{Version: "devel", Commit: "unknown", Date: "unknown", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := info.Main.Version; v != "" && v != "(devel)" {
			b.Version = v
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = s.Value
			case "vcs.time":
				b.Date = s.Value
			case "vcs.modified":
				b.Dirty = s.Value == "true"
			}
		}
	}
	set := func(to *string, linked string) {
		if linked != "" {
			*to = linked
		}
	}
	set(&b.Version, version)
	set(&b.Commit, commit)
	set(&b.Date, date)
	return b
}

func versionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "Show version, commit and build",
		GroupID: groupConfig,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return writeVersion(cmd.OutOrStdout(), thisBuild(), asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func writeVersion(w io.Writer, b build, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(b)
	}
	state := ""
	if b.Dirty {
		state = " (with changes that are not committed)"
	}
	_, err := fmt.Fprintf(w, "depeer %s\ncommit %s%s\nbuilt  %s\n%s %s/%s\n", b.Version, b.Commit, state, b.Date, b.Go, b.OS, b.Arch)
	return err
}

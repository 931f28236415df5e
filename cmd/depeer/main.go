// Command depeer watches the routes of watch-listed hosters and of the upstreams
// that carry them, and says who was cut off, by whom, and who took them in again.
//
// It is one binary; its commands are made in root.go, one constructor a file.
// What it prints on standard output is the answer and what it prints on standard
// error is about itself. It exits with 0 when it is done, with 1 when it failed
// and with 2 when it was called or configured wrongly: then nothing was done.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks every command to end in order; a second one must be
	// able to kill a command that does not.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program without the process around it. It prints the error,
// once, and returns the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root, begun := rootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	return complain(errOut, err, *begun)
}

// Command load measures depeer with many hosters, a year of history, many readers of the stream
// and an ingest that never rests. It starts the depeer that it is given on loopback, in a folder
// of its own below the folder of temporary files, and takes both away again.
//
//	load -depeer bin/depeer questions    how long answers take: first time, median, 99th percentile
//	load -depeer bin/depeer stream       the same ingest without and with readers and requests, in turn
//	load -depeer bin/depeer serve        the same world with its ingest, to look at, until it is interrupted
//
// What it prints are measurements of this machine at this moment: ratios within one run say more. It
// fails only where something was lost, out of order, or answered with a fault of the server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"depeer/bench/world"
)

// options are what is measured.
type options struct {
	depeer, listen          string
	size                    world.Size
	readers, rate, requests int
	seconds, rounds, asks   int
	lua                     string
}

func main() {
	o := options{size: world.Large()}
	flag.StringVar(&o.depeer, "depeer", "bin/depeer", "the program")
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "where it answers; port 0: any")
	flag.IntVar(&o.size.Hosters, "hosters", o.size.Hosters, "in the world")
	flag.IntVar(&o.size.Changes, "changes", o.size.Changes, "of routes in its past")
	flag.IntVar(&o.size.Days, "days", o.size.Days, "of past")
	flag.IntVar(&o.readers, "readers", 500, "of the stream")
	flag.IntVar(&o.rate, "rate", 20_000, "updates a second")
	flag.IntVar(&o.requests, "requests", 200, "a second")
	flag.IntVar(&o.seconds, "seconds", 30, "that each part of a round lasts")
	flag.IntVar(&o.rounds, "rounds", 3, "each without and with readers")
	flag.IntVar(&o.asks, "asks", 200, "that each question is asked")
	flag.StringVar(&o.lua, "lua", "bench/web.lua", "script of wrk")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch what := flag.Arg(0); what {
	case "questions":
		err = o.withWorld(ctx, questions)
	case "stream":
		err = o.withWorld(ctx, stream)
	case "serve":
		err = o.withWorld(ctx, serve)
	case "readers": // started by stream, so that what they cost is not counted as depeer's
		err = readers(ctx, flag.Arg(1), o.readers)
	default:
		flag.Usage()
		os.Exit(2)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

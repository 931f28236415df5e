package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"depeer/notify"
	"depeer/watch"
	"depeer/web"
)

// demoBoard is the listener of a demo. A nil one does nothing.
type demoBoard struct {
	out  io.Writer
	url  string
	stop context.CancelFunc
	done chan error
	more bool // it stays after the end
}

// showDemo serves the stage, and opens it where somebody sits before a screen.
func showDemo(cmd *cobra.Command, f *demoFlags, s *stage, p *player) (*demoBoard, error) {
	if f.web == "" {
		return nil, nil
	}
	server, err := listenDemo(cmd, f, s, p)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(cmd.Context()))
	b := &demoBoard{out: cmd.OutOrStdout(), url: "http://" + server.Addr().String() + "/", stop: stop, done: make(chan error, 1), more: f.stay || onTerminal(cmd.OutOrStdout())}
	go func() { b.done <- server.Run(ctx) }()
	fmt.Fprintf(b.out, "%s\n", inkFor(b.out).bold("The board: "+b.url))
	if !f.noOpen && onTerminal(cmd.OutOrStdout()) {
		openBrowser(b.url)
	}
	return b, nil
}

// listenDemo listens where that is wanted; at another port where the usual one is taken.
func listenDemo(cmd *cobra.Command, f *demoFlags, s *stage, p *player) (*web.Server, error) {
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError}))
	cfg := web.DefaultConfig()
	cfg.Listen = f.web
	deps := s.deps(p, log)
	server, err := web.Listen(cfg, deps)
	if errors.Is(err, syscall.EADDRINUSE) && !cmd.Flag("web").Changed {
		host, _, _ := net.SplitHostPort(f.web)
		cfg.Listen = net.JoinHostPort(host, "0")
		return web.Listen(cfg, deps)
	}
	return server, err
}

// deps joins what answers: the stage where it is about now, and the same parts as in a depeer
// that runs where it is about the past, and about people.
func (s *stage) deps(p *player, log *slog.Logger) web.Deps {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m := &monitor{cfg: s.cfg, bus: s.bus, log: log, lists: &lists{log: log, cfg: s.cfg, joined: s.cfg.Hosters}}
	m.memory.Store(&memory{store: s.store})
	past := &pastOf{m: m}
	play := &demoPlayback{s, p}
	s.playing = play.Playing
	d := web.Deps{
		Monitor: s, Metrics: promhttp.HandlerFor(reg, promhttp.HandlerOpts{}), Logger: log, Version: thisBuild().Version,
		History: past, Records: past, BGPlay: past.BGPlay, Still: past.Still, StillOf: past.StillOf, Difference: past.Difference, About: past.About, ExplainAt: past.ExplainAt, Pictures: drawPicture,
		Log: busLog{s.bus}, Dossier: s.dossier, Families: s, Register: demoRegister{}, Now: s.Now, Playback: play,
		Space: func(ctx context.Context, p netip.Prefix) ([]web.Space, error) { return m.space(ctx, past, p) },
		Next:  func(i watch.Incident) string { return notify.Next(&i) },
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.desk; w != nil {
		d.Desk, d.Subscribe, d.Silence, d.Said, d.Receivers = w, w, w, w.Said, w.Receivers
		d.Rehearse = func(ctx context.Context, q web.Rehearse) (*web.Rehearsed, error) {
			return w.Rehearse(ctx, s.bus, m.hoster, q)
		}
		d.Silenced = func(ctx context.Context, i watch.Incident, events []watch.Event) ([]web.Silence, error) {
			return w.Silenced(ctx, i, events, m.hoster(i.Hoster))
		}
	}
	return d
}

// stay keeps the board until ctx ends, where that is wanted.
func (b *demoBoard) stay(ctx context.Context) error {
	if b == nil || !b.more {
		return nil
	}
	fmt.Fprintf(b.out, "\nThe story is over; the board stays at %s until Ctrl-C.\n", b.url)
	select {
	case <-ctx.Done():
		return nil
	case err := <-b.done:
		b.done <- nil
		return err
	}
}

// close ends it, and waits for that.
func (b *demoBoard) close() error {
	if b == nil {
		return nil
	}
	b.stop()
	return <-b.done
}

func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// openBrowser shows an address where there is a screen. That it could not is no fault: the
// address was printed.
func openBrowser(url string) {
	var open *exec.Cmd
	switch runtime.GOOS {
	case "darwin":
		open = exec.Command("open", url)
	case "windows":
		open = exec.Command("rundll32", "url.dll,FileProtocolHandler", url)
	default:
		if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
			return
		}
		open = exec.Command("xdg-open", url)
	}
	if open.Start() == nil {
		go func() { _ = open.Wait() }() // it ends at once, or is the browser itself
	}
}

// demoPlayback tells the pages where the story is.
type demoPlayback struct {
	stage  *stage
	player *player
}

var _ web.Playback = (*demoPlayback)(nil)

// Playing says where the story is.
func (d *demoPlayback) Playing() web.Playing {
	x := d.player.where()
	x.Title, x.About, x.Note, x.Watch = demoTitle, demoAbout, demoNote, demoWatch
	x.Headlines = d.stage.headlines()
	return x
}

// Play does what is wished.
func (d *demoPlayback) Play(w web.Wish) error { return d.player.play(w) }

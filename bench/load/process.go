package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"depeer/bench/world"
	"depeer/watch/timeline/sqlite"
	"depeer/web"
)

// process is a depeer that runs over a world.
type process struct {
	dir, web, bgp, nats string
	world               *world.World
	cmd                 *exec.Cmd
	ended               chan error
}

const patience = 5 * time.Minute

// withWorld makes the world, starts depeer over it, and works with it.
func (o *options) withWorld(ctx context.Context, work func(context.Context, *options, *process) error) (err error) {
	dir, err := os.MkdirTemp("", "depeer-load")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p := &process{dir: dir, world: world.New(o.size, time.Now())}
	for _, a := range []struct {
		address *string
		want    string
	}{{&p.web, o.listen}, {&p.bgp, "127.0.0.1:0"}, {&p.nats, "127.0.0.1:0"}} {
		if *a.address, err = free(a.want); err != nil {
			return err
		}
	}
	began := time.Now()
	store, err := sqlite.Open(ctx, filepath.Join(dir, "timeline.db"))
	if err != nil {
		return err
	}
	if err = errors.Join(p.world.Fill(ctx, store), store.Settle(ctx), store.Close()); err != nil {
		return err
	}
	info, err := os.Stat(filepath.Join(dir, "timeline.db"))
	if err != nil {
		return err
	}
	fmt.Printf("world: %d hosters, %d days, %d changes, made in %.0f s, %.0f MB\n", o.size.Hosters, o.size.Days, o.size.Changes, time.Since(began).Seconds(), float64(info.Size())/1e6)
	if err := os.WriteFile(filepath.Join(dir, "depeer.yaml"), []byte(p.config()), 0o600); err != nil {
		return err
	}
	if err := p.start(ctx, o.depeer); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	return work(ctx, o, p)
}

// free is an address that was free a moment ago.
func free(address string) (string, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (p *process) config() string {
	var peers []string
	for i := range neighbours {
		peers = append(peers, fmt.Sprintf("{address: 127.0.2.%d, asn: %d}", i+1, neighbourASN(i)))
	}
	return fmt.Sprintf(`%s
policy: {settle: 1s}
sources: [{type: speaker, listen: %q, asn: 64512, router_id: 192.0.2.1, peers: [%s]}]
bus: {embedded: {dir: %s, listen: %q}}
timeline: {sqlite: {path: %s}}
web: {listen: %q, limits: {rate: 0}}
run: {state: %s, log: warn}
`, p.world.YAML(), p.bgp, strings.Join(peers, ", "), filepath.Join(p.dir, "bus"), p.nats, filepath.Join(p.dir, "timeline.db"), p.web, filepath.Join(p.dir, "state"))
}

// start starts it and waits until it answers.
func (p *process) start(ctx context.Context, program string) error {
	log, err := os.Create(filepath.Join(p.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd = exec.Command(program, "run", "--config", filepath.Join(p.dir, "depeer.yaml"))
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.ended = make(chan error, 1)
	go func() { p.ended <- p.cmd.Wait() }()
	return p.await(ctx, "it answers", func() bool { _, err := p.status(ctx); return err == nil })
}

func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.ended:
		if err != nil {
			return fmt.Errorf("depeer ended: %w\n%s", err, p.log())
		}
		return nil
	case <-time.After(patience):
		return errors.Join(errors.New("depeer does not stop"), p.cmd.Process.Kill())
	}
}

func (p *process) log() string {
	b, _ := os.ReadFile(filepath.Join(p.dir, "log"))
	return string(b[max(0, len(b)-3000):])
}

func (p *process) await(ctx context.Context, what string, ok func() bool) error {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if ok() {
			return nil
		}
		select {
		case err := <-p.ended:
			p.ended <- err
			return fmt.Errorf("depeer ended (%v) before: %s\n%s", err, what, p.log())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	return fmt.Errorf("in vain: %s\n%s", what, p.log())
}

func (p *process) url(path string) string { return "http://" + p.web + path }

func (p *process) status(ctx context.Context) (s web.Status, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url("/api/v1/status"), nil)
	if err != nil {
		return s, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	return s, json.NewDecoder(resp.Body).Decode(&s)
}

// used is what the process has used of the machine.
type used struct {
	cpu float64 // seconds, user and system
	rss float64 // MB, now
}

func (p *process) used() (u used) {
	pid := strconv.Itoa(p.cmd.Process.Pid)
	stat, _ := os.ReadFile("/proc/" + pid + "/stat")
	if _, rest, ok := strings.Cut(string(stat), ") "); ok {
		f := strings.Fields(rest)
		user, _ := strconv.ParseFloat(f[11], 64)
		system, _ := strconv.ParseFloat(f[12], 64)
		u.cpu = (user + system) / 100 // USER_HZ
	}
	status, _ := os.ReadFile("/proc/" + pid + "/status")
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			u.rss = kb / 1000
		}
	}
	return u
}

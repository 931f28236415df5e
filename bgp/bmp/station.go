package bmp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"depeer/bgp"
	"depeer/bgp/wire"
)

var _ bgp.Feed = (*Station)(nil)

// Station is a BMP station. See the package for its contract.
type Station struct {
	cfg    Config
	wanted [groups]wanted
	watch  *wire.Shared
	log    *slog.Logger
	tls    *tls.Config
	counts counts
	lag    atomic.Int64 // of the last stamp that was believed, nanoseconds
	now    func() time.Time
	drain  time.Duration

	emit func([]bgp.Update) error // set by Run, called by who holds turn
	turn chan struct{}            // holds one: who calls emit. Waiting is first come, first served

	mu        sync.Mutex
	routers   map[string]*router // guarded by mu
	open      int                // guarded by mu; connections
	addrs     []netip.AddrPort   // guarded by mu; where it listens
	listening chan struct{}      // closed when addrs is set
	ready     bool               // guarded by mu
	since     time.Time          // guarded by mu; of ready
	refusals  map[netip.Addr]time.Time
}

// New makes a station. It reads the files of cfg.TLS and does nothing else.
func New(cfg Config, deps Deps) (*Station, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Watch == nil {
		return nil, errors.New("bmp: a station needs a watchlist")
	}
	s := &Station{cfg: cfg, watch: deps.Watch, log: deps.Logger, now: time.Now, drain: drainFor,
		turn: make(chan struct{}, 1), routers: map[string]*router{}, listening: make(chan struct{}),
		refusals: map[netip.Addr]time.Time{}}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.log = s.log.With("feed", cfg.Name)
	s.wanted, _ = parseViews(cfg.Views) // validated
	var err error
	if s.tls, err = cfg.TLS.load(); err != nil {
		return nil, err
	}
	for _, r := range cfg.Routers {
		if r.Address.IsValid() && r.Name != "" {
			s.routers[r.Name] = s.newRouter(r.Name, r.Address)
			s.routers[r.Name].configured = true
		}
	}
	return s, nil
}

func (s *Station) newRouter(name string, addr netip.Addr) *router {
	return &router{name: name, addr: addr, turn: make(chan struct{}, 1), peers: map[vantageKey]*vantage{},
		stats: map[peerKey]*statistics{}, since: s.now(), reason: "has not connected yet"}
}

// Addrs gives where the station listens, once it does.
func (s *Station) Addrs(ctx context.Context) ([]netip.AddrPort, error) {
	select {
	case <-s.listening:
		s.mu.Lock()
		defer s.mu.Unlock()
		return slices.Clone(s.addrs), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Run listens, connects and emits until ctx ends or emit returns an error, which
// it gives back. It is called once. See the package for what it emits.
func (s *Station) Run(ctx context.Context, emit func([]bgp.Update) error) error {
	s.emit = emit
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var listeners []net.Listener
	for _, a := range s.cfg.Listen {
		l, err := net.Listen("tcp", a)
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
			return fmt.Errorf("%s: listen on %s: %w", s.cfg.Name, a, err)
		}
		listeners = append(listeners, l)
	}
	s.listensOn(listeners)
	var all sync.WaitGroup
	for _, l := range listeners {
		stop := context.AfterFunc(ctx, func() { l.Close() })
		defer stop()
		all.Go(func() { s.accept(ctx, cancel, &all, l) })
	}
	for _, a := range s.cfg.Connect {
		all.Go(func() { s.connect(ctx, cancel, a) })
	}
	<-ctx.Done()
	all.Wait()
	return context.Cause(ctx)
}

func (s *Station) listensOn(listeners []net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range listeners {
		a, _ := netip.ParseAddrPort(l.Addr().String())
		s.addrs = append(s.addrs, a)
		s.log.Info("waiting for routers", "address", a)
	}
	close(s.listening)
}

// accept lets routers in until the listener is closed.
func (s *Station) accept(ctx context.Context, cancel context.CancelCauseFunc, all *sync.WaitGroup, l net.Listener) {
	for {
		nc, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			// Out of descriptors, mostly: what is open goes on.
			s.log.Warn("cannot accept a router", "error", err)
			if !pause(ctx, time.Second) {
				return
			}
			continue
		}
		addr := addrOf(nc)
		if !s.admit(addr) {
			nc.Close()
			continue
		}
		all.Go(func() {
			defer s.leave()
			s.run(ctx, cancel, nc, addr, s.tls)
		})
	}
}

// run serves one connection from its first octet on.
func (s *Station) run(ctx context.Context, cancel context.CancelCauseFunc, nc net.Conn, addr netip.Addr, secure *tls.Config) {
	s.counts.add(connections)
	if t, ok := nc.(*net.TCPConn); ok {
		// BMP says nothing where there is nothing to say: a router that died is
		// found by TCP within a minute.
		_ = t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3})
	}
	if secure != nil {
		over := tls.Server(nc, secure)
		within, done := context.WithTimeout(ctx, firstMessage)
		err := over.HandshakeContext(within)
		done()
		if err != nil {
			nc.Close()
			s.counts.add(refusedTLS)
			s.log.Warn("router refused", "address", addr, "reason", err)
			return
		}
		nc = over
	}
	c := &conn{s: s, net: nc, addr: addr, since: s.now(), peers: map[peerKey]*monitored{}}
	c.last = c.since
	c.br = bufio.NewReaderSize(nc, readBuffer)
	if err := s.serve(ctx, c); err != nil {
		cancel(err)
	}
}

// admit decides whether an address may connect (RFC 7854 section 3.2).
func (s *Station) admit(addr netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, why := counter(0), ""
	switch {
	case !s.listed(addr):
		k, why = refusedAddress, "is not in routers"
	case s.open >= s.cfg.MaxRouters:
		k, why = refusedFull, "is one more than max_routers"
	default:
		s.open++
		return true
	}
	s.counts.add(k)
	// Told once a minute for each address, of a few.
	if now := s.now(); now.Sub(s.refusals[addr]) > time.Minute {
		if len(s.refusals) >= 100 {
			clear(s.refusals)
		}
		s.refusals[addr] = now
		s.log.Warn("router refused", "address", addr, "reason", why)
	}
	return false
}

func (s *Station) leave() {
	s.mu.Lock()
	s.open--
	s.mu.Unlock()
}

func (s *Station) listed(addr netip.Addr) bool {
	if len(s.cfg.Routers) == 0 {
		return addr.IsLoopback()
	}
	return slices.ContainsFunc(s.cfg.Routers, func(r Router) bool {
		return r.Address == addr || r.Prefix.IsValid() && r.Prefix.Contains(addr)
	})
}

// drainFor is how long a former connection of a router may go on when it connects
// again: what it sent before it closed is still to be read.
const drainFor = 2 * time.Second

// claim gives the connection its router, and waits until a former connection of it
// has ended. One that does not is ended: its router is gone, and TCP does not know yet.
func (s *Station) claim(ctx context.Context, c *conn, h hello) error {
	s.mu.Lock()
	name := s.nameOf(c.addr, h.name)
	r := s.routers[name]
	if r == nil {
		s.evict()
		r = s.newRouter(name, c.addr)
		s.routers[name] = r
	}
	old := r.current
	r.current, r.addr, r.description = c, c.addr, h.description
	s.mu.Unlock()
	late := time.NewTimer(s.drain)
	defer late.Stop()
	for claimed := false; !claimed; {
		select {
		case r.turn <- struct{}{}:
			claimed = true
		case <-late.C:
			if old != nil {
				s.counts.add(superseded)
				old.gave.Store(true)
				old.net.Close()
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c.router = r
	s.mu.Lock()
	r.since, r.reason = s.now(), ""
	s.mu.Unlock()
	return nil
}

// nameOf gives the collector. A router that calls itself what another one is called
// is known by its address.
func (s *Station) nameOf(addr netip.Addr, sysName string) string {
	for _, r := range s.cfg.Routers {
		if r.Address == addr && r.Name != "" {
			return r.Name
		}
	}
	if !routerName.MatchString(sysName) {
		return addr.String()
	}
	if r := s.routers[sysName]; r != nil && (r.configured || r.addr != addr) {
		return addr.String()
	}
	return sysName
}

// evict drops a router that is not connected, where there are too many. Their
// number is bounded, for they choose their names.
func (s *Station) evict() {
	if len(s.routers) < 4*s.cfg.MaxRouters+len(s.cfg.Routers) {
		return
	}
	oldest := ""
	for name, r := range s.routers {
		if r.current == nil && len(r.turn) == 0 && !r.configured && (oldest == "" || r.since.Before(s.routers[oldest].since)) {
			oldest = name
		}
	}
	delete(s.routers, oldest)
}

// lost notes that the router is gone, unless a newer connection took it over.
func (s *Station) lost(c *conn, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := c.router; r.current == c {
		r.current, r.since, r.reason = nil, s.now(), reason
	}
}

func (s *Station) release(c *conn) {
	c.router.addPeers(-len(c.peers))
	c.router.mu.Lock()
	clear(c.router.stats)
	c.router.mu.Unlock()
	s.lost(c, "stopped")
	<-c.router.turn
}

const (
	dialTimeout  = 10 * time.Second
	shortestWait = time.Second
	longestWait  = 2 * time.Minute
)

// connect keeps a connection to a router that waits for one (RFC 7854 section 3.2).
func (s *Station) connect(ctx context.Context, cancel context.CancelCauseFunc, address string) {
	wait := shortestWait
	for ctx.Err() == nil {
		d := net.Dialer{Timeout: dialTimeout}
		nc, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			s.log.Warn("cannot reach a router", "address", address, "error", err)
		} else {
			begun := s.now()
			s.run(ctx, cancel, nc, addrOf(nc), nil)
			if s.now().Sub(begun) > longestWait {
				wait = shortestWait
			}
		}
		if !pause(ctx, wait/2+rand.N(wait)) {
			return
		}
		wait = min(2*wait, longestWait)
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func addrOf(c net.Conn) netip.Addr {
	a, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap().WithZone("")
}

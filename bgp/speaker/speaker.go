package speaker

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"depeer/bgp"
	"depeer/bgp/wire"
)

// Speaker is a feed: the BGP sessions of the routers that connect to us.
type Speaker struct {
	cfg        Config
	watch      *wire.Shared
	log        *slog.Logger
	neighbours []*neighbour // the longest prefix first
	signed     bool         // some neighbour has a password
	engineLog  *engineLog
	count      counts
	rare       struct{ refused, malformed, prefixes rareLog }
	running    atomic.Bool

	// Of a run.
	engine *engine
	out    *outlet
	md5    map[string]uint64 // what the kernel had dropped before

	mu        sync.Mutex
	addrs     []netip.AddrPort         // guarded by mu; where it listens
	listening time.Time                // guarded by mu; since when, zero where it does not
	sessions  map[netip.Addr]*session  // guarded by mu; by the neighbour's address
	idle      map[netip.Addr]time.Time // guarded by mu; refused until then
	traffic   map[bgp.Peer]bgp.Traffic // guarded by mu; of sessions that ended
	last      map[*neighbour]status    // guarded by mu; of configured peers without a session
	heard     time.Time                // guarded by mu
	ready     bool                     // guarded by mu
	since     time.Time                // guarded by mu; of ready
	bound     chan struct{}            // guarded by mu; closed when it listens
}

// status is how a configured peer is while it has no session.
type status struct {
	since  time.Time
	reason string
}

var _ bgp.Feed = (*Speaker)(nil)

// New makes a speaker that does nothing until Run. It fails where the
// configuration does.
func New(cfg Config, deps Deps) (*Speaker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Watch == nil {
		return nil, errors.New("speaker: no watchlist is given")
	}
	if cfg.Collector == "" {
		cfg.Collector = cfg.Name
	}
	log := deps.Logger
	if log == nil {
		log = slog.Default()
	}
	log = log.With("source", cfg.Name)
	s := &Speaker{cfg: cfg, watch: deps.Watch, log: log, neighbours: cfg.neighbours(), engineLog: &engineLog{logger: log},
		sessions: map[netip.Addr]*session{}, idle: map[netip.Addr]time.Time{}, traffic: map[bgp.Peer]bgp.Traffic{},
		last: map[*neighbour]status{}, bound: make(chan struct{})}
	for _, n := range s.neighbours {
		s.signed = s.signed || n.password != ""
	}
	return s, nil
}

// Run listens until ctx ends, or until it cannot. An error that emit returns ends
// it with that error. Neighbours are told that we go away (Cease, administrative
// shutdown), and each one that was up has its PeerDown.
func (s *Speaker) Run(ctx context.Context, emit func([]bgp.Update) error) error {
	if !s.running.CompareAndSwap(false, true) {
		return errors.New("the speaker runs already")
	}
	defer s.running.Store(false)
	if err := s.try(ctx); err != nil {
		return err
	}
	if s.signed {
		s.md5 = readMD5()
	}
	engine, err := startEngine(ctx, s.cfg.ASN, s.cfg.RouterID, s.engineLog)
	if err != nil {
		return err
	}
	defer engine.stop()
	listeners, err := s.listen(ctx)
	if err != nil {
		return err
	}
	s.engine, s.out = engine, newOutlet()
	s.begun(listeners)
	defer s.ended()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var work sync.WaitGroup
	for _, l := range listeners {
		work.Go(func() { s.accept(ctx, l, &work, cancel) })
	}
	work.Go(func() { s.refreshOnChange(ctx) })
	stop := context.AfterFunc(ctx, func() {
		for _, l := range listeners {
			l.Close()
		}
	})
	defer stop()
	finished := make(chan struct{})
	go func() { work.Wait(); close(finished) }()
	err = s.drain(emit, finished, cancel)
	<-finished
	if err == nil {
		err = context.Cause(ctx)
	}
	return err
}

// drain emits what the sessions say until the last one has ended.
func (s *Speaker) drain(emit func([]bgp.Update) error, finished <-chan struct{}, cancel context.CancelCauseFunc) error {
	var buf []bgp.Update
	for over := false; ; {
		select {
		case <-s.out.ready:
		case <-finished:
			over = true
		}
		buf = s.out.take(buf)
		if len(buf) > 0 {
			s.count.updates.Add(uint64(len(buf)))
			if err := emit(buf); err != nil {
				close(s.out.dead)
				s.out.take(nil) // wakes those who wait for room
				cancel(err)
				return err
			}
		}
		if over {
			return nil
		}
	}
}

func (s *Speaker) begun(listeners []net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addrs = nil
	for _, l := range listeners {
		if t, ok := l.Addr().(*net.TCPAddr); ok {
			s.addrs = append(s.addrs, t.AddrPort())
		}
	}
	s.listening = time.Now()
	close(s.bound)
	s.log.Info("listening for BGP sessions", "addresses", s.addrs, "neighbours", len(s.neighbours))
}

func (s *Speaker) ended() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addrs, s.listening = nil, time.Time{}
	s.bound = make(chan struct{})
}

// Listening waits until Run listens, and gives the addresses, of which a port 0
// in the configuration says nothing.
func (s *Speaker) Listening(ctx context.Context) ([]netip.AddrPort, error) {
	s.mu.Lock()
	bound := s.bound
	s.mu.Unlock()
	select {
	case <-bound:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]netip.AddrPort(nil), s.addrs...), nil
}

// accept takes connections until the socket is closed.
func (s *Speaker) accept(ctx context.Context, l net.Listener, work *sync.WaitGroup, cancel context.CancelCauseFunc) {
	for {
		c, err := l.Accept()
		if err == nil {
			work.Go(func() {
				if x := s.admit(ctx, c); x != nil {
					x.run(ctx)
				}
			})
			continue
		}
		if ctx.Err() != nil {
			return
		}
		if t, ok := err.(interface{ Temporary() bool }); !ok || !t.Temporary() {
			cancel(err)
			return
		}
		s.log.Warn("cannot take a connection", "error", err) // no descriptors, for instance
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return
		}
	}
}

// refreshPause is between two rounds of asking every router for its table.
const refreshPause = 10 * time.Second

// refreshOnChange asks for the routes again when the watchlist was replaced:
// those newly watched were passed over when they came.
func (s *Speaker) refreshOnChange(ctx context.Context) {
	for {
		_, changed := s.watch.List()
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
		s.Refresh("the watchlist was replaced")
		select { // further changes meanwhile share the next round
		case <-time.After(refreshPause):
		case <-ctx.Done():
			return
		}
	}
}

// Refresh asks every router that can (RFC 2918) for its whole table again. What
// comes is announced once more; nothing is withdrawn by it.
func (s *Speaker) Refresh(why string) {
	s.mu.Lock()
	var list []*session
	for _, x := range s.sessions {
		if x.up {
			list = append(list, x)
		}
	}
	s.mu.Unlock()
	for _, x := range list {
		if !x.refresh() {
			s.log.Warn("a neighbour cannot be asked for its routes again: those newly watched are known when it next sends them",
				"peer", x.peer.String(), "why", why)
		}
	}
}

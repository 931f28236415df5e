package web

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"depeer/watch"
	"depeer/watch/cnc"
	"depeer/watch/timeline"
	"depeer/web/access"
)

// Deps is what a server needs from its surroundings. What may be nil is answered with 501,
// and with what to configure.
type Deps struct {
	Monitor Monitor
	Metrics http.Handler // of /metrics
	Logger  *slog.Logger
	Version string

	History    History                                                                                   // questions about the past; may be nil
	Records    Records                                                                                   // events, incidents and the rest of what was concluded; may be nil
	BGPlay     func(context.Context, timeline.Asking) (*timeline.BGPlay, error)                          // may be nil
	Still      func(ctx context.Context, at, believed time.Time) ([]timeline.Still, error)               // may be nil
	StillOf    func(ctx context.Context, hoster string, at, believed time.Time) (*timeline.Still, error) // may be nil
	Difference func(context.Context, timeline.Asking) (*timeline.Difference, error)                      // may be nil
	About      func(context.Context, timeline.Asking) (*timeline.About, error)                           // may be nil
	RPKI       func(p netip.Prefix, origin uint32) string                                                // what the RPKI says of an origin today: "valid", "invalid", "not-found"; "" where nothing is known; may be nil
	Pictures   Pictures                                                                                  // of timelines; may be nil
	Log        Log                                                                                       // what the stream tells; may be nil
	Desk       Desk                                                                                      // acknowledgements and comments; may be nil
	Said       func(ctx context.Context, tell func(Said)) error                                          // follows what people say about incidents from now on, by whatever way, until ctx ends (nil); may be nil
	Next       func(watch.Incident) string                                                               // what to do next about an incident; may be nil
	Silenced   func(context.Context, watch.Incident, []watch.Event) ([]Silence, error)                   // silences in force that keep it from being told; may be nil
	Subscribe  Subscriptions                                                                             // may be nil
	Silence    Silences                                                                                  // may be nil
	Receivers  func() []Receiver                                                                         // in order of their names; may be nil
	Rehearse   func(context.Context, Rehearse) (*Rehearsed, error)                                       // errors wrap ErrRefused; may be nil
	ExplainAt  func(ctx context.Context, word string, at time.Time) (*Explanations, error)               // a hoster, prefix or address as it was at a moment, from the memory; may be nil
	Sightings  Sightings                                                                                 // takes sightings in; may be nil
	Dossier    func(context.Context, string) (*cnc.Dossier, error)                                       // what is known of a hoster's C&C; may be nil
	Families   Families                                                                                  // what is known of C&C families; may be nil
	Register   cnc.Register                                                                              // names of AS numbers; may be nil
	Space      func(context.Context, netip.Prefix) ([]Space, error)                                      // watched prefixes that cover a prefix, longest first, and then some that it covers; may be nil
	Hook       func(name string) http.Handler                                                            // a receiver that hears people by requests that it checks itself; nil where there is none of the name; may be nil
	Tokens     access.Finder                                                                             // of API tokens; needed with auth.tokens
	Changed    func(access.Change)                                                                       // is told every change, and must not block; may be nil
	Playback   Playback                                                                                  // a story that is played; nil where what happens now is watched
	Now        func() time.Time                                                                          // the time of the world that is watched; nil: that of today. Who may ask what goes by the clock of today in any case
}

// Server is the HTTP listener.
type Server struct {
	cfg     Config
	deps    Deps
	guard   *access.Guard
	cert    *access.Certificate // nil without TLS
	api     huma.API
	scopes  map[string]access.Scope // what each pattern of the mux needs; any other: Viewer
	mux     *http.ServeMux
	board   board
	still   *stillBoard
	hub     *hub
	heavy   chan struct{}    // one token for each question to the past that may be worked on at a time
	now     func() time.Time // of today
	world   func() time.Time // of what is watched: another one where something past is replayed
	served  [6]atomic.Uint64 // answers, by the hundreds of their status
	servers []listening
}

// listening is a listener and what serves it.
type listening struct {
	net.Listener
	*http.Server
}

// Questions to the past at a time: they read from disk, and the judgement needs the CPU.
const heavyAtOnce = 4

// Listen opens the listeners, so that an address that is taken is told at once.
func Listen(cfg Config, deps Deps) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, deps: deps, scopes: map[string]access.Scope{}, heavy: make(chan struct{}, heavyAtOnce), now: time.Now, world: deps.Now}
	if s.world == nil {
		s.world = time.Now
	}
	s.hub = newHub(deps.Log, deps.Monitor, cmp.Or(cfg.Limits.Readers, defaultReaders), deps.Logger)
	s.hub.said = deps.Said
	s.board.monitor, s.still = deps.Monitor, newStillBoard()
	if cfg.TLS.Cert != "" {
		var err error
		if s.cert, err = access.LoadCertificate(cfg.TLS.Cert, cfg.TLS.Key, deps.Logger); err != nil {
			return nil, fmt.Errorf("web.tls: %w", err)
		}
	}
	if cfg.Auth.Tokens && deps.Tokens == nil {
		return nil, errors.New("web.auth.tokens: there is no file of tokens")
	}
	var err error
	if s.guard, err = s.newGuard(); err != nil {
		return nil, err
	}
	handler := s.routes()
	if err := s.open("web.listen", cfg.Listen, handler); err != nil {
		return nil, err
	}
	if cfg.Metrics != "" {
		if err := s.open("web.metrics", cfg.Metrics, s.metricsAlone()); err != nil {
			return nil, errors.Join(err, s.servers[0].Listener.Close())
		}
	}
	return s, nil
}

func (s *Server) newGuard() (*access.Guard, error) {
	set := access.Settings{Auth: s.cfg.Auth, URL: s.cfg.URL, Hosts: s.cfg.Hosts, Proxies: s.cfg.BehindProxy, Plain: s.cert == nil,
		Rate: s.cfg.Limits.Rate, Burst: s.cfg.Limits.Burst}
	deps := access.Deps{Tokens: s.deps.Tokens, Logger: s.deps.Logger, Now: func() time.Time { return s.now() }, Changed: s.changed}
	if s.cert != nil {
		deps.Names = s.cert.Names
	}
	return access.NewGuard(set, deps)
}

// changed tells a change to the readers of the stream who may see it, and to the surroundings.
func (s *Server) changed(c access.Change) {
	s.hub.change(c)
	if s.deps.Changed != nil {
		s.deps.Changed(c)
	}
}

func (s *Server) open(key, address string, handler http.Handler) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	h := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.deps.Logger.Handler(), slog.LevelDebug),
	}
	if s.cert != nil {
		h.TLSConfig = &tls.Config{GetCertificate: s.cert.Get, MinVersion: tls.VersionTLS12}
	}
	s.servers = append(s.servers, listening{l, h})
	return nil
}

// Addr is where it listens.
func (s *Server) Addr() net.Addr { return s.servers[0].Listener.Addr() }

// MetricsAddr is where /metrics is asked for.
func (s *Server) MetricsAddr() net.Addr { return s.servers[len(s.servers)-1].Listener.Addr() }

// Run serves until ctx ends, and returns when every request has been answered or
// two seconds have passed. Readers of the stream are told to come again.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	defer all.Wait()
	defer s.still.end()
	defer context.AfterFunc(ctx, s.still.stop)() // whoever waits for an answer holds up nobody's end
	all.Go(func() { s.hub.run(ctx) })
	done := make(chan error, len(s.servers))
	for _, l := range s.servers {
		all.Go(func() {
			if s.cert != nil {
				done <- l.ServeTLS(l.Listener, "", "")
				return
			}
			done <- l.Serve(l.Listener)
		})
	}
	var errs []error
	left := len(s.servers)
	select {
	case err := <-done:
		left--
		errs = append(errs, fmt.Errorf("web: %w", err))
	case <-ctx.Done():
	}
	cancel()
	stop, end := context.WithTimeout(context.Background(), 2*time.Second)
	defer end()
	for _, l := range s.servers {
		if l.Shutdown(stop) != nil {
			errs = append(errs, l.Server.Close())
		}
	}
	for range left {
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (s *Server) routes() http.Handler {
	m := http.NewServeMux()
	s.mux = m
	s.public(m)
	if s.cfg.Metrics == "" {
		m.Handle("GET /metrics", s.deps.Metrics)
	}
	s.api = newAPI(m, s.deps.Version)
	s.addBoard()
	s.addHistory()
	s.addRecords()
	s.addFamilies()
	s.addSearch()
	s.addDesk()
	s.addStream()
	s.addPlayback()
	document, err := json.MarshalIndent(s.api.OpenAPI(), "", "  ")
	if err != nil {
		panic(fmt.Sprintf("the description of the API: %v", err)) // of types that are fixed when depeer is built
	}
	m.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(document)
	})
	s.addHooks(m)
	s.addPages(m)
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem(w, http.StatusNotFound, "nothing is served at "+r.URL.Path)
	})
	return s.outside(slashed(s.guard.Handler(answers(m), s.needs)))
}

// public adds what everybody may ask.
func (s *Server) public(m *http.ServeMux) {
	s.scopes["GET /healthz"], s.scopes["GET /readyz"] = access.None, access.None
	m.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	m.HandleFunc("GET /readyz", s.ready)
}

// addHooks lets services answer (Slack's buttons and commands). They show no token of ours:
// the receiver that they belong to checks their signature.
func (s *Server) addHooks(m *http.ServeMux) {
	if s.deps.Hook == nil {
		return
	}
	const pattern = "POST /hooks/{receiver}"
	s.scopes[pattern] = access.None
	m.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		h := s.deps.Hook(r.PathValue("receiver"))
		if h == nil {
			problem(w, http.StatusNotFound, "no receiver of this name hears anybody")
			return
		}
		h.ServeHTTP(w, r)
	})
}

// metricsAlone serves what a monitoring system asks.
func (s *Server) metricsAlone() http.Handler {
	m := http.NewServeMux()
	s.public(m)
	m.Handle("GET /metrics", s.deps.Metrics)
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem(w, http.StatusNotFound, "nothing is served at "+r.URL.Path+": this is the listener of /metrics")
	})
	return s.outside(s.guard.Handler(m, func(r *http.Request) access.Scope {
		_, pattern := m.Handler(r)
		return s.scopeOf(pattern)
	}))
}

// needs is the scope that a request needs. What nobody thought of is not for strangers.
func (s *Server) needs(r *http.Request) access.Scope {
	_, pattern := s.mux.Handler(r)
	return s.scopeOf(pattern)
}

func (s *Server) scopeOf(pattern string) access.Scope {
	if need, ok := s.scopes[pattern]; ok {
		return need
	}
	return access.Viewer
}

// outside counts, and turns a panic of a handler into an answer and a line in the log.
func (s *Server) outside(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &statusWriter{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.deps.Logger.Error("a handler panicked", "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
				if seen.status != 0 {
					panic(http.ErrAbortHandler) // half an answer is out: the client must see that it is none
				}
				problem(seen, http.StatusInternalServerError, "depeer has a fault here: its log says where")
			}
			s.served[min(cmp.Or(seen.status, http.StatusOK)/100, 5)].Add(1)
		}()
		next.ServeHTTP(seen, r)
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	w.status = cmp.Or(w.status, http.StatusOK)
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Counts is everything that moves in the server.
type Counts struct {
	Answers map[string]uint64 // by "2xx", "3xx", ...
	Refused map[string]uint64 // by reason
	Readers int               // of the stream, now
	Cut     uint64            // readers of the stream that were too slow
}

// Counts gives them as they are now.
func (s *Server) Counts() Counts {
	c := Counts{Answers: map[string]uint64{}, Refused: map[string]uint64{}}
	for i := 2; i < len(s.served); i++ {
		c.Answers[fmt.Sprintf("%dxx", i)] = s.served[i].Load()
	}
	for i, reason := range access.Refusals {
		c.Refused[reason] = s.guard.Refused(access.Refusal(i))
	}
	c.Readers, c.Cut = s.hub.counts()
	return c
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	x := s.board.fresh()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if x.Ready {
		fmt.Fprintln(w, "ready")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	if _, known := access.From(r.Context()); !known { // who watches whom is nobody else's business
		fmt.Fprintln(w, "not ready")
		return
	}
	for _, reason := range x.Reasons {
		fmt.Fprintln(w, reason)
	}
}

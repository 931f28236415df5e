package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"depeer/watch"
)

// Monitor answers what is asked. Its methods are called from many goroutines.
type Monitor interface {
	Status() Status
	Explain(hosterOrPrefix string) ([]watch.Explanation, error)
	Gaps(from, to time.Time) []watch.Gap
}

// Status is everything the board shows, at one moment.
type Status struct {
	Version   string           `json:"version"`
	Started   time.Time        `json:"started"`
	Now       time.Time        `json:"now"`    // of the answer
	Judged    time.Time        `json:"judged"` // all that was told before this has been judged
	Ready     bool             `json:"ready"`
	Reasons   []string         `json:"reasons"` // why it is not
	Hosters   []watch.Standing `json:"hosters"`
	Feeds     []Feed           `json:"feeds"`
	Peers     []Peer           `json:"peers"`
	Incidents []watch.Incident `json:"incidents"` // those that are not resolved
	Gaps      []watch.Gap      `json:"gaps"`      // that are open, or ended within a day
}

// Feed is one of our eyes.
type Feed struct {
	Name       string    `json:"name"`
	Type       string    `json:"type"`
	Ready      bool      `json:"ready"`
	Reason     string    `json:"reason,omitempty"`
	Since      time.Time `json:"since,omitzero"`
	Heard      time.Time `json:"heard,omitzero"` // arrival of its last message
	Lag        float64   `json:"lag_seconds"`    // age of that message on arrival
	Collectors []string  `json:"collectors"`
	Peers      int       `json:"peers"`
	Up         int       `json:"up"`
	Sessions   []Session `json:"sessions"`
}

// Session is one connection of a feed.
type Session struct {
	Name   string    `json:"name"`
	State  string    `json:"state"`
	Up     bool      `json:"up"`
	Since  time.Time `json:"since,omitzero"`
	Reason string    `json:"reason,omitempty"`
}

// Peer is a vantage point as the judgement knows it.
type Peer struct {
	Collector string     `json:"collector"`
	Address   netip.Addr `json:"address"`
	ASN       uint32     `json:"asn"`
	State     string     `json:"state"`
	Since     time.Time  `json:"since,omitzero"`
	Heard     time.Time  `json:"heard,omitzero"`
	Cause     string     `json:"cause,omitempty"`
	Table     [2]bool    `json:"table"` // IPv4, IPv6: its whole table is known
}

// Deps is what a server needs from its surroundings.
type Deps struct {
	Monitor Monitor
	Metrics http.Handler // of /metrics
	Logger  *slog.Logger
}

// Server is the HTTP listener.
type Server struct {
	cfg      Config
	deps     Deps
	http     *http.Server
	listener net.Listener
}

// Listen opens the listener, so that an address that is taken is told at once.
func Listen(cfg Config, deps Deps) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("web.listen: %w", err)
	}
	s := &Server{cfg: cfg, deps: deps, listener: l}
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(deps.Logger.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// Addr is where it listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Run serves until ctx ends, and returns when every request has been answered or
// two seconds have passed.
func (s *Server) Run(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- s.http.Serve(s.listener) }()
	select {
	case err := <-done:
		return fmt.Errorf("web: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := s.http.Shutdown(stop)
	if err != nil {
		err = s.http.Close()
	}
	if e := <-done; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

func (s *Server) routes() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	m.HandleFunc("GET /readyz", s.ready)
	m.Handle("GET /metrics", s.deps.Metrics)
	board := func(part func(Status) any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { answer(w, part(s.deps.Monitor.Status())) }
	}
	m.HandleFunc("GET /api/v1/status", board(func(x Status) any { return x }))
	m.HandleFunc("GET /api/v1/hosters", board(func(x Status) any { return x.Hosters }))
	m.HandleFunc("GET /api/v1/feeds", board(func(x Status) any { return x.Feeds }))
	m.HandleFunc("GET /api/v1/peers", board(func(x Status) any { return x.Peers }))
	m.HandleFunc("GET /api/v1/hosters/{id}", s.hoster)
	m.HandleFunc("GET /api/v1/gaps", s.gaps)
	m.HandleFunc("GET /api/v1/explain", s.explain)
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem(w, http.StatusNotFound, "nothing is served at "+r.URL.Path)
	})
	return localOnly(m)
}

// localOnly refuses requests that a web page of somebody else makes a browser on this machine send: their
// Host is that page's name (DNS rebinding).
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		a, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if host != "localhost" && (err != nil || !a.Unmap().IsLoopback()) {
			problem(w, http.StatusForbidden, "ask for localhost, not for "+r.Host)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	x := s.deps.Monitor.Status()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if x.Ready {
		fmt.Fprintln(w, "ready")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	for _, r := range x.Reasons {
		fmt.Fprintln(w, r)
	}
}

func (s *Server) hoster(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	for _, h := range s.deps.Monitor.Status().Hosters {
		if h.Hoster == id {
			answer(w, h)
			return
		}
	}
	problem(w, http.StatusNotFound, "no hoster has the id "+id)
}

func (s *Server) gaps(w http.ResponseWriter, r *http.Request) {
	var span [2]time.Time
	for i, name := range []string{"from", "to"} {
		v := r.URL.Query().Get(name)
		if v == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339Nano, v)
		if err != nil {
			problem(w, http.StatusBadRequest, fmt.Sprintf("%s: %q is no time (want 2008-11-11T21:00:00Z)", name, v))
			return
		}
		span[i] = t
	}
	answer(w, s.deps.Monitor.Gaps(span[0], span[1]))
}

// Explanations is the answer to explain.
type Explanations struct {
	Explanations []watch.Explanation `json:"explanations"`
	Gaps         []watch.Gap         `json:"gaps"` // that touch the last day
}

func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	hoster, prefix := r.URL.Query().Get("hoster"), r.URL.Query().Get("prefix")
	if (hoster == "") == (prefix == "") {
		problem(w, http.StatusBadRequest, "ask for one of hoster and prefix")
		return
	}
	x, err := s.deps.Monitor.Explain(hoster + prefix)
	if err != nil {
		problem(w, http.StatusNotFound, err.Error())
		return
	}
	answer(w, Explanations{x, s.deps.Monitor.Gaps(time.Now().Add(-24*time.Hour), time.Time{})})
}

func answer(w http.ResponseWriter, x any) {
	body, err := json.MarshalIndent(x, "", "  ")
	if err != nil {
		problem(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n'))
}

// problem is RFC 9457.
func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(status), "status": status, "detail": detail})
}

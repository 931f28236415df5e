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

	"github.com/danielgtaylor/huma/v2"

	"depeer/web/access"
)

// Deps is what a server needs from its surroundings.
type Deps struct {
	Monitor Monitor
	Metrics http.Handler // of /metrics
	Logger  *slog.Logger
	Version string
}

// Server is the HTTP listener.
type Server struct {
	cfg      Config
	deps     Deps
	http     *http.Server
	listener net.Listener
	api      huma.API
	scopes   map[string]access.Scope // what each operation needs, by method and path
	now      func() time.Time
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
	s := &Server{cfg: cfg, deps: deps, listener: l, scopes: map[string]access.Scope{}, now: time.Now}
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
	s.api = newAPI(m, s.deps.Version)
	s.board()
	document, err := json.MarshalIndent(s.api.OpenAPI(), "", "  ")
	if err != nil {
		panic(fmt.Sprintf("the description of the API: %v", err)) // of types that are fixed when depeer is built
	}
	m.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(document)
	})
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem(w, http.StatusNotFound, "nothing is served at "+r.URL.Path)
	})
	return localOnly(slashed(m))
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

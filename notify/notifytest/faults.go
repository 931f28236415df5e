package notifytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"depeer/notify"
)

// Place is where a receiver finds its service.
type Place struct {
	URL  string // without a slash at its end
	HTTP *http.Client
	Log  *slog.Logger
}

// Service is a service over HTTP.
type Service interface {
	Screen
	http.Handler
}

// HTTP is a receiver that speaks HTTP.
type HTTP struct {
	Subject
	Start func(t *testing.T) Service
	New   func(t *testing.T, at Place) notify.Receiver
}

// Run runs the whole suite for a receiver over HTTP.
func Run(t *testing.T, h HTTP) {
	s := h.Subject
	s.Open = func(t *testing.T) (notify.Receiver, Screen) {
		service := h.Start(t)
		return h.open(t, service), service
	}
	Contents(t, s)
	h.Subject = s
	t.Run("printed", h.printed)
	t.Run("statuses", h.statuses)
	t.Run("retry-after", h.retryAfter)
	t.Run("redirect", h.redirect)
	t.Run("broken answers", h.brokenAnswers)
	t.Run("hanging", h.hanging)
	t.Run("no way there", h.noWay)
	t.Run("each call fails once", func(t *testing.T) { h.eachCall(t, false) })
	t.Run("each answer is lost once", func(t *testing.T) { h.eachCall(t, true) })
}

func (h HTTP) open(t *testing.T, handler http.Handler) notify.Receiver {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return h.at(t, server.URL, server.Client())
}

// at gives a receiver whose log is searched for secrets when the test ends.
func (h HTTP) at(t *testing.T, address string, client *http.Client) notify.Receiver {
	t.Helper()
	log := &lockedBuffer{}
	t.Cleanup(func() { h.noLeak(t, log.String()) })
	return h.New(t, Place{URL: address, HTTP: client, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (h HTTP) printed(t *testing.T) {
	r, _ := h.Open(t)
	NoSecrets(t, h.Secrets, r)
}

// echo repeats the whole request in the answer, as some proxies and debug pages do.
func echo(w http.ResponseWriter, r *http.Request, status int) {
	dump, _ := httputil.DumpRequest(r, true)
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(status)
	_, _ = w.Write(dump)
}

func (h HTTP) statuses(t *testing.T) {
	for status, again := range map[int]bool{
		400: false, 401: false, 403: false, 404: false, 405: false, 408: true, 410: false, 413: false, 422: false,
		425: true, 429: true, 500: true, 501: false, 502: true, 503: true, 504: true,
	} {
		r := h.open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { echo(w, r, status) }))
		_, err := r.Send(bounded(t), Blackout())
		if err == nil || !strings.Contains(err.Error(), fmt.Sprint(status)) {
			t.Errorf("%d: the error does not say so: %v", status, err)
		}
		h.CheckError(t, err, again)
	}
}

func (h HTTP) retryAfter(t *testing.T) {
	date := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{"7": 7 * time.Second, date.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second} {
		for _, status := range []int{429, 503} {
			r := h.open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", date.Format(http.TimeFormat))
				w.Header().Set("Retry-After", value)
				echo(w, r, status)
			}))
			_, err := r.Send(bounded(t), Blackout())
			h.CheckError(t, err, true)
			var e *notify.Error
			if errors.As(err, &e) && e.After != want {
				t.Errorf("%d with Retry-After %s: not before %v, want %v", status, value, e.After, want)
			}
		}
	}
}

func (h HTTP) redirect(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	for _, status := range []int{301, 302, 307, 308} {
		r := h.open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", other.URL+r.URL.RequestURI())
			w.WriteHeader(status)
		}))
		_, err := r.Send(bounded(t), Blackout())
		h.CheckError(t, err, false)
	}
	if n := elsewhere.Load(); n > 0 {
		t.Errorf("%d requests with their secrets went where a redirect pointed", n)
	}
}

// An answer that breaks off or makes no sense is no failure to hide and nothing to die of:
// the next try ends with one message.
func (h HTTP) brokenAnswers(t *testing.T) {
	for name, spoil := range map[string]http.HandlerFunc{
		"truncated": func(w http.ResponseWriter, r *http.Request) {
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			defer conn.Close()
			_, _ = rw.WriteString("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"ok\":tr")
			_ = rw.Flush()
		},
		"garbage": func(w http.ResponseWriter, r *http.Request) { echo(w, r, 200) },
		"closed":  func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			service := h.Start(t)
			var spoilt atomic.Bool
			r := h.open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if spoilt.CompareAndSwap(false, true) {
					_, _ = io.Copy(io.Discard, r.Body)
					spoil(w, r)
					return
				}
				service.ServeHTTP(w, r)
			}))
			receipt, err := r.Send(bounded(t), Blackout())
			if err == nil {
				h.noLeak(t, fmt.Sprint(receipt))
				return // the status was enough for it
			}
			h.CheckError(t, err, true)
			h.send(t, r, Blackout())
			h.only(t, service)
		})
	}
}

func (h HTTP) hanging(t *testing.T) {
	arrived, release := make(chan struct{}, 100), make(chan struct{})
	t.Cleanup(func() { close(release) })
	r := h.open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	ctx, cancel := context.WithCancel(bounded(t))
	go func() {
		<-arrived
		cancel()
	}()
	_, err := r.Send(ctx, Blackout())
	h.CheckError(t, err, true)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not the context's error", err)
	}
}

func (h HTTP) noWay(t *testing.T) {
	t.Run("no such name", func(t *testing.T) {
		client := &http.Client{Transport: &http.Transport{DialContext: func(_ context.Context, network, address string) (net.Conn, error) {
			host, _, _ := net.SplitHostPort(address)
			return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
		}}}
		_, err := h.at(t, "http://gone.invalid", client).Send(bounded(t), Blackout())
		h.CheckError(t, err, true)
		if err != nil && !strings.Contains(err.Error(), "no such host") {
			t.Errorf("%v does not say what failed", err)
		}
	})
	t.Run("refused", func(t *testing.T) {
		_, err := h.at(t, "http://"+Deaf(t), &http.Client{Transport: &http.Transport{}}).Send(bounded(t), Blackout())
		h.CheckError(t, err, true)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%v does not say what failed", err)
		}
	})
	t.Run("unknown certificate", func(t *testing.T) {
		server := httptest.NewUnstartedServer(h.Start(t))
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		server.StartTLS()
		defer server.Close()
		_, err := h.at(t, server.URL, &http.Client{Transport: &http.Transport{}}).Send(bounded(t), Blackout())
		h.CheckError(t, err, true)
		if err != nil && !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%v does not say what failed", err)
		}
	})
	t.Run("not allowed", func(t *testing.T) {
		client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, fmt.Errorf("connect to 10.0.0.1: %w", notify.ErrRefused)
		}}}
		_, err := h.at(t, "http://inside.invalid", client).Send(bounded(t), Blackout())
		h.CheckError(t, err, false)
	})
	t.Run("deadline", func(t *testing.T) {
		client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, os.ErrDeadlineExceeded
		}}}
		_, err := h.at(t, "http://slow.invalid", client).Send(bounded(t), Blackout())
		h.CheckError(t, err, true)
	})
}

// Deaf is a loopback address that refuses connections for as long as the test runs.
func Deaf(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
}

// eachCall tells a story, in which each single request fails once (lost: is done, but its
// answer is lost) and the message is sent again with the receipt of the last that was
// recorded. In the end there is one message, in its last state.
func (h HTTP) eachCall(t *testing.T, lost bool) {
	if lost && h.Doubles != "" {
		t.Skip(h.Doubles)
	}
	for broken := int32(1); broken < 100; broken++ {
		service := h.Start(t)
		var calls atomic.Int32
		r := h.open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if calls.Add(1) != broken {
				service.ServeHTTP(w, r)
				return
			}
			if lost {
				service.ServeHTTP(httptest.NewRecorder(), r)
			}
			echo(w, r, http.StatusBadGateway)
		}))
		h.tell(t, r, service)
		if t.Failed() {
			t.Fatalf("it was call %d of %d that failed", broken, calls.Load())
		}
		if calls.Load() < broken {
			return
		}
	}
	t.Error("a story of three messages takes more than 100 calls")
}

func (h HTTP) tell(t *testing.T, r notify.Receiver, service Service) {
	t.Helper()
	sent := 0
	try := func(m *notify.Message) notify.Receipt {
		t.Helper()
		sent++
		receipt, err := r.Send(bounded(t), m)
		if err == nil {
			return receipt
		}
		h.CheckError(t, err, true)
		return h.send(t, r, m)
	}
	m := Blackout()
	m.Picture = &notify.Picture{PNG: PNG(1), Alt: "one"}
	receipt := try(m)
	next := Revise(m, 4, receipt)
	next.Loud = h.Quiet
	next.Picture = &notify.Picture{PNG: PNG(2), Alt: "two"}
	receipt = try(next)
	end := Resolve(next, 5, receipt)
	try(end)
	h.rules(t, service)
	shown := service.Shown()
	want := 1
	if h.Appends {
		want = sent
	}
	if len(shown) != want {
		t.Errorf("%d messages are shown, want %d: %+v", len(shown), want, shown)
		return
	}
	last := shown[len(shown)-1]
	if !h.NoClose && !last.Closed {
		t.Errorf("it ends open: %+v", last)
	}
	seen := map[string]bool{}
	for _, reply := range last.Replies {
		if seen[reply] {
			t.Errorf("the reply %q is there twice", reply)
		}
		seen[reply] = true
	}
}

// Open gives a receiver for a service, for a test of a package's own.
func Open(t *testing.T, service http.Handler, create func(*testing.T, Place) notify.Receiver) notify.Receiver {
	t.Helper()
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	return create(t, Place{URL: server.URL, HTTP: server.Client(), Log: slog.New(slog.DiscardHandler)})
}

package bus

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// embedded is the server in this process and the lock on its directory.
type embedded struct {
	server *server.Server
	lock   *os.File
	log    *serverLog
}

// startEmbedded returns when the server accepts connections.
func startEmbedded(cfg Config, log *slog.Logger) (*embedded, error) {
	dir := cfg.Embedded.Dir
	if dir == "" {
		dir = DefaultDir
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	e := &embedded{lock: lock, log: &serverLog{log: log}}
	opts, err := serverOptions(cfg, dir)
	if err != nil {
		return nil, errors.Join(err, e.close(0))
	}
	e.server, err = server.NewServer(opts)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embedded NATS server: %w", err), e.close(0))
	}
	e.server.SetLoggerV2(e.log, false, false, false)
	e.server.Start() // returns when its listener is up, or has failed
	why := e.log.failure()
	if why == "" && (!e.server.ReadyForConnections(cfg.Timeout) || !e.server.JetStreamEnabled()) {
		why = cmp.Or(e.log.failure(), fmt.Sprintf("not ready within %s", cfg.Timeout))
	}
	if why != "" {
		return nil, errors.Join(fmt.Errorf("embedded NATS server in %s: %s", dir, why), e.close(cfg.Timeout))
	}
	return e, nil
}

func serverOptions(cfg Config, dir string) (*server.Options, error) {
	opts := &server.Options{
		ServerName:             "depeer",
		DontListen:             true,
		NoSigs:                 true,
		JetStream:              true,
		DisableJetStreamBanner: true,
		StoreDir:               dir,
		// More than any disk: each stream has its own bound. The server's default, a
		// part of what the disk has free at the moment, refuses today a stream that
		// fitted yesterday; the sum of the bounds refuses to start with smaller ones.
		JetStreamMaxStore:  1 << 50,
		JetStreamMaxMemory: 64 << 20,
		SyncInterval:       cfg.Embedded.Sync,
		SyncAlways:         cfg.Embedded.SyncAlways,
		Username:           cfg.Auth.User,
		Password:           string(cfg.Auth.Password),
		Authorization:      string(cfg.Auth.Token),
	}
	if opts.SyncInterval == 0 {
		opts.SyncInterval = time.Second
	}
	if cfg.Embedded.Listen == "" {
		return opts, nil
	}
	host, port, err := splitListen(cfg.Embedded.Listen)
	if err != nil {
		return nil, fmt.Errorf("bus.embedded.listen: %w", err)
	}
	if host == "" {
		host = "0.0.0.0"
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	opts.DontListen, opts.Host, opts.Port = false, host, port
	if opts.TLSConfig, err = cfg.TLS.load(); err != nil {
		return nil, err
	}
	if opts.TLSConfig != nil {
		opts.TLSTimeout = cfg.Timeout.Seconds()
		if opts.TLSConfig.ClientCAs != nil {
			opts.TLSConfig.ClientAuth = tls.RequireAndVerifyClientCert
		}
	}
	return opts, nil
}

// lockDir makes the directory ours. nats-server itself does not notice a second
// server on the same files, and both then write over each other.
// ErrInUse is what Open answers where another process has the directory of the embedded server.
var ErrInUse = errors.New("in use by another depeer: stop it, give this one a directory of its own, or let both share the servers at bus.urls")

func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("bus.embedded.dir %s: %w", dir, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "depeer.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("bus.embedded.dir %s: %w", dir, err)
	}
	ours, err := LockFile(f)
	if err == nil && !ours {
		err = ErrInUse
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("bus.embedded.dir %s: %w", dir, err), f.Close())
	}
	return f, nil
}

// close stops the server and waits for it, but not longer than patience.
func (e *embedded) close(patience time.Duration) error {
	var err error
	if e.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		done := make(chan struct{})
		go func() {
			e.server.Shutdown()
			e.server.WaitForShutdown()
			close(done)
		}()
		select {
		case <-done:
		case <-ctx.Done():
			// Its files may still be written to: the lock stays until the process ends.
			return fmt.Errorf("embedded NATS server: still shutting down after %s", patience)
		}
	}
	if e.lock != nil {
		err = e.lock.Close()
	}
	return err
}

// serverLog passes on what the server says. Its notices are details to us.
type serverLog struct {
	log *slog.Logger

	mu    sync.Mutex
	fatal string // guarded by mu: why the server does not start, which it tells nowhere else
}

var _ server.Logger = (*serverLog)(nil)

func (l *serverLog) failure() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

// Fatalf is called for what a stand-alone server would exit on.
func (l *serverLog) Fatalf(format string, v ...any) {
	text := strings.TrimSpace(fmt.Sprintf(format, v...))
	l.log.Error("nats-server", "says", text)
	l.mu.Lock()
	l.fatal = text
	l.mu.Unlock()
}

func (l *serverLog) Errorf(format string, v ...any)  { l.say(slog.LevelError, format, v) }
func (l *serverLog) Warnf(format string, v ...any)   { l.say(slog.LevelWarn, format, v) }
func (l *serverLog) Noticef(format string, v ...any) { l.say(slog.LevelDebug, format, v) }
func (l *serverLog) Debugf(format string, v ...any)  { l.say(slog.LevelDebug, format, v) }
func (l *serverLog) Tracef(format string, v ...any)  { l.say(slog.LevelDebug, format, v) }

func (l *serverLog) say(level slog.Level, format string, v []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, "nats-server", "says", strings.TrimSpace(fmt.Sprintf(format, v...)))
	}
}

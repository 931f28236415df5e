package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrClosed is what a closed bus answers.
var ErrClosed = errors.New("the bus is closed")

// Deps is what a bus needs from its surroundings.
type Deps struct {
	Logger *slog.Logger // slog.Default where nil
}

// Bus is a connection to a JetStream, and the server behind it where that is
// embedded. Its methods may be called from any goroutine.
type Bus struct {
	cfg      Config
	log      *slog.Logger
	where    string // for errors
	embedded *embedded
	conn     *nats.Conn
	js       jetstream.JetStream
	out      *outbox
	gone     chan struct{} // closed when the connection is, for good

	life    context.Context // ends when Close begins
	end     context.CancelFunc
	closing sync.Once
	err     error // of Close
}

// Open starts the embedded server, or connects to the servers at URLs, and sees to
// it that the streams exist. It takes at most Config.Timeout for each of the two,
// and ends early with ctx.
func Open(ctx context.Context, cfg Config, deps Deps) (*Bus, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b := &Bus{
		cfg: cfg, log: cmp.Or(deps.Logger, slog.Default()).With("package", "bus"),
		gone: make(chan struct{}),
	}
	b.life, b.end = context.WithCancel(context.Background())
	if err := b.open(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func (b *Bus) open(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("open the bus: %w", err)
	}
	target, opts, err := b.target()
	if err != nil {
		return err
	}
	b.conn, err = nats.Connect(target, append(opts, b.connOptions(ctx)...)...)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", b.where, err)
	}
	b.out = newOutbox(b.cfg, b.where, b.log)
	b.js, err = jetstream.New(b.conn,
		jetstream.WithDefaultTimeout(b.cfg.Timeout),
		jetstream.WithPublishAsyncTimeout(b.cfg.Timeout),
		// The outbox bounds what is on its way; one that stalls here could not be
		// told by its context to stop waiting.
		jetstream.WithPublishAsyncMaxPending(2*b.cfg.Pending),
		jetstream.WithPublishAsyncAckHandler(b.out.acked),
		jetstream.WithPublishAsyncErrHandler(b.out.refused),
	)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", b.where, err)
	}
	b.out.send = func(m *nats.Msg) error {
		_, err := b.js.PublishMsgAsync(m)
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Timeout)
	defer cancel()
	if err := prepare(ctx, b.js, b.cfg); err != nil {
		return fmt.Errorf("%s: %w", b.where, explain(err))
	}
	return nil
}

// target starts the embedded server if it is to be, and says where to connect.
func (b *Bus) target() (string, []nats.Option, error) {
	if len(b.cfg.URLs) == 0 {
		b.where = "the embedded NATS server"
		var err error
		b.embedded, err = startEmbedded(b.cfg, b.log)
		if err != nil {
			return "", nil, err
		}
		return "", []nats.Option{nats.InProcessServer(b.embedded.server)}, nil
	}
	shown := make([]string, len(b.cfg.URLs))
	for i, raw := range b.cfg.URLs {
		u, err := url.Parse(raw)
		if err != nil {
			return "", nil, fmt.Errorf("bus.urls[%d]: is no URL", i)
		}
		shown[i] = u.Redacted()
	}
	b.where = strings.Join(shown, ", ")
	var opts []nats.Option
	conf, err := b.cfg.TLS.load()
	if err != nil {
		return "", nil, err
	}
	if conf != nil {
		opts = append(opts, nats.Secure(conf))
	}
	if b.cfg.Auth.Credentials != "" {
		opts = append(opts, nats.UserCredentials(b.cfg.Auth.Credentials))
	}
	return strings.Join(b.cfg.URLs, ","), opts, nil
}

func (b *Bus) connOptions(ctx context.Context) []nats.Option {
	timeout := b.cfg.Timeout
	if end, ok := ctx.Deadline(); ok {
		timeout = max(time.Millisecond, min(timeout, time.Until(end)))
	}
	opts := []nats.Option{
		nats.Name("depeer"),
		nats.Timeout(timeout),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(500 * time.Millisecond),
		// A server that hangs is noticed within two of these.
		nats.PingInterval(20 * time.Second),
		nats.ClosedHandler(func(*nats.Conn) { close(b.gone) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.log.Warn("connection lost, reconnecting", "server", b.where, "err", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { b.log.Info("connected again", "server", b.where) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			b.log.Warn("NATS client", "server", b.where, "err", err)
		}),
	}
	if b.cfg.Auth.User != "" {
		opts = append(opts, nats.UserInfo(b.cfg.Auth.User, string(b.cfg.Auth.Password)))
	}
	if b.cfg.Auth.Token != "" {
		opts = append(opts, nats.Token(string(b.cfg.Auth.Token)))
	}
	return opts
}

// explain adds what an operator can do about it.
func explain(err error) error {
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("%w (the server has no JetStream: start nats-server with -js)", err)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("%w (this user's account may not use JetStream)", err)
	}
	return err
}

// Addr is where the embedded server listens for other tools, "" where it does not.
func (b *Bus) Addr() string {
	if b.embedded == nil || b.cfg.Embedded.Listen == "" {
		return ""
	}
	return b.embedded.server.Addr().String()
}

// Close publishes what is on its way, for at most Config.Patience, and stops the
// connection and the embedded server. Its error names what did not get through.
// A second Close waits for the first and answers the same.
func (b *Bus) Close() error {
	b.closing.Do(func() {
		b.end()
		b.err = b.close()
	})
	return b.err
}

func (b *Bus) close() error {
	var errs []error
	if b.out != nil {
		ctx, cancel := context.WithTimeout(context.Background(), b.cfg.Patience)
		errs = append(errs, b.out.flush(ctx))
		cancel()
		errs = append(errs, b.out.close())
	}
	if b.conn != nil {
		b.conn.Close()
		select {
		case <-b.gone:
		case <-time.After(b.cfg.Timeout):
			errs = append(errs, fmt.Errorf("connection to %s: still closing after %s", b.where, b.cfg.Timeout))
		}
	}
	if b.embedded != nil {
		errs = append(errs, b.embedded.close(b.cfg.Patience))
	}
	return errors.Join(errs...)
}

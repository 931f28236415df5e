package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"depeer/bgp"
	"depeer/watch"
)

// Message is one message of a stream. The CloudEvent attributes are empty where
// somebody else published without them, as a sensor may.
type Message struct {
	Subject  string // of NATS
	Sequence uint64 // in its stream
	Delivery uint64 // 1, and more when it was delivered before
	Pending  uint64 // messages that wait behind it for the same consumer
	ID       string // ce-id
	Source   string // ce-source
	Type     string // ce-type
	Feed     string // of depeer.route: the feed that heard it
	About    string // ce-subject
	At       time.Time
	Body     []byte
}

// Event reads the body of a depeer.event or depeer.feed message.
func (m Message) Event() (watch.Event, error) {
	var e watch.Event
	err := m.decode(&e, "depeer.event.", "depeer.feed.")
	return e, err
}

// Incident reads the body of a depeer.incident message.
func (m Message) Incident() (watch.Incident, error) {
	var i watch.Incident
	err := m.decode(&i, "depeer.incident.")
	return i, err
}

// Routes reads the body of a depeer.route message.
func (m Message) Routes() ([]bgp.Update, error) {
	if !strings.HasPrefix(m.Subject, "depeer.route.") {
		return nil, fmt.Errorf("message %d on %s holds no routes", m.Sequence, m.Subject)
	}
	out, err := decodeRoutes(m.Body)
	if err != nil {
		return nil, fmt.Errorf("message %d on %s: %w", m.Sequence, m.Subject, err)
	}
	return out, nil
}

func (m Message) decode(into any, prefixes ...string) error {
	for _, p := range prefixes {
		if !strings.HasPrefix(m.Subject, p) {
			continue
		}
		if err := json.Unmarshal(m.Body, into); err != nil {
			return fmt.Errorf("message %d on %s: %w", m.Sequence, m.Subject, err)
		}
		return nil
	}
	return fmt.Errorf("message %d on %s is not on %s", m.Sequence, m.Subject, strings.Join(prefixes, " or "))
}

// Consumer says what to consume and how.
type Consumer struct {
	Durable string   // the stream remembers under this name what was handled; "" remembers nothing
	Filters []string // subjects, with * and >; all of the stream where empty
	New     bool     // begin with what is published from now on, not with the oldest message kept
	After   uint64   // without a Durable: begin behind the message of this sequence number
}

const (
	ackWait    = 30 * time.Second // a handler that takes longer is told again
	retryDelay = time.Second      // between two deliveries to a handler that failed
	inHand     = 256              // messages fetched and not yet handled

	// A Nak without a delay is in the server's memory only: after a restart the
	// message would wait for ackWait. One with a delay is written to the disk.
	atOnce = time.Millisecond
)

// ErrDrop is what a handler returns or wraps when a message can never be handled
// and must not be delivered again.
var ErrDrop = errors.New("dropped")

// Consume hands each message to handle, one after the other in the order of the
// stream, until ctx ends (nil), the bus is closed (ErrClosed) or the stream is gone.
//
// With a Durable, a message is delivered until handle answers nil or ErrDrop for
// it, also after a restart: at least once, and out of order when it is delivered
// again; what a killed process had in hand comes after 30 seconds. Two processes
// with the same Durable share the messages. Without, each
// message is delivered once in order, and an error of handle ends Consume.
func (b *Bus) Consume(ctx context.Context, stream Stream, c Consumer, handle func(context.Context, Message) error) error {
	it, err := b.iterator(ctx, stream, c)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("consume %s from %s: %w", stream, b.where, b.orClosed(err))
	}
	var left []jetstream.Msg
	defer func() { b.giveBack(it, c, left) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.life, cancel)()
	for {
		msg, err := it.Next(jetstream.NextContext(ctx))
		if ctx.Err() != nil {
			if err == nil {
				left = append(left, msg) // both were ready, and the end goes first
			}
			return b.orClosed(nil)
		}
		if err == nil {
			err = b.deliver(ctx, msg, c, handle)
		}
		if err != nil {
			return fmt.Errorf("consume %s from %s: %w", stream, b.where, err)
		}
	}
}

// giveBack ends the iterator. What it had fetched for a durable consumer and did not
// hand out is delivered to the next one at once, not only after ackWait.
func (b *Bus) giveBack(it jetstream.MessagesContext, c Consumer, left []jetstream.Msg) {
	if c.Durable == "" || b.isClosed() {
		it.Stop()
		return
	}
	it.Drain()
	ctx, cancel := context.WithTimeout(b.life, b.cfg.Timeout)
	defer cancel()
	for {
		msg, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			break
		}
		left = append(left, msg)
	}
	it.Stop()
	// Not before the server knows that nobody asks here any more, or it hands them
	// to this very iterator again.
	if b.isClosed() || b.conn.FlushWithContext(ctx) != nil {
		return
	}
	for _, msg := range left {
		if err := msg.NakWithDelay(atOnce); err != nil {
			b.log.Warn("give back", "subject", msg.Subject(), "err", err)
		}
	}
}

func (b *Bus) orClosed(err error) error {
	if b.isClosed() {
		return ErrClosed
	}
	return err
}

// Remember makes the stream remember from now on, under the Durable's name, what was
// not handled yet: what is published before the first Consume is not missed.
func (b *Bus) Remember(ctx context.Context, stream Stream, c Consumer) error {
	if b.isClosed() {
		return ErrClosed
	}
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Timeout)
	defer cancel()
	if _, err := b.durable(ctx, stream, c); err != nil {
		return fmt.Errorf("consume %s from %s: %w", stream, b.where, b.orClosedBy(err))
	}
	return nil
}

func (b *Bus) iterator(ctx context.Context, stream Stream, c Consumer) (jetstream.MessagesContext, error) {
	if b.isClosed() {
		return nil, ErrClosed
	}
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Timeout)
	defer cancel()
	if c.Durable == "" {
		cfg := jetstream.OrderedConsumerConfig{FilterSubjects: c.Filters, DeliverPolicy: c.policy()}
		if c.After > 0 {
			cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, c.After+1
		}
		con, err := b.js.OrderedConsumer(ctx, string(stream), cfg)
		if err != nil {
			return nil, err
		}
		return con.Messages(jetstream.PullMaxMessages(inHand))
	}
	con, err := b.durable(ctx, stream, c)
	if err != nil {
		return nil, err
	}
	// A heartbeat that is missing means a server that is away: keep asking.
	return con.Messages(jetstream.PullMaxMessages(inHand), jetstream.WithMessagesErrOnMissingHeartbeat(false))
}

func (c Consumer) policy() jetstream.DeliverPolicy {
	if c.New {
		return jetstream.DeliverNewPolicy
	}
	return jetstream.DeliverAllPolicy
}

// durable gives the consumer that remembers, and makes it where there is none.
func (b *Bus) durable(ctx context.Context, stream Stream, c Consumer) (jetstream.Consumer, error) {
	cfg := jetstream.ConsumerConfig{
		Durable: c.Durable, FilterSubjects: c.Filters, DeliverPolicy: c.policy(),
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxAckPending: 2 * inHand,
	}
	// Where a durable consumer begins was decided when it was created.
	if have, err := b.js.Consumer(ctx, string(stream), c.Durable); err == nil {
		cfg.DeliverPolicy = have.CachedInfo().Config.DeliverPolicy
	} else if !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, err
	}
	return b.js.CreateOrUpdateConsumer(ctx, string(stream), cfg)
}

// deliver hands one message to the handler and tells the server what came of it.
func (b *Bus) deliver(ctx context.Context, msg jetstream.Msg, c Consumer, handle func(context.Context, Message) error) error {
	m, err := messageOf(msg)
	if err != nil {
		return err
	}
	err = handle(ctx, m)
	if c.Durable == "" {
		if errors.Is(err, ErrDrop) {
			return nil
		}
		return err
	}
	var told error
	switch {
	case err == nil:
		told = msg.Ack()
	case errors.Is(err, ErrDrop):
		b.log.Warn("message dropped", "subject", m.Subject, "sequence", m.Sequence, "id", m.ID, "err", err)
		told = msg.TermWithReason(err.Error())
	case ctx.Err() != nil:
		told = msg.NakWithDelay(atOnce) // for the next one
	default:
		b.log.Warn("message not handled, trying again", "subject", m.Subject, "sequence", m.Sequence, "delivery", m.Delivery, "err", err)
		told = msg.NakWithDelay(retryDelay)
	}
	if told != nil {
		// It comes again after ackWait: at least once is what was promised.
		b.log.Warn("acknowledge", "subject", m.Subject, "sequence", m.Sequence, "err", told)
	}
	return nil
}

func messageOf(msg jetstream.Msg) (Message, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return Message{}, fmt.Errorf("message on %s: %w", msg.Subject(), err)
	}
	h := msg.Headers()
	m := Message{
		Subject: msg.Subject(), Sequence: meta.Sequence.Stream, Delivery: meta.NumDelivered, Pending: meta.NumPending,
		ID: attribute(h, headerID), Source: attribute(h, headerSource), Type: attribute(h, headerType), About: attribute(h, headerSubject),
		Feed: attribute(h, headerFeed), At: meta.Timestamp, Body: msg.Data(),
	}
	if at, err := time.Parse(time.RFC3339Nano, attribute(h, headerTime)); err == nil {
		m.At = at
	}
	return m, nil
}

// attribute reads a header; names are case-insensitive (NATS ADR-4), and other
// clients write them as HTTP does.
func attribute(h nats.Header, name string) string {
	if v, ok := h[name]; ok && len(v) > 0 {
		return decodeHeader(v[0])
	}
	for k, v := range h {
		if len(v) > 0 && strings.EqualFold(k, name) {
			return decodeHeader(v[0])
		}
	}
	return ""
}

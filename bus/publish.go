package bus

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"depeer/bgp"
	"depeer/watch"
)

// PublishEvent publishes an event, under its id: feed.* on depeer.feed, all others
// on depeer.event of their hoster.
func (b *Bus) PublishEvent(ctx context.Context, e watch.Event) error {
	if e.ID == "" {
		return fmt.Errorf("publish event %s of %s: it has no id", e.Kind, e.At)
	}
	ce := cloudEvent{id: e.ID, kind: "depeer." + string(e.Kind), at: e.At}
	var subject string
	if state, ok := strings.CutPrefix(string(e.Kind), "feed."); ok {
		name := cmp.Or(e.Source, e.Collector)
		subject = "depeer.feed." + token(name) + "." + token(state)
		ce.source, ce.subject = feedSource(name), e.Collector
	} else {
		if e.Hoster == nil {
			return fmt.Errorf("publish event %s: %s names no hoster", e.ID, e.Kind)
		}
		subject = "depeer.event." + token(*e.Hoster) + "." + token(e.Kind.Token())
		ce.source, ce.subject = hosterSource(*e.Hoster), about(e)
	}
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("publish event %s: %w", e.ID, err)
	}
	return b.publish(ctx, subject, ce, body)
}

// about is what the event speaks of, within its hoster.
func about(e watch.Event) string {
	switch {
	case e.Prefix != nil:
		return e.Prefix.String()
	case e.Upstream != 0:
		return bgp.ASN(e.Upstream)
	case e.ASN != 0:
		return bgp.ASN(e.ASN)
	}
	return *e.Hoster
}

// PublishIncident publishes one revision of an incident. Its id is that of the
// incident, a dot and the revision.
func (b *Bus) PublishIncident(ctx context.Context, i watch.Incident) error {
	if i.ID == "" || i.Hoster == "" {
		return fmt.Errorf("publish incident %q of hoster %q: it needs both", i.ID, i.Hoster)
	}
	body, err := json.Marshal(i)
	if err != nil {
		return fmt.Errorf("publish incident %s: %w", i.ID, err)
	}
	return b.publish(ctx, "depeer.incident."+token(i.Hoster), cloudEvent{
		id: i.ID + "." + strconv.Itoa(i.Revision), source: hosterSource(i.Hoster), kind: "depeer.incident", subject: i.ID, at: i.At,
	}, body)
}

const (
	maxBatch      = 500     // routes in one message
	maxBatchBytes = 256_000 // likewise; a server takes a megabyte unless told otherwise
)

// PublishRoutes publishes watched route changes of a hoster, in their order: runs
// of announcements, of withdrawals and of everything else (state) become messages
// of at most 500 routes. The id of a message is a hash of its content.
//
// feed is the source that heard them; Everyone as the hoster stands for all of them.
func (b *Bus) PublishRoutes(ctx context.Context, feed, hoster string, updates []bgp.Update) error {
	for len(updates) > 0 {
		kind := routeToken(updates[0].Kind)
		body, n, err := encodeRun(updates, kind)
		if err != nil {
			return fmt.Errorf("publish routes of %s: %w", hoster, err)
		}
		subject := "depeer.route." + token(hoster) + "." + kind
		sum := sha256.Sum256(append([]byte(subject+"\n"), body...))
		err = b.publish(ctx, subject, cloudEvent{
			id: hex.EncodeToString(sum[:16]), source: hosterSource(hoster), kind: "depeer.route." + kind, subject: hoster, at: updates[n-1].At, feed: feed,
		}, body)
		if err != nil {
			return err
		}
		updates = updates[n:]
	}
	return nil
}

// encodeRun writes the updates of one kind that lead, as far as they fit, and says
// how many those are.
func encodeRun(updates []bgp.Update, kind string) ([]byte, int, error) {
	var body bytes.Buffer
	n := 0
	for ; n < len(updates) && n < maxBatch && routeToken(updates[n].Kind) == kind; n++ {
		one, err := json.Marshal(RouteOf(updates[n]))
		if err != nil {
			return nil, 0, fmt.Errorf("%s by %s: %w", updates[n].Kind, updates[n].Peer, err)
		}
		if n > 0 && body.Len()+len(one) > maxBatchBytes {
			break
		}
		if n == 0 {
			body.WriteByte('[')
		} else {
			body.WriteByte(',')
		}
		body.Write(one)
	}
	body.WriteByte(']')
	return body.Bytes(), n, nil
}

// PublishSighting publishes an accepted sighting of a source under its stable id.
// The body is its JSON.
func (b *Bus) PublishSighting(ctx context.Context, source, id string, at time.Time, body json.RawMessage) error {
	if id == "" {
		return fmt.Errorf("publish sighting of %s: it has no id", source)
	}
	if !json.Valid(body) {
		return fmt.Errorf("publish sighting %s of %s: the body is no JSON", id, source)
	}
	return b.publish(ctx, "depeer.sighting."+token(source), cloudEvent{
		id: id, source: "/depeer/sightings/" + url.PathEscape(source), kind: "depeer.sighting", subject: source, at: at,
	}, body)
}

// PublishDelivery publishes what came of telling a receiver something, under its
// stable id; about is the incident. The body is its JSON.
func (b *Bus) PublishDelivery(ctx context.Context, receiver, id, about string, at time.Time, body json.RawMessage) error {
	if id == "" || receiver == "" {
		return fmt.Errorf("publish delivery %q to %q: it needs both", id, receiver)
	}
	if !json.Valid(body) {
		return fmt.Errorf("publish delivery %s to %s: the body is no JSON", id, receiver)
	}
	return b.publish(ctx, "depeer.delivery."+token(receiver), cloudEvent{
		id: id, source: "/depeer/receivers/" + url.PathEscape(receiver), kind: "depeer.delivery", subject: about, at: at,
	}, body)
}

func (b *Bus) publish(ctx context.Context, subject string, e cloudEvent, body []byte) error {
	if b.isClosed() {
		return fmt.Errorf("publish %s: %w", subject, ErrClosed)
	}
	return b.out.publish(ctx, e.message(subject, body))
}

// Flush waits until every message that was published before it is acknowledged.
// Its error names each message that was given up since the last Flush, up to ten,
// and says how many more there are.
func (b *Bus) Flush(ctx context.Context) error { return b.out.flush(ctx) }

func (b *Bus) isClosed() bool { return b.life.Err() != nil }

// Stats counts what became of the messages.
func (b *Bus) Stats() Stats { return b.out.snapshot() }

package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"depeer/watch"
)

// Everyone stands in the subject of routes that concern no single hoster: the
// sessions of peers, reference prefixes, pulses. No hoster can have it as its id.
const Everyone = "_"

// PublishPulse publishes a feed's pulse, on depeer.route._.pulse, in order with
// the routes that it told before.
func (b *Bus) PublishPulse(ctx context.Context, p watch.Pulse) error {
	body, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("publish pulse of %s: %w", p.Source, err)
	}
	return b.publish(ctx, "depeer.route."+Everyone+".pulse", cloudEvent{
		id: fmt.Sprintf("pulse.%s.%s.%s.%t", p.Source, strconv.FormatInt(p.Run.UnixNano(), 36), strconv.FormatInt(p.Until.UnixNano(), 36), p.Ready), source: feedSource(p.Source), kind: "depeer.route.pulse",
		subject: p.Source, at: p.Until, feed: p.Source,
	}, body)
}

// Pulse reads the body of a pulse; false where the message holds routes.
func (m Message) Pulse() (watch.Pulse, bool, error) {
	var p watch.Pulse
	if !strings.HasSuffix(m.Subject, ".pulse") {
		return p, false, nil
	}
	err := m.decode(&p, "depeer.route.")
	return p, true, err
}

// PublishGap publishes one revision of a gap, on depeer.gap of its collector. Its id
// is that of the gap, a dot and the revision.
func (b *Bus) PublishGap(ctx context.Context, g watch.Gap) error {
	if g.ID == "" {
		return fmt.Errorf("publish gap of %s: it has no id", g.Collector)
	}
	body, err := json.Marshal(g)
	if err != nil {
		return fmt.Errorf("publish gap %s: %w", g.ID, err)
	}
	return b.publish(ctx, "depeer.gap."+token(g.Collector), cloudEvent{
		id: g.ID + "." + strconv.Itoa(g.Revision), source: feedSource(g.Collector), kind: "depeer.gap", subject: g.Collector, at: g.From,
	}, body)
}

// Gap reads the body of a depeer.gap message.
func (m Message) Gap() (watch.Gap, error) {
	var g watch.Gap
	err := m.decode(&g, "depeer.gap.")
	return g, err
}

package slack

import (
	"context"
	"strings"
	"sync"
	"time"

	api "github.com/slack-go/slack"

	"depeer/notify"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

// desk remembers what people asked.
type desk struct {
	mu    sync.Mutex
	asked []string
	fail  error
	text  string
	image *notify.Picture
	hold  chan struct{} // answers wait for it, where there is one
}

func (d *desk) note(ctx context.Context, s string) error {
	d.mu.Lock()
	d.asked = append(d.asked, s)
	hold, fail := d.hold, d.fail
	d.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fail
}

func (d *desk) Ack(ctx context.Context, incident, who, comment string) error {
	return d.note(ctx, "ack "+incident+" by "+who+": "+comment)
}

func (d *desk) Silence(ctx context.Context, incident, who string, length time.Duration, _ string) error {
	return d.note(ctx, "silence "+incident+" by "+who+" for "+length.String())
}

func (d *desk) Ask(ctx context.Context, words []string) (string, *notify.Picture, error) {
	err := d.note(ctx, "ask "+strings.Join(words, " "))
	return d.text, d.image, err
}

func (d *desk) notes() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.asked...)
}

func decodeInteraction(body []byte) (api.InteractionCallback, bool) {
	return decode[api.InteractionCallback](body)
}

package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"depeer/watch/cnc"
)

// PublishMigration publishes one revision of a migration, on depeer.event of its hoster:
// depeer.event.mccolo.cnc-moved. Its id is that of the migration, a dot and the revision.
func (b *Bus) PublishMigration(ctx context.Context, m cnc.Migration) error {
	if m.ID == "" || m.Hoster == "" || m.Kind == "" {
		return fmt.Errorf("publish migration %q of hoster %q: it needs an id, a kind and a hoster", m.ID, m.Hoster)
	}
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("publish migration %s: %w", m.ID, err)
	}
	return b.publish(ctx, "depeer.event."+token(m.Hoster)+"."+token(strings.ReplaceAll(m.Kind, ".", "-")), cloudEvent{
		id: m.ID + "." + strconv.Itoa(m.Revision), source: hosterSource(m.Hoster), kind: "depeer." + m.Kind, subject: m.Family, at: m.At,
	}, body)
}

// Migration reads the body of a message that [Bus.PublishMigration] published; false where it
// is another event.
func (m Message) Migration() (cnc.Migration, bool, error) {
	var x cnc.Migration
	if !m.IsMigration() {
		return x, false, nil
	}
	err := m.decode(&x, "depeer.event.")
	return x, true, err
}

// IsMigration reports whether the message is about C&C: then [Message.Event] cannot read
// it, as its family is a name, not a number.
func (m Message) IsMigration() bool {
	return strings.HasPrefix(m.Subject, "depeer.event.") && strings.HasPrefix(m.Subject[strings.LastIndexByte(m.Subject, '.')+1:], "cnc-")
}

// Sighting reads the body of a depeer.sighting message.
func (m Message) Sighting() (cnc.Sighting, error) {
	var s cnc.Sighting
	err := m.decode(&s, "depeer.sighting.")
	return s, err
}

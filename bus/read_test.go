package bus_test

import (
	"errors"
	"fmt"
	"testing"

	"depeer/bus"
	"depeer/watch"
)

func TestReadEndsAtTheEnd(t *testing.T) {
	b := open(t, config(t))
	read := func(filters ...string) (ids []string) {
		t.Helper()
		err := b.Read(t.Context(), bus.Incidents, filters, func(m bus.Message) error {
			ids = append(ids, m.ID)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	same(t, []string(nil), read()) // an empty stream
	for i := range 3 {
		for _, hoster := range []string{"a", "b"} {
			if err := b.PublishIncident(t.Context(), watch.Incident{ID: fmt.Sprintf("%s%d", hoster, i), Revision: 1, Hoster: hoster, At: at}); err != nil {
				t.Fatal(err)
			}
		}
	}
	flush(t, b)
	same(t, []string{"a0.1", "b0.1", "a1.1", "b1.1", "a2.1", "b2.1"}, read())
	same(t, []string{"a0.1", "a1.1", "a2.1"}, read("depeer.incident.a")) // the last message of the stream is another's
	same(t, []string(nil), read("depeer.incident.c"))

	n := 0
	if err := b.Read(t.Context(), bus.Incidents, nil, func(bus.Message) error { n++; return bus.ErrEnough }); err != nil || n != 1 {
		t.Errorf("%d read, %v", n, err)
	}
	stop := errors.New("stop")
	if err := b.Read(t.Context(), bus.Incidents, nil, func(bus.Message) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
	if s := bus.EventSubject("a.b"); s != "depeer.event.a-b.*" {
		t.Error(s)
	}
}

package timeline_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"depeer/watch/timeline"
)

// A customer that has another upstream too is no stranger; who never was behind the
// hoster and announces its space is.
func TestRolesOfOrigins(t *testing.T) {
	m := store(t,
		tell(1, timeline.Joined, peerA, none), tell(1, timeline.Joined, peerB, none), tell(1, timeline.Joined, peerC, none),
		tell(2, timeline.Announced, peerA, net22, 64501, 6939, 26780),
		tell(2, timeline.Announced, peerA, net24, 64501, 6939, 26780, 64800),
		tell(3, timeline.Announced, peerB, net24, 64502, 3356, 64800),
		tell(4, timeline.Announced, peerC, net24, 64503, 174, 64666),
		tell(5, timeline.Announced, peerB, net22, 64502, 174, 64700),
	)
	x, err := asker(m).Timeline(context.Background(), timeline.Asking{Hoster: "mccolo", From: minute(1), To: minute(60)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range x.Origins {
		got = append(got, fmt.Sprintf("%d %s", l.ASN, l.Role))
	}
	for _, want := range []string{"26780 own", "64800 customer", "64666 other", "64700 allowed"} {
		if !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("origins %q, want %q among them", got, want)
		}
	}
}

package watch

import (
	"testing"
	"time"
)

// The board counts the eligible peers of all hosters at once, and finds what one by
// one gives.
func TestBoardCountsAsOneByOne(t *testing.T) {
	a, b := liveFeedOf("speaker", "peer-down", 70), liveFeedOf("rislive", "unheard", 3)
	s := newStudio(t, a, b)
	s.after(time.Second)
	s.table(a, one, "2001:db8::/32")
	s.table(b, one, two)
	s.after(time.Hour)
	d := s.in.Detector()
	look := func(want int) {
		t.Helper()
		for i, h := range d.hosters {
			got := d.Board()[i]
			if alone := d.standing(h); got.Eligible != alone.Eligible || got.Eligible != want {
				t.Errorf("%s: %d on the board, %d alone, %d are there", h.ID, got.Eligible, alone.Eligible, want)
			}
		}
	}
	look(73)
	b.dead = true
	s.after(time.Minute)
	look(70)
}

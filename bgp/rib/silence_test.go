package rib

import (
	"net/netip"
	"testing"
	"time"

	"depeer/bgp"
)

// heard tells the peer's running count of announcements.
func (s *teller) heard(p bgp.Peer, announced, withdrawn uint64) *teller {
	return s.apply(bgp.Update{Peer: p, Kind: bgp.Heard, Heard: bgp.Traffic{Announced: announced, Withdrawn: withdrawn}})
}

// TestUnrecordedTransfer: a peer sends its whole table although nobody recorded a
// reset. What it does not send again is not known any more, and not withdrawn.
func TestUnrecordedTransfer(t *testing.T) {
	s := tell(t)
	s.heard(anna, 0, 0).announce(anna, one, 64601, 3549, 26780).announce(anna, two, 64601, 3549, 26780).after(time.Hour).
		heard(anna, 1000, 400)
	s.said = nil
	s.after(time.Minute).announce(anna, one, 64601, 6939, 26780).heard(anna, 90_000, 400).
		after(time.Minute).heard(anna, 180_000, 500)
	if s.table.Transfers != 1 {
		t.Errorf("%d transfers, not 1", s.table.Transfers)
	}
	s.wants("anna said "+one+": 64601 3549 26780 -> 64601 6939 26780").state(anna, Up).holds(anna, two, "64601 3549 26780")
	for range 5 {
		s.after(time.Minute).heard(anna, 180_010, 500)
	}
	s.wants("anna left", "anna joined").state(anna, Up).
		holds(anna, one, "64601 6939 26780").holds(anna, two, "none")
	if s.table.Entry(netip.MustParsePrefix(two)).Slot(s.peer(anna)) != nil {
		t.Error("what was not sent again is known still")
	}
	s.after(time.Minute).announce(anna, two, 64601, 3549, 26780).wants("anna said " + two + ": none -> 64601 3549 26780")
}

// TestNoUnrecordedTransfer: what looks like one and is none.
func TestNoUnrecordedTransfer(t *testing.T) {
	tests := []struct {
		name  string
		story func(*teller)
	}{
		{"a storm: as much is withdrawn as announced", func(s *teller) {
			s.heard(anna, 0, 0).after(time.Minute).heard(anna, 200_000, 150_000)
		}},
		{"a busy day: as much, over hours", func(s *teller) {
			for i := range 200 {
				s.after(time.Minute).heard(anna, uint64(i)*20_000, 0)
			}
		}},
		{"a transfer that was recorded", func(s *teller) {
			s.session(anna, bgp.PeerUp).heard(anna, 0, 0)
			for i := range 5 {
				s.after(50*time.Second).announce(anna, one, 64601, 3549, 26780).heard(anna, uint64(i+1)*200_000, 0)
			}
			s.endOfRIB(anna, false).endOfRIB(anna, true).after(50*time.Second).heard(anna, 1_200_000, 0)
		}},
		{"another source counts from anew", func(s *teller) {
			s.heard(anna, 5_000_000, 100).after(time.Minute).heard(anna, 0, 0).after(time.Minute).heard(anna, 90_000, 0)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := tell(t)
			s.announce(anna, two, 64601, 3549, 26780)
			known := s.peer(anna)
			tt.story(s)
			last := s.table.Peers()[0].window
			for range 6 {
				s.after(time.Minute)
				s.heard(anna, last[len(last)-1].announced, last[len(last)-1].withdrawn)
				last = known.window
			}
			if s.table.Transfers != 0 {
				t.Errorf("%d transfers", s.table.Transfers)
			}
		})
	}
}

// TestSmallTable: where the size of the table is known, a transfer is measured by it.
func TestSmallTable(t *testing.T) {
	s := tell(t)
	s.apply(bgp.Update{Peer: anna, Kind: bgp.TableStart}).
		apply(bgp.Update{Peer: anna, Kind: bgp.TableEnd, Heard: bgp.Traffic{Routes: 10_000}}).
		after(time.Minute).heard(anna, 0, 0).after(time.Minute).heard(anna, 5_999, 0)
	if s.table.Transfers != 0 {
		t.Error("six tenths of the table make a transfer, no less")
	}
	s.after(time.Minute).heard(anna, 6_000, 0)
	if s.table.Transfers != 1 {
		t.Error("six tenths of the table are a transfer")
	}
}

func TestSilence(t *testing.T) {
	talk := func(s *teller, minutes int) {
		for range minutes {
			s.heard(anna, 1, 1).after(time.Minute)
		}
	}
	t.Run("a peer that spoke every minute is stale after an hour", func(t *testing.T) {
		s := tell(t)
		s.announce(anna, one, 64601, 3549, 26780)
		talk(s, 30)
		last := s.peer(anna).LastHeard()
		s.said = nil
		s.table.Silence(last.Add(time.Hour-time.Second), s.note)
		s.wants().state(anna, Up)
		s.table.Silence(last.Add(time.Hour), s.note)
		s.wants("anna left").state(anna, Stale).holds(anna, one, "64601 3549 26780")
		s.table.Silence(last.Add(2*time.Hour), s.note)
		s.wants()
		s.at = last.Add(3 * time.Hour)
		s.heard(anna, 2, 2).wants("anna joined").state(anna, Up).holds(anna, one, "64601 3549 26780")
	})
	t.Run("a peer that speaks now and then is not", func(t *testing.T) {
		s := tell(t)
		s.announce(anna, one, 64601, 3549, 26780)
		for range 30 {
			s.heard(anna, 1, 1).after(10 * time.Minute)
		}
		s.table.Silence(s.at.Add(24*time.Hour), s.note)
		s.state(anna, Up)
	})
	t.Run("nobody is stale who was heard for a few minutes only", func(t *testing.T) {
		s := tell(t)
		talk(s, 9)
		s.table.Silence(s.at.Add(24*time.Hour), s.note)
		s.state(anna, Up)
	})
	t.Run("its dump brings it back, with what changed meanwhile", func(t *testing.T) {
		s := tell(t)
		s.announce(anna, one, 64601, 3549, 26780).announce(anna, two, 64601, 3549, 26780)
		s.table.MarkStale(s.peer(anna), s.at, s.note)
		s.state(anna, Stale)
		s.said = nil
		s.after(time.Hour).dump(anna, bgp.TableEnd, one+" 64601 3549 26780").
			wants("anna joined", "anna said "+two+": 64601 3549 26780 -> none").state(anna, Up)
	})
	t.Run("a peer that is down cannot be stale", func(t *testing.T) {
		s := tell(t)
		s.announce(anna, one, 64601, 3549, 26780).session(anna, bgp.PeerDown)
		s.said = nil
		s.table.MarkStale(s.peer(anna), s.at, s.note)
		s.wants().state(anna, Down)
	})
}

func TestTalkative(t *testing.T) {
	every := func(n int) (bits uint64) {
		for i := 0; i < 64; i += n {
			bits |= 1 << i
		}
		return bits
	}
	tests := []struct {
		name    string
		minutes uint64
		over    int
		want    bool
	}{
		{"never heard", 0, 0, false},
		{"nine minutes, all of them", 1<<9 - 1, 9, false},
		{"ten minutes, all of them", 1<<10 - 1, 10, true},
		{"eight of ten minutes", 0b1111011101, 10, true},
		{"seven of ten minutes", 0b1101011101, 10, false},
		{"every minute of an hour", every(1), 64, true},
		{"every second minute", every(2), 64, false},
	}
	for _, tt := range tests {
		if got := Talkative(tt.minutes, tt.over); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

func TestFullFeed(t *testing.T) {
	s := tell(t)
	size := func(p bgp.Peer, routes int, v6 bool) {
		s.apply(bgp.Update{Peer: p, Kind: bgp.TableStart, V6: v6}).
			apply(bgp.Update{Peer: p, Kind: bgp.TableEnd, V6: v6, Heard: bgp.Traffic{Routes: routes}})
	}
	size(anna, 300_000, false)
	size(bert, 150_000, false)
	full := func(p bgp.Peer, family int, want bool) {
		t.Helper()
		if got := s.table.FullFeed(s.peer(p), family); got != want {
			t.Errorf("%s, family %d: full feed %t, with %v routes", p, family, got, s.peer(p).Routes)
		}
	}
	full(anna, 0, true)
	full(bert, 0, true) // half of the largest is enough
	full(anna, 1, false)
	size(bert, 149_999, false)
	full(bert, 0, false)
	size(bert, 10, true)
	full(bert, 1, true)
	full(anna, 1, false) // nothing is known of its IPv6 table
}

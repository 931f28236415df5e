package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"depeer/watch"
)

// Whoever follows hears each note once, however it was made, and none of before.
func TestNotesAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newCabinet(0)
		l := NewLedger(store)
		say := func(incident, text string, ack bool) {
			t.Helper()
			do := l.Comment
			if ack {
				do = l.Ack
			}
			if err := do(t.Context(), incident, "alice", text, time.Now()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
		say("i1", "before", true)
		if err := l.Subscribe(t.Context(), Subscription{Name: "noc", To: []string{"slack"}}, false); err != nil {
			t.Fatal(err)
		}
		var got []string
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- l.FollowNotes(ctx, func(incident string, n Note) error {
				got = append(got, fmt.Sprint(incident, " ", n.Comment, " ", n.Ack))
				return nil
			})
		}()
		synctest.Wait()
		say("i1", "after", false)
		say("i2", "on it", true)
		say("i2", "done", false)
		if err := l.Unsubscribe(t.Context(), "noc"); err != nil {
			t.Fatal(err)
		}
		for i := range maxNotes + 5 { // the oldest are forgotten meanwhile
			say("i1", fmt.Sprint(i), false)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if want := []string{"i1 after false", "i2 on it true", "i2 done false"}; len(got) != len(want)+maxNotes+5 || !slices.Equal(got[:len(want)], want) || !strings.HasPrefix(got[len(got)-1], fmt.Sprintf("i1 %d ", maxNotes+4)) {
			t.Errorf("%d: %q", len(got), got)
		}
		stop := errors.New("enough")
		go func() { ended <- l.FollowNotes(t.Context(), func(string, Note) error { return stop }) }()
		synctest.Wait()
		say("i3", "x", false)
		if err := <-ended; !errors.Is(err, stop) {
			t.Errorf("%v", err)
		}
	})
}

func TestCovering(t *testing.T) {
	now := time.Date(2008, 11, 11, 22, 0, 0, 0, time.UTC)
	i := watch.Incident{ID: "i1", Hoster: "mccolo", Phase: watch.Open, Class: watch.Depeered, Severity: watch.Warning, Lost: []uint32{6939}}
	all := []Silence{
		{ID: "it", Match: Match{Incidents: []string{"i1"}}, Until: now.Add(time.Hour)},
		{ID: "hoster", Match: Match{Hosters: []string{"mccolo"}}, Until: now.Add(time.Hour)},
		{ID: "tag", Match: Match{Tags: []string{"bulletproof"}}, Until: now.Add(time.Hour)},
		{ID: "all", Until: now.Add(time.Hour)},
		{ID: "other", Match: Match{Hosters: []string{"atrivo"}}, Until: now.Add(time.Hour)},
		{ID: "worse", Match: Match{Severity: watch.Critical}, Until: now.Add(time.Hour)},
		{ID: "over", Match: Match{Incidents: []string{"i1"}}, Until: now},
		{ID: "later", Match: Match{Incidents: []string{"i1"}}, From: now.Add(time.Minute), Until: now.Add(time.Hour)},
	}
	for _, phase := range []watch.Phase{watch.Open, watch.Resolved} {
		i.Phase = phase
		s := OfIncident(i, nil, &watch.Hoster{ID: "mccolo", Name: "McColo Corp.", Tags: []string{"bulletproof"}})
		var got []string
		for _, x := range Covering(all, &s, now) {
			got = append(got, x.ID)
		}
		if want := []string{"it", "hoster", "tag", "all"}; !slices.Equal(got, want) {
			t.Errorf("%s: %v", phase, got)
		}
	}
}

// The page and the messages say the same.
func TestNext(t *testing.T) {
	i := watch.Incident{ID: "i1", Hoster: "mccolo", Phase: watch.Open, Class: watch.Blackout, Opened: time.Date(2008, 11, 11, 21, 2, 51, 0, time.UTC)}
	if s := Next(&i); s != "Check your own routes to its prefixes; depeer timeline mccolo --from 2008-11-11T20:02" {
		t.Errorf("%s", s)
	}
	i.Phase = watch.Resolved
	if s := Next(&i); s != "The whole story: depeer timeline mccolo --from 2008-11-11T20:02" {
		t.Errorf("%s", s)
	}
}

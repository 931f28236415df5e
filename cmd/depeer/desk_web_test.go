package main

import (
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bus"
	"depeer/notify"
	"depeer/watch"
	"depeer/watch/timeline"
	"depeer/watch/timeline/timelinetest"
	"depeer/web"
)

// The pages ask of a moment what the command line asks: only what was known then is told.
func TestExplainAtForThePages(t *testing.T) {
	noon := time.Date(2008, 11, 11, 12, 0, 0, 0, time.UTC)
	prefix := netip.MustParsePrefix("208.66.192.0/22")
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	store := &timelinetest.Memory{}
	batch := &timeline.Batch{Recorded: at(90), Cursors: map[string]uint64{"routes": 1}}
	for i, asn := range []uint32{64501, 64502, 64503} {
		peer := bgp.Peer{Collector: "rrc00", Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), ASN: asn}
		batch.Changes = append(batch.Changes, timeline.Change{At: at(0), What: timeline.Joined, Peer: peer},
			timeline.Change{At: at(0), What: timeline.Announced, Peer: peer, Prefix: prefix, Path: bgp.PathOf(asn, 6939, 26780), Hosters: []string{"mccolo"}},
			timeline.Change{At: at(30), What: timeline.Withdrawn, Peer: peer, Prefix: prefix, Hosters: []string{"mccolo"}})
	}
	slices.SortStableFunc(batch.Changes, func(a, b timeline.Change) int { return a.At.Compare(b.At) })
	resolved := at(80)
	add := func(r timeline.Record, err error) {
		if err != nil {
			t.Fatal(err)
		}
		batch.Records = append(batch.Records, r)
	}
	add(timeline.OfIncident(&watch.Incident{Type: "incident", ID: "i1", Revision: 1, At: at(31), Hoster: "mccolo", Phase: watch.Open, Class: watch.Blackout, Opened: at(30), Summary: "it is dark"}))
	add(timeline.OfIncident(&watch.Incident{Type: "incident", ID: "i1", Revision: 2, At: at(80), Hoster: "mccolo", Phase: watch.Resolved, Class: watch.Blackout, Opened: at(30), Resolved: &resolved, Summary: "it was dark for 50 minutes"}))
	id := "mccolo"
	add(timeline.OfEvent(&watch.Event{Type: "event", ID: "e1", Kind: watch.RouteWithdrawn, At: at(31), FirstSeen: at(30), Hoster: &id, Prefix: &prefix, Severity: watch.Critical}))
	body, err := json.Marshal(notify.Delivery{Type: "delivery", ID: "d1", At: at(32), Receiver: "noc", Outcome: notify.Sent, Hoster: "mccolo", Incident: "i1", Title: "dark"})
	if err != nil {
		t.Fatal(err)
	}
	add(timeline.Record{Kind: timeline.Delivery, ID: "d1", At: at(32), Hoster: "mccolo", Word: "noc", Body: body}, nil)
	if err := store.Write(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	asker := &timeline.Asker{Reader: store, Hosters: []watch.Hoster{{ID: "mccolo", Name: "McColo Corp.", ASNs: []uint32{26780}}}, Baseline: 24 * time.Hour}

	x, err := explainAt(t.Context(), asker, watch.DefaultPolicy(), "mccolo", at(40))
	if err != nil {
		t.Fatal(err)
	}
	if !x.Memory || !x.At.Equal(at(40)) || len(x.Explanations) != 1 || x.Explanations[0].State != "lost" || x.Explanations[0].Holding != 0 {
		t.Errorf("%+v", x)
	}
	if len(x.Incidents) != 1 || x.Incidents[0].Phase != watch.Open || x.Incidents[0].Summary != "it is dark" {
		t.Errorf("the incident is told as it became later: %+v", x.Incidents)
	}
	if len(x.Events) != 1 || x.Events[0].ID != "e1" || len(x.Told) != 1 || x.Told[0].Receiver != "noc" {
		t.Errorf("events %+v, told %+v", x.Events, x.Told)
	}
	if x, err = explainAt(t.Context(), asker, watch.DefaultPolicy(), "208.66.192.0/22", at(20)); err != nil || x.Explanations[0].Holding != 3 || len(x.Events)+len(x.Incidents) != 0 {
		t.Errorf("before: %+v %v", x, err)
	}
	for word, want := range map[string]error{"nobody": web.ErrUnknown, "192.0.2.0/24": timeline.ErrNothing} {
		if _, err := explainAt(t.Context(), asker, watch.DefaultPolicy(), word, at(40)); !errors.Is(err, want) {
			t.Errorf("%s: %v", word, err)
		}
	}
}

// A subscription is tried on what the streams hold, before it is made; nothing is kept.
func TestRehearseForThePages(t *testing.T) {
	cfg := bus.DefaultConfig()
	cfg.Embedded.Dir = t.TempDir()
	b, err := bus.Open(t.Context(), cfg, bus.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	at := time.Date(2008, 11, 11, 21, 0, 0, 0, time.UTC)
	for i, severity := range []watch.Severity{watch.Critical, watch.Info} {
		in := watch.Incident{Type: "incident", ID: string(rune('a' + i)), Revision: 1, At: at.Add(time.Duration(i) * time.Hour), Hoster: "mccolo", Phase: watch.Open, Class: watch.Depeered, Severity: severity,
			Opened: at, Summary: "AS6939 dropped it", Lost: []uint32{6939}, Gained: []uint32{}, Remaining: []uint32{}, Events: []string{}}
		if err := b.PublishIncident(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	ledger, err := openLedger(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	notifyCfg := &NotifyConfig{Config: notify.DefaultConfig(), Receivers: []ReceiverConfig{{Name: "soar", Type: "webhook"}, {Name: "noc", Type: "slack"}}}
	notifyCfg.Subscriptions = []notify.Subscription{{Name: "all", To: []string{"noc"}, Match: notify.Match{Severity: watch.Info}}}
	w := &webDesk{newDesk(ledger, func() *NotifyConfig { return notifyCfg })}
	if list := w.Receivers(); !slices.Equal(list, []web.Receiver{{Name: "noc", Type: "slack"}, {Name: "soar", Type: "webhook"}}) {
		t.Errorf("receivers %+v", list)
	}
	nobody := func(string) *watch.Hoster { return nil }
	q := web.Rehearse{From: at.Add(-time.Hour), To: at.Add(24 * time.Hour)}
	x, err := w.Rehearse(t.Context(), b, nobody, q)
	if err != nil || x.Heard != 2 || x.Unwanted != 0 || !slices.Equal(x.Sums, []web.Sum{{Receiver: "noc", New: 2}}) {
		t.Fatalf("%+v %v", x, err)
	}
	q.Subscription = &web.Subscription{Name: "new", To: []string{"soar"}, Match: web.Match{Severity: watch.Critical}}
	x, err = w.Rehearse(t.Context(), b, nobody, q)
	if err != nil || x.Unwanted != 1 || !slices.Equal(x.Sums, []web.Sum{{Receiver: "soar", New: 1}}) || !x.Lines[0].Sent || x.Lines[0].Title == "" || !slices.Equal(x.Lines[0].For, []string{"new"}) {
		t.Fatalf("%+v %v", x, err)
	}
	if all, err := w.Subscriptions(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("it was made: %+v %v", all, err)
	}
	for name, spoil := range map[string]func(*web.Rehearse){
		"is no receiver": func(q *web.Rehearse) { q.Subscription = &web.Subscription{Name: "x", To: []string{"pager"}} },
		"no duration": func(q *web.Rehearse) {
			q.Subscription = &web.Subscription{Name: "x", To: []string{"soar"}, Wait: "soon"}
		},
		"no subscription": func(q *web.Rehearse) {
			q.Subscription, q.Names = nil, []string{"nobody"}
		},
	} {
		bad := q
		spoil(&bad)
		if _, err := w.Rehearse(t.Context(), b, nobody, bad); !errors.Is(err, web.ErrRefused) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

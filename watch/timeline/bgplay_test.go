package timeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"depeer/bgp"
	"depeer/watch/timeline"
)

// bgplayAnswer is what BGPlay's connectors read of the answer, by the names that they use
// (JsonWrapRipestat.js, readJson: createNodes, createSources, createTargets,
// createInitialState, createEvents).
type bgplayAnswer struct {
	Data *struct {
		Resource     *string `json:"resource"`
		Start        *int64  `json:"query_starttime"`
		End          *int64  `json:"query_endtime"`
		InitialState []struct {
			Target *string  `json:"target_prefix"`
			Source *string  `json:"source_id"`
			Path   []uint32 `json:"path"`
		} `json:"initial_state"`
		Events []struct {
			Type  string `json:"type"`
			At    *int64 `json:"timestamp"`
			Attrs struct {
				Target    *string  `json:"target_prefix"`
				Source    *string  `json:"source_id"`
				Path      []uint32 `json:"path"`
				Community []string `json:"community"`
			} `json:"attrs"`
		} `json:"events"`
		Nodes []struct {
			ASN   *uint32 `json:"as_number"`
			Owner *string `json:"owner"`
		} `json:"nodes"`
		Targets []struct {
			Prefix *string `json:"prefix"`
		} `json:"targets"`
		Sources []struct {
			ID  *string `json:"id"`
			ASN *uint32 `json:"as_number"`
			RRC *string `json:"rrc"`
			IP  *string `json:"ip"`
		} `json:"sources"`
	} `json:"data"`
	Status     string     `json:"status"`
	StatusCode int        `json:"status_code"`
	Messages   [][]string `json:"messages"`
}

// playBGPlay does with the answer what BGPlay does when it reads it, and stops where that
// would fail; it gives each step as a line.
func playBGPlay(t *testing.T, text []byte) (lines []string) {
	t.Helper()
	var x bgplayAnswer
	if err := json.Unmarshal(text, &x); err != nil {
		t.Fatal(err)
	}
	d := x.Data
	if d == nil || x.Status != "ok" || d.Resource == nil || d.Start == nil || d.End == nil || *d.Start == 0 || *d.End < *d.Start || len(d.Nodes) == 0 {
		t.Fatalf("BGPlay shows nothing: %s", text)
	}
	nodes, sources, targets := map[uint32]bool{}, map[string]bool{}, map[string]bool{}
	for _, n := range d.Nodes {
		nodes[*n.ASN] = *n.Owner != ""
	}
	for _, s := range d.Sources {
		if !nodes[*s.ASN] || *s.RRC == "" || *s.IP == "" || sources[*s.ID] {
			t.Fatalf("source %s", *s.ID)
		}
		sources[*s.ID] = true
	}
	for _, p := range d.Targets {
		targets[*p.Prefix] = true
	}
	shown := map[string]bool{}
	check := func(what string, at int64, source, target string, path []uint32) {
		if !sources[source] || !targets[target] {
			t.Fatalf("%s of %s by %s, who are not listed", what, target, source)
		}
		for _, n := range path {
			if !nodes[n] {
				t.Fatalf("AS%d is no node", n)
			}
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %d %s %s %s", what, (at-day.Unix())/60, source, target, strings.Trim(fmt.Sprint(path), "[]"))))
	}
	for _, s := range d.InitialState {
		check("I", *d.Start, *s.Source, *s.Target, s.Path)
		shown[*s.Source+*s.Target] = true
	}
	last := *d.Start
	for _, e := range d.Events {
		k := *e.Attrs.Source + *e.Attrs.Target
		if *e.At < last || *e.At > *d.End || e.Type == "A" != (len(e.Attrs.Path) > 0) || e.Type != "A" && e.Type != "W" || e.Attrs.Community == nil {
			t.Fatalf("event %+v", e)
		}
		if e.Type == "W" && !shown[k] {
			t.Fatalf("BGPlay does not know what is withdrawn: %+v", e)
		}
		last, shown[k] = *e.At, e.Type == "A"
		check(e.Type, *e.At, *e.Attrs.Source, *e.Attrs.Target, e.Attrs.Path)
	}
	for _, m := range x.Messages {
		if len(m) != 2 {
			t.Fatalf("message %q", m)
		}
	}
	return lines
}

func bgplay(t *testing.T, a *timeline.Asker, q timeline.Asking) []string {
	t.Helper()
	x, err := a.BGPlay(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	return playBGPlay(t, text)
}

func TestBGPlay(t *testing.T) {
	changes := mccoloDay()
	set := tell(55, timeline.Announced, peerA, net22)
	set.Path = bgp.Path{{Type: bgp.ASSequence, ASNs: []uint32{64501, 64501, 174}}, {Type: bgp.ASSet, ASNs: []uint32{1, 2}}}
	more := tell(56, timeline.Announced, peerB, net22, 64502, 3549, 26780)
	more.PathID = 7
	a := asker(store(t, append(changes, set, more)...))
	want := []string{
		"I 10 00-192.0.2.1 208.66.192.0/22 64501 6939 26780",
		"I 10 00-192.0.2.2 208.66.192.0/22 64502 6939 26780 26780",
		"I 10 01-192.0.2.3 208.66.192.0/22 64503 3549 26780",
		"W 20 00-192.0.2.1 208.66.192.0/22",
		"W 20 00-192.0.2.2 208.66.192.0/22",
		"A 30 00-192.0.2.2 208.66.192.0/22 64502 1299 26780", // and nothing of peer C, which withdrew nothing
		"A 50 00-192.0.2.1 208.66.192.0/22 64501 174 64666",
		"A 55 00-192.0.2.1 208.66.192.0/22 64501 64501 174",
		"A 56 00-192.0.2.2-path7 208.66.192.0/22 64502 3549 26780",
	}
	if got := bgplay(t, a, timeline.Asking{Hoster: "mccolo", From: minute(10), To: minute(60)}); !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
	// Who is away at the beginning comes in when it is heard again.
	want = []string{"A 30 00-192.0.2.2 208.66.192.0/22 64502 1299 26780", "A 40 01-192.0.2.3 208.66.192.0/22 64503 3549 26780"}
	if got := bgplay(t, a, timeline.Asking{Prefix: net22, From: minute(26), To: minute(45)}); !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
}

// What a peer withdrew while nobody heard it is told when it is heard again.
func TestBGPlayAfterAnAbsence(t *testing.T) {
	a := asker(store(t, append(mccoloDay()[:9], tell(40, timeline.Missing, peerC, net22), tell(40, timeline.Joined, peerC, none))...))
	want := []string{"I 21 01-192.0.2.3 208.66.192.0/22 64503 3549 26780", "W 40 01-192.0.2.3 208.66.192.0/22"}
	if got := bgplay(t, a, timeline.Asking{Prefix: net22, From: minute(21), To: minute(45)}); !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
}

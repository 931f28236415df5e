package timeline_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/watch/timeline"
	"depeer/watch/timeline/timelinetest"
)

// covered tells a store when a collector's recordings are of.
func covered(t *testing.T, m *timelinetest.Memory, name string, list ...timeline.Coverage) {
	t.Helper()
	body, err := timeline.EncodeCoverage(list)
	if err != nil {
		t.Fatal(err)
	}
	keep(t, m, timeline.Batch{Recorded: minute(0), Kept: map[string][]byte{timeline.KeptCoverage + name: body}})
}

func span(collector string, from, to int) timeline.Coverage {
	return timeline.Coverage{Collector: collector, From: minute(from), To: minute(to), Recorded: minute(0)}
}

// Two recordings of rrc00, of minutes 0 to 60 and 600 to 660. In the first 6939 carries
// net22 to both peers; in the second peer A has it through 3549, and peer B has lost it. What
// was between nobody saw.
func twoRecordings(t *testing.T) *timelinetest.Memory {
	m := store(t,
		tell(0, timeline.Joined, peerA, none), tell(0, timeline.Joined, peerB, none),
		tell(0, timeline.Known, peerA, net22, 64501, 6939, 26780), tell(0, timeline.Known, peerB, net22, 64502, 6939, 26780),
		tell(600, timeline.Joined, peerA, none), tell(600, timeline.Known, peerA, net22, 64501, 3549, 26780), tell(600, timeline.Joined, peerB, none),
		tell(640, timeline.Announced, peerA, net22, 64501, 174, 3549, 26780))
	covered(t, m, "one", span("rrc00", 0, 60))
	covered(t, m, "two", span("rrc00", 600, 660))
	return m
}

func TestBetweenRecordings(t *testing.T) {
	m := twoRecordings(t)
	ctx := context.Background()
	x, err := asker(m).Timeline(ctx, timeline.Asking{Hoster: "mccolo", From: minute(10), To: minute(900)})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := steps(&x.Visibility[0]), "10 1.00/2, 60 0.00/0, 600 1.00/1, 660 0.00/0"; got != want {
		t.Errorf("visibility\n got %s\nwant %s", got, want)
	}
	for i, want := range []string{"10 1.00/2, 60 0.00/0, 600 0.00/1, 660 0.00/0", "10 0.00/2, 600 1.00/1, 660 0.00/0"} {
		if got := steps(&x.Upstreams[i]); got != want {
			t.Errorf("AS%d\n got %s\nwant %s", x.Upstreams[i].ASN, got, want)
		}
	}
	if len(x.Gaps) != 2 || !x.Gaps[0].From.Equal(minute(60)) || !x.Gaps[0].To.Equal(minute(600)) || x.Gaps[0].Collector != "rrc00" || x.Gaps[1].To != nil {
		t.Errorf("gaps %+v", x.Gaps)
	}
	for at, want := range map[int]string{
		30:  "2: 64501 6939 26780 true, 64502 6939 26780 true",
		70:  "2: 64501 6939 26780 true, 64502 6939 26780 true", // recordings end a little before their time
		300: "0: 64501 6939 26780 false, 64502 6939 26780 false",
		610: "2: 64501 3549 26780 true", // what peer B held hours ago says nothing
		650: "2: 64501 174 3549 26780 true",
		800: "0: 64501 174 3549 26780 false",
	} {
		r, err := asker(m).RoutesAt(ctx, timeline.Asking{Hoster: "mccolo", To: minute(at)})
		if err != nil {
			t.Fatal(err)
		}
		if got := routesText(r); got != want {
			t.Errorf("minute %d\n got %s\nwant %s", at, got, want)
		}
		if at == 300 && (len(r.Gaps) != 1 || !strings.Contains(r.Routes[0].Reason, "nothing was recorded")) {
			t.Errorf("%+v %q", r.Gaps, r.Routes[0].Reason)
		}
	}
	still, err := asker(m).StillRouted(ctx, minute(300), time.Time{})
	if err != nil || len(still) != 1 || still[0].Routed || len(still[0].Gaps) != 1 {
		t.Errorf("between them it is routed by nobody who is heard: %+v %v", still, err)
	}
	d, err := asker(m).Difference(ctx, timeline.Asking{Hoster: "mccolo", From: minute(30), To: minute(300)})
	if err != nil || len(d.Went) != 0 || len(d.Unknown) != 2 {
		t.Errorf("%+v %v", d, err)
	}
	play, err := asker(m).BGPlay(ctx, timeline.Asking{Hoster: "mccolo", From: minute(30), To: minute(650)})
	if err != nil || len(play.Data.Initial) != 2 {
		t.Fatalf("%+v %v", play, err)
	}
	var told []string
	for _, e := range play.Data.Events {
		told = append(told, e.Type)
	}
	// What they held before is not known when the second recording begins: only peer A tells it again.
	if want := []string{"W", "W", "A", "A"}; !slices.Equal(told, want) {
		t.Errorf("BGPlay shows %v, want %v", told, want)
	}
}

func routesText(r *timeline.Routes) string {
	var out []string
	for _, x := range r.Routes {
		word := " false"
		if x.Known {
			word = " true"
		}
		out = append(out, x.Path.String()+word)
	}
	return string(rune('0'+r.Peers)) + ": " + strings.Join(out, ", ")
}

// Recordings that follow each other, or overlap, or lie within a time in which a process
// listened, leave no hole; what was recorded later was not known before.
func TestNoHole(t *testing.T) {
	ctx := context.Background()
	for name, spans := range map[string][]timeline.Coverage{
		"one after the other": {span("rrc00", 0, 295), span("rrc00", 300, 660)},
		"overlapping":         {span("rrc00", 200, 660), span("rrc00", 0, 300)},
		"listened":            {span("", 0, 660), span("rrc00", 10, 20)},
		"of another":          {span("rrc01", 0, 20)},
	} {
		m := twoRecordings(t)
		covered(t, m, "one", spans...)
		covered(t, m, "two")
		x, err := asker(m).Timeline(ctx, timeline.Asking{Hoster: "mccolo", From: minute(10), To: minute(650)})
		if err != nil {
			t.Fatal(err)
		}
		if p := x.Visibility[0].Points; len(p) != 1 || p[0].Eligible != 2 {
			t.Errorf("%s: %s", name, steps(&x.Visibility[0]))
		}
	}
	m := twoRecordings(t)
	late := span("rrc00", 60, 600)
	late.Recorded = minute(2000)
	covered(t, m, "three", late)
	for believed, holes := range map[int]int{1000: 1, 3000: 0} {
		gaps, err := asker(m).Gaps(ctx, minute(100), minute(200), minute(believed))
		if err != nil || len(gaps) != holes {
			t.Errorf("at %d: %+v %v", believed, gaps, err)
		}
	}
}

func TestCoverageOfNobody(t *testing.T) {
	if _, err := timeline.DecodeCoverage([]byte("{")); err == nil || !strings.Contains(err.Error(), "coverage") {
		t.Error(err)
	}
	if list, err := timeline.DecodeCoverage(nil); err != nil || list != nil {
		t.Error(list, err)
	}
}

// A process that listened and heard nothing more makes an answer whole: nothing has to be said of it.
func TestListenedAndHeardNothing(t *testing.T) {
	const sentence = "Nothing was recorded of it after"
	for name, x := range map[string]struct {
		spans []timeline.Coverage
		said  bool
	}{
		"not known":         {nil, true},
		"listened":          {[]timeline.Coverage{span("", 0, 900)}, false},
		"had ended":         {[]timeline.Coverage{span("", 0, 700)}, true},
		"had not begun":     {[]timeline.Coverage{span("", 910, 2000)}, true},
		"of the collector":  {[]timeline.Coverage{span("rrc00", 0, 900)}, false},
		"a gap says it all": {[]timeline.Coverage{span("rrc00", 0, 660)}, false},
		"of another":        {[]timeline.Coverage{span("rrc01", 0, 900)}, true},
	} {
		m := twoRecordings(t)
		covered(t, m, "one", x.spans...)
		covered(t, m, "two")
		r, err := asker(m).Timeline(context.Background(), timeline.Asking{Hoster: "mccolo", From: minute(10), To: minute(900)})
		if err != nil {
			t.Fatal(err)
		}
		if said := strings.Contains(strings.Join(r.Missing, "\n"), sentence); said != x.said {
			t.Errorf("%s: %q", name, r.Missing)
		}
	}
}

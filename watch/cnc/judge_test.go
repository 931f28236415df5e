package cnc_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/watch"
	"depeer/watch/cnc"
)

// plot is a story told to a judge: sightings and events, in order of time.
type plot struct {
	list   []cnc.Sighting
	events []watch.Event
}

var day0 = time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)

// see adds a sighting of each address every day from..to (days after day0).
func (p *plot) see(family string, from, to int, asn uint32, addrs ...string) {
	for d := from; d <= to; d++ {
		for _, a := range addrs {
			p.add(cnc.Sighting{Family: family, At: day0.AddDate(0, 0, d), Addr: netip.MustParseAddr(a), ASN: asn})
		}
	}
}

func (p *plot) add(s cnc.Sighting) {
	s.Type, s.Kind = "sighting", cnc.CNC
	if s.Source == "" {
		s.Source = "tracker"
	}
	s.ID = fmt.Sprintf("%s %s %s %s", s.Family, s.Addr, s.Name, s.At.Format(time.RFC3339))
	p.list = append(p.list, s)
}

func (p *plot) event(kind watch.EventKind, d float64, change func(*watch.Event)) {
	hoster := "h"
	at := day0.Add(time.Duration(d * 24 * float64(time.Hour)))
	e := watch.Event{Type: "event", ID: fmt.Sprintf("%s %v %d", kind, d, len(p.events)), Kind: kind, At: at, FirstSeen: at, Hoster: &hoster, ASN: 64500, Before: 0.5, After: 0}
	if change != nil {
		change(&e)
	}
	p.events = append(p.events, e)
}

func (p *plot) dark(d float64) { p.event(watch.HosterDark, d, nil) }

func theHoster() watch.Watchlist {
	return watch.Watchlist{Hosters: []watch.Hoster{{ID: "h", Name: "Hoster", ASNs: []uint32{64500}, Prefixes: []netip.Prefix{netip.MustParsePrefix("9.0.0.0/20")}, Upstreams: []uint32{64497}}}}
}

// tell plays the story from a moment on and gives every revision.
func (p *plot) tell(j *cnc.Judge) []cnc.Migration {
	slices.SortStableFunc(p.list, func(a, b cnc.Sighting) int { return a.At.Compare(b.At) })
	slices.SortStableFunc(p.events, func(a, b watch.Event) int { return a.At.Compare(b.At) })
	var out []cnc.Migration
	list, events := p.list, p.events
	for len(list)+len(events) > 0 {
		if len(list) == 0 || len(events) > 0 && events[0].At.Before(list[0].At) {
			out = append(out, j.Advance(events[0].At)...)
			j.Event(events[0])
			events = events[1:]
			continue
		}
		out = append(out, j.Advance(list[0].At)...)
		j.Observe(list[0])
		list = list[1:]
	}
	end := p.list
	if len(end) == 0 {
		return append(out, j.Advance(p.events[len(p.events)-1].At.Add(time.Hour))...)
	}
	return append(out, j.Advance(end[len(end)-1].At.Add(time.Hour))...)
}

func judged(p *plot) []cnc.Migration {
	return p.tell(cnc.NewJudge(cnc.DefaultConfig(), theHoster(), nil))
}

// latest gives the last revision of each, by kind, family and place.
func latest(list []cnc.Migration) map[string]cnc.Migration {
	out := map[string]cnc.Migration{}
	for _, m := range list {
		out[fmt.Sprintf("%s %s %d", m.Kind, m.Family, m.To.ASN)] = m
	}
	return out
}

func kinds(list []cnc.Migration) string {
	var out []string
	for _, m := range list {
		out = append(out, fmt.Sprintf("%s %s AS%d", m.Kind, m.Family, m.To.ASN))
	}
	return strings.Join(out, "; ")
}

// item gives the points of a piece of evidence, and whether it is there.
func item(m cnc.Migration, name string) (float64, bool) {
	for _, e := range m.Evidence {
		if e.Name == name {
			return e.Points, true
		}
	}
	return 0, false
}

// alone is a family that lives at the hoster, which goes dark on day 60.
func alone() *plot {
	p := &plot{}
	p.see("Rustock", 0, 59, 64500, "9.0.0.1", "9.0.0.2", "9.0.1.1")
	p.dark(60)
	return p
}

// background is a kit that is everywhere: new hosts each week, in many networks.
func background(p *plot, family string, from, to int) {
	random := rand.New(rand.NewPCG(1, 2))
	for w := from; w < to; w += 7 {
		for i := range 12 {
			asn := uint32(65000 + random.IntN(40))
			p.see(family, w, w+30, asn, fmt.Sprintf("11.%d.%d.%d", asn-65000, w%250, i))
		}
	}
}

func TestMoves(t *testing.T) {
	p := alone()
	p.see("Rustock", 63, 80, 64501, "12.0.0.1")
	m, ok := latest(judged(p))["cnc.moved Rustock 64501"]
	if !ok {
		t.Fatal(kinds(judged(p)))
	}
	if m.Hoster != "h" || m.ASN != 64500 || m.From.ASN != 64500 || m.To.IP.String() != "12.0.0.1" || m.How != "address" || time.Duration(m.Lag) != 72*time.Hour ||
		m.Severity != "warning" || m.Score != m.Routing+m.CNC || m.Routing != 3 {
		t.Errorf("%+v", m)
	}
	if !strings.Contains(m.Summary, "coincide") || strings.Contains(m.Summary, "because") || len(m.Caveats) == 0 {
		t.Errorf("%s %q", m.Summary, m.Caveats)
	}
	for _, e := range m.Evidence {
		if e.Text == "" || len(e.Records) == 0 || len(e.Records) > 20 {
			t.Errorf("%+v", e)
		}
	}
}

// TestContractForm: the JSON of cnc.moved, as others rely on it.
func TestContractForm(t *testing.T) {
	p := alone()
	p.see("Rustock", 63, 80, 64501, "12.0.0.1")
	text, err := json.Marshal(latest(judged(p))["cnc.moved Rustock 64501"])
	if err != nil {
		t.Fatal(err)
	}
	var x map[string]any
	if err := json.Unmarshal(text, &x); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"type", "id", "kind", "at", "first_seen", "hoster", "asn", "incident", "family", "from", "to", "lag", "brief", "score", "evidence", "severity", "summary", "caveats"} {
		if _, ok := x[key]; !ok {
			t.Errorf("no %q in %s", key, text)
		}
	}
	if x["type"] != "event" || x["kind"] != "cnc.moved" || x["lag"] != 259200.0 {
		t.Errorf("%s", text)
	}
}

// TestNobodyMoved: what looks like a move, and is none.
func TestNobodyMoved(t *testing.T) {
	for name, make := range map[string]func(p *plot){
		"without a cut, a new host elsewhere": func(p *plot) {
			p.see("Rustock", 0, 90, 64500, "9.0.0.1", "9.0.0.2")
			p.see("Rustock", 63, 80, 64501, "12.0.0.1")
		},
		"the upstream failed, for all": func(p *plot) {
			p.see("Rustock", 0, 90, 64500, "9.0.0.1", "9.0.0.2")
			p.event(watch.UpstreamLost, 60, func(e *watch.Event) { e.Upstream, e.UpstreamFailing = 64497, true })
			p.see("Rustock", 63, 80, 64501, "12.0.0.1")
		},
		"three upstreams lost, and it stays": func(p *plot) {
			p.see("Rustock", 0, 120, 64500, "9.0.0.1", "9.0.0.2")
			for i := range 3 {
				p.event(watch.UpstreamLost, 60+float64(i), func(e *watch.Event) { e.Upstream = 64497 + uint32(i) })
			}
			p.see("Rustock", 64, 120, 64501, "12.0.0.1", "12.0.0.2", "12.0.1.3", "12.0.1.4", "12.0.1.5")
		},
		"a kit that is everywhere goes on": func(p *plot) {
			background(p, "Lumma", 0, 130)
			p.see("Lumma", 0, 59, 64500, "9.0.0.1")
			p.dark(60)
		},
		"an address that many families share": func(p *plot) {
			p.see("Rustock", 0, 59, 64500, "9.0.0.1")
			p.dark(60)
			for _, f := range []string{"Zeus", "Conficker", "Lumma", "Rustock"} {
				p.see(f, 63, 80, 64501, "12.0.0.1")
			}
		},
		"a name that points everywhere": func(p *plot) {
			p.see("Rustock", 0, 59, 64500, "9.0.0.1")
			p.dark(60)
			for i := range 200 {
				p.add(cnc.Sighting{Family: "Rustock", At: day0.AddDate(0, 0, 57).Add(time.Duration(i) * time.Hour), Addr: netip.AddrFrom4([4]byte{12, byte(i), 0, 1}), ASN: uint32(64520 + i%60), Name: "flux.example.net"})
			}
		},
		"a front": func(p *plot) {
			p.see("Rustock", 0, 59, 64500, "9.0.0.1")
			p.dark(60)
			p.see("Rustock", 63, 80, 13335, "104.16.0.1")
		},
		"dual use": func(p *plot) {
			p.see("Rustock", 0, 59, 64500, "9.0.0.1")
			p.dark(60)
			p.add(cnc.Sighting{Family: "Rustock", At: day0.AddDate(0, 0, 63), Addr: netip.MustParseAddr("12.0.0.1"), ASN: 64501, DualUse: true})
		},
		"a new tracker with its whole list": func(p *plot) {
			p.see("Rustock", 0, 59, 64500, "9.0.0.1")
			p.dark(60)
			for i := range 200 {
				p.add(cnc.Sighting{Family: "Rustock", Source: "another", At: day0.AddDate(0, 0, 63), Addr: netip.AddrFrom4([4]byte{12, 1, byte(i), 1}), ASN: uint32(64520 + i%20)})
			}
		},
		"it left long before, and came up long after": func(p *plot) {
			p.see("Rustock", 0, 10, 64500, "9.0.0.1")
			p.dark(200)
			p.see("Rustock", 203, 220, 64501, "12.0.0.1")
		},
		"unknown families": func(p *plot) {
			p.see(cnc.UnknownFamily, 0, 59, 64500, "9.0.0.1")
			p.dark(60)
			p.see(cnc.UnknownFamily, 63, 80, 64501, "12.0.0.1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := &plot{}
			make(p)
			for _, m := range judged(p) {
				if m.Kind == cnc.KindMoved || m.Kind == cnc.KindGone {
					t.Errorf("%s: %s %v", m.Kind, m.Summary, m.Evidence)
				}
			}
		})
	}
}

// TestTrackerFallsEverywhere: a family that goes from all networks at once went at the tracker;
// one that goes from the hoster alone is gone.
func TestTrackerFallsEverywhere(t *testing.T) {
	build := func(elsewhere int) *plot {
		p := &plot{}
		var here, there []string
		for i := range 30 {
			here = append(here, fmt.Sprintf("9.0.1.%d", i+1))
		}
		for i := range 100 {
			there = append(there, fmt.Sprintf("12.0.%d.1", i))
		}
		for w := 0; w <= 70; w += 7 {
			p.see("Lumma", w, w, 64500, here...)
			p.see("Lumma", w, w, 64501, there...)
		}
		for w := 77; w <= 140; w += 7 {
			p.see("Lumma", w, w, 64501, there[:elsewhere]...)
		}
		return p
	}
	for kept, want := range map[int]bool{95: true, 50: true, 3: false, 1: false} {
		_, gone := latest(judged(build(kept)))["cnc.gone Lumma 0"]
		if gone != want {
			t.Errorf("%d of 100 go on elsewhere: gone is %t", kept, gone)
		}
	}
}

func TestNeverPaused(t *testing.T) {
	p := alone()
	p.see("Rustock", 0, 120, 64501, "12.0.0.1")
	p.see("Rustock", 0, 120, 64502, "13.0.0.1")
	list := judged(p)
	m, ok := latest(list)["cnc.no-gap Rustock 64501"]
	if !ok || !strings.Contains(m.Summary, "never paused") || !strings.Contains(m.Summary, "AS64501 and AS64502") {
		t.Errorf("%s: %s", kinds(list), m.Summary)
	}
	for _, m := range list {
		if m.Kind == cnc.KindMoved {
			t.Error(m.Summary)
		}
	}
}

func TestStayedBriefly(t *testing.T) {
	p := alone()
	start := day0.AddDate(0, 0, 66)
	for h := range 13 {
		p.add(cnc.Sighting{Family: "Rustock", At: start.Add(time.Duration(h) * time.Hour), Addr: netip.MustParseAddr("12.0.0.1"), ASN: 64501})
	}
	off := false
	p.add(cnc.Sighting{Family: "Rustock", At: start.Add(13 * time.Hour), Addr: netip.MustParseAddr("12.0.0.1"), ASN: 64501, Online: &off})
	m := latest(judged(p))["cnc.moved Rustock 64501"]
	if m.Brief == nil || time.Duration(*m.Brief) != 13*time.Hour || m.Revision != 2 || !strings.Contains(m.Summary, "stayed 13 hours") {
		t.Errorf("%+v", m)
	}
	// Without that word: its source goes on and sees it no more.
	p.list = p.list[:len(p.list)-1]
	p.see("Zeus", 60, 80, 64510, "14.0.0.1")
	m = latest(judged(p))["cnc.moved Rustock 64501"]
	if m.Brief == nil || time.Duration(*m.Brief) != 12*time.Hour {
		t.Errorf("%+v", m)
	}
}

// TestEvacuation: gone before the cut, said when it is cut, with a negative lag.
func TestEvacuation(t *testing.T) {
	p := &plot{}
	p.see("Rustock", 0, 49, 64500, "9.0.0.1", "9.0.0.2", "9.0.1.1")
	p.see("Rustock", 50, 100, 64501, "12.0.0.1", "12.0.0.2")
	p.dark(60)
	m, ok := latest(judged(p))["cnc.moved Rustock 64501"]
	if !ok || time.Duration(m.Lag) != -240*time.Hour || !strings.Contains(m.Summary, "10 days before") {
		t.Errorf("%s: %+v", kinds(judged(p)), m)
	}
}

func TestNameAndFingerprint(t *testing.T) {
	p := &plot{}
	for d := range 60 {
		p.add(cnc.Sighting{Family: "Lumma", At: day0.AddDate(0, 0, d), Addr: netip.MustParseAddr("9.0.0.1"), ASN: 64500, Name: "c2.example.net", Fingerprint: "cert:aa"})
	}
	background(p, "Lumma", 0, 130)
	p.dark(60)
	p.add(cnc.Sighting{Family: "Lumma", At: day0.AddDate(0, 0, 62), Addr: netip.MustParseAddr("12.0.0.1"), ASN: 64501, Name: "c2.example.net"})
	p.add(cnc.Sighting{Family: "Lumma", At: day0.AddDate(0, 0, 62), Addr: netip.MustParseAddr("13.0.0.1"), ASN: 64502, Fingerprint: "cert:aa"})
	got := latest(judged(p))
	if m := got["cnc.moved Lumma 64501"]; m.How != "name" {
		t.Errorf("%s", kinds(judged(p)))
	} else if x, _ := item(m, cnc.ItemName); x != 2 {
		t.Errorf("%+v", m.Evidence)
	}
	if x, _ := item(got["cnc.moved Lumma 64502"], cnc.ItemFingerprint); x != 3 {
		t.Errorf("%+v", got["cnc.moved Lumma 64502"])
	}
}

// handOver lets prefixes of the hoster come from another AS, one each hour.
func (p *plot) handOver(d float64, asn uint32, prefixes ...string) {
	for i, s := range prefixes {
		q := netip.MustParsePrefix(s)
		p.event(watch.OriginNew, d+float64(i)/24, func(e *watch.Event) {
			e.Prefix, e.Origin = &q, asn
			e.Evidence = []watch.Evidence{{Type: "A", Prefix: q, Path: bgp.PathOf(3356, 64497, asn)}}
		})
	}
}

// TestLabelChanged: the prefix moved and the host did not: by routes alone, of a young AS.
func TestLabelChanged(t *testing.T) {
	p := &plot{}
	p.see("Lumma", 0, 100, 64500, "9.0.0.1", "9.0.1.1")
	p.handOver(60, 64501, "9.0.0.0/24", "9.0.1.0/24", "9.0.2.0/24")
	list := theHoster()
	list.Hosters = append(list.Hosters, watch.Hoster{ID: "young", ASNs: []uint32{64501}, Valid: watch.Validity{From: day0.AddDate(0, 0, 50)}})
	all := latest(p.tell(cnc.NewJudge(cnc.DefaultConfig(), list, nil)))
	m, ok := all["cnc.moved Lumma 64501"]
	if !ok || m.How != "label" || m.Routing < 6 || !strings.Contains(m.Summary, "label changed") {
		t.Errorf("%+v", all)
	}
	for _, want := range []string{cnc.ItemNewOrigin, cnc.ItemTogether, cnc.ItemShared, cnc.ItemAddress} {
		if _, ok := item(m, want); !ok {
			t.Errorf("no %s: %+v", want, m.Evidence)
		}
	}
	if len(all) != 1 {
		t.Errorf("the same hosts under another label were said to move, too: %d", len(all))
	}
}

// TestSoldNotMoved: space that goes to many ASes is sold; what goes to a cloud is rented;
// what comes back within the day was a leak or a hijack.
func TestSoldNotMoved(t *testing.T) {
	sold := &plot{}
	for i := range 12 {
		sold.handOver(60+float64(i)*3, uint32(64510+i), fmt.Sprintf("9.0.%d.0/26", i), fmt.Sprintf("9.0.%d.64/26", i), fmt.Sprintf("9.0.%d.128/26", i))
	}
	cloud := &plot{}
	cloud.handOver(60, 16509, "9.0.0.0/24", "9.0.1.0/24", "9.0.2.0/24")
	leak := &plot{}
	leak.handOver(60, 64501, "9.0.0.0/24", "9.0.1.0/24", "9.0.2.0/24")
	for i := range 3 {
		q := netip.MustParsePrefix(fmt.Sprintf("9.0.%d.0/24", i))
		leak.event(watch.OriginGone, 60.3, func(e *watch.Event) { e.Prefix, e.Origin = &q, 64501 })
	}
	for name, p := range map[string]*plot{"sold": sold, "cloud": cloud, "leak": leak} {
		for _, m := range judged(p) {
			if m.Kind == cnc.KindMoved {
				t.Errorf("%s: %s (%v)", name, m.Summary, m.Evidence)
			}
		}
	}
}

// TestOrderOfOneMoment: in whatever order the sightings of a moment come, the same is said,
// byte for byte; and the same after a restart at any point.
func TestOrderOfOneMoment(t *testing.T) {
	p := alone()
	background(p, "Lumma", 0, 100)
	p.see("Lumma", 0, 59, 64500, "9.0.0.9")
	p.see("Rustock", 63, 80, 64501, "12.0.0.1", "12.0.0.2", "12.0.0.3")
	p.see("Rustock", 70, 80, 64502, "13.0.0.1")
	want, err := json.Marshal(judged(p))
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(5) {
		q := &plot{list: slices.Clone(p.list), events: p.events}
		random := rand.New(rand.NewPCG(seed, 3))
		random.Shuffle(len(q.list), func(i, k int) { q.list[i], q.list[k] = q.list[k], q.list[i] })
		if got, _ := json.Marshal(judged(q)); !bytes.Equal(got, want) {
			t.Fatalf("another order of the same moments:\n%s\n%s", got, want)
		}
	}
}

func TestSaveAndLoad(t *testing.T) {
	p := alone()
	p.see("Rustock", 63, 80, 64501, "12.0.0.1", "12.0.0.2")
	p.see("Rustock", 70, 80, 64502, "13.0.0.1")
	slices.SortStableFunc(p.list, func(a, b cnc.Sighting) int { return a.At.Compare(b.At) })
	want := judged(p)
	for _, cut := range []int{5, 150, len(p.list) - 20, len(p.list) - 1} {
		j := cnc.NewJudge(cnc.DefaultConfig(), theHoster(), nil)
		var got []cnc.Migration
		play := func(list []cnc.Sighting, events []watch.Event) {
			for _, s := range list {
				for len(events) > 0 && events[0].At.Before(s.At) {
					got = append(got, j.Advance(events[0].At)...)
					j.Event(events[0])
					events = events[1:]
				}
				got = append(got, j.Advance(s.At)...)
				j.Observe(s)
			}
		}
		at := p.list[cut].At
		k := slices.IndexFunc(p.events, func(e watch.Event) bool { return !e.At.Before(at) })
		if k < 0 {
			k = len(p.events)
		}
		play(p.list[:cut], p.events[:k])
		for _, e := range p.events[:k] {
			j.Event(e) // heard twice changes nothing
		}
		var state bytes.Buffer
		if err := j.Save(&state); err != nil {
			t.Fatal(err)
		}
		var err error
		if j, err = cnc.LoadJudge(&state, cnc.DefaultConfig(), theHoster(), nil); err != nil {
			t.Fatal(err)
		}
		play(p.list[cut:], p.events[k:])
		got = append(got, j.Advance(p.list[len(p.list)-1].At.Add(time.Hour))...)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("saved after %d sightings: %s, want %s", cut, kinds(got), kinds(want))
		}
	}
	if _, err := cnc.LoadJudge(strings.NewReader("nothing"), cnc.DefaultConfig(), theHoster(), nil); err == nil {
		t.Error("nothing is read as a judge")
	}
}

// TestBounded: hosts are forgotten, those not seen for longest first, and counted.
func TestBounded(t *testing.T) {
	cfg := cnc.DefaultConfig()
	cfg.MaxHosts = 1000
	j := cnc.NewJudge(cfg, theHoster(), nil)
	for i := range 20_000 {
		j.Observe(cnc.Sighting{Family: "Zeus", Source: "x", ID: fmt.Sprint(i), At: day0.Add(time.Duration(i) * time.Minute), Addr: netip.AddrFrom4([4]byte{12, byte(i >> 16), byte(i >> 8), byte(i)}), ASN: uint32(64512 + i%100)})
	}
	if c := j.Counts(); c.Forgotten < 18_000 || j.NumHosts > 1000 {
		t.Errorf("%+v, %d kept", c, j.NumHosts)
	}
}

func TestDossierAndSuggestions(t *testing.T) {
	p := alone()
	p.see("Cutwail", 0, 59, 64500, "9.0.0.7")
	p.see("Cutwail", 0, 120, 64510, "14.0.0.1")
	p.see("Storm", 0, 59, 64500, "9.0.0.8")
	p.see("Rustock", 63, 120, 64501, "12.0.0.1")
	p.see("Rustock", 64, 120, 16509, "15.0.0.1")
	j := cnc.NewJudge(cnc.DefaultConfig(), theHoster(), nil)
	p.tell(j)
	d, ok := j.Dossier("h", day0.AddDate(0, 0, 120))
	if !ok || len(d.Families) != 3 || !d.Dark {
		t.Fatalf("%+v", d)
	}
	for _, f := range d.Families {
		if want := map[string]cnc.Fate{"Rustock": cnc.Moved, "Cutwail": cnc.NeverPause, "Storm": cnc.Gone}[f.Family]; f.Fate != want {
			t.Errorf("%s: %s, want %s", f.Family, f.Fate, want)
		}
	}
	if text := d.String(); !strings.Contains(text, "never paused") || !strings.Contains(text, "cut off from 2024-04-30") {
		t.Error(text)
	}
	if _, ok := j.Dossier("nobody", day0); ok {
		t.Error("a dossier of nobody")
	}
	s := j.Suggest()
	if len(s) != 1 || s[0].ASN != 64501 || len(s[0].Reasons) == 0 || s[0].Hosters[0] != "h" {
		t.Errorf("%+v", s)
	}
}

func TestConfigFaults(t *testing.T) {
	c := cnc.DefaultConfig()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	c.Every, c.Moved.CNC, c.Points.Rate, c.Gone.Chance, c.MaxHosts = 0, -1, 100, 2, 1
	err := c.Validate()
	for _, want := range []string{"migration.every", "migration.moved.cnc", "migration.points.rate", "migration.gone.chance", "migration.max_hosts"} {
		if err == nil || !strings.Contains(err.Error(), want+": ") {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

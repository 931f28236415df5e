package picture_test

import (
	"fmt"
	"math"
	"net/netip"
	"time"

	"depeer/watch"
	"depeer/watch/timeline"
)

// story is a timeline made by hand, with how it is drawn.
type story struct {
	name string
	t    *timeline.Timeline
	now  string
	mark string
	wide int
}

func at(s string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05", s)
	if err != nil {
		panic(err)
	}
	return t
}

// points reads "time value eligible" triples: what was so from then on.
func points(triples ...any) []timeline.Point {
	var out []timeline.Point
	for i := 0; i < len(triples); i += 3 {
		out = append(out, timeline.Point{At: at(triples[i].(string)), Value: triples[i+1].(float64), Eligible: triples[i+2].(int)})
	}
	return out
}

func lane(family int, asn uint32, name, role string, p []timeline.Point, events ...string) timeline.Lane {
	l := timeline.Lane{Family: family, ASN: asn, Name: name, Role: role, Points: p, Events: events}
	for _, x := range p {
		if x.Eligible > 0 {
			l.Peak = max(l.Peak, x.Value)
		}
	}
	return l
}

func event(id string, kind watch.EventKind, when string, change func(*watch.Event)) watch.Event {
	h := "mccolo"
	e := watch.Event{Type: "event", ID: id, Kind: kind, At: at(when).Add(75 * time.Second), FirstSeen: at(when), Hoster: &h, Eligible: 40, Severity: watch.Critical}
	if change != nil {
		change(&e)
	}
	return e
}

func share(family int, upstream uint32, before, after float64) func(*watch.Event) {
	return func(e *watch.Event) { e.Family, e.Upstream, e.Before, e.After = family, upstream, before, after }
}

func until(s string) *time.Time { t := at(s); return &t }

// mccolo is what watch/testdata/mccolo-2008.txtar tells, with what was seen of its C&C.
func mccolo() *timeline.Timeline {
	const begin, end = "2008-11-11 12:00:00", "2008-11-16 12:00:00"
	t := &timeline.Timeline{Title: "McColo Corp.", Subject: "mccolo", Hoster: "mccolo", From: at(begin), To: at(end),
		Prefixes: []timeline.PrefixInfo{{Prefix: netip.MustParsePrefix("208.66.192.0/22")}, {Prefix: netip.MustParsePrefix("208.72.168.0/21")}}}
	t.Visibility = []timeline.Lane{lane(4, 0, "", "", points(begin, 1.0, 40, "2008-11-11 21:00:40", 0.7, 40, "2008-11-11 21:01:30", 0.43, 40, "2008-11-11 21:30:45", 0.2, 40, "2008-11-11 21:31:20", 0.05, 40,
		"2008-11-13 18:00:30", 0.0, 40, "2008-11-14 03:00:00", 0.0, 20, "2008-11-14 09:00:00", 0.0, 40, "2008-11-15 12:00:50", 0.6, 40, "2008-11-15 12:02:00", 1.0, 40, "2008-11-16 00:01:00", 0.4, 40, "2008-11-16 00:02:00", 0.0, 40))}
	t.Upstreams = []timeline.Lane{
		lane(4, 1299, "TeliaSonera", "", points(begin, 0.0, 80, "2008-11-15 12:02:00", 1.0, 80, "2008-11-16 00:02:00", 0.0, 80), "gained1299", "lost1299"),
		lane(4, 6939, "Hurricane Electric", "", points(begin, 0.62, 80, "2008-11-11 21:01:30", 0.0, 80), "lost6939"),
		lane(4, 3549, "Global Crossing", "", points(begin, 0.38, 80, "2008-11-11 21:31:20", 0.0, 80), "lost3549"),
		lane(4, 226, "Los Nettos", "", points(begin, 0.0, 80, "2008-11-11 20:00:30", 0.05, 80, "2008-11-13 18:00:30", 0.0, 80), "gained226", "lost226"),
	}
	t.Origins = []timeline.Lane{lane(4, 26780, "McColo", "own", points(begin, 1.0, 80, "2008-11-11 21:01:30", 0.43, 80, "2008-11-11 21:31:20", 0.05, 80, "2008-11-13 18:00:30", 0.0, 80, "2008-11-15 12:02:00", 1.0, 80, "2008-11-16 00:02:00", 0.0, 80))}
	t.Events = []watch.Event{
		event("gained226", watch.UpstreamGained, "2008-11-11 20:00:09", share(4, 226, 0, 0.05)),
		event("lost6939", watch.UpstreamLost, "2008-11-11 21:00:01", share(4, 6939, 0.62, 0)),
		event("lost3549", watch.UpstreamLost, "2008-11-11 21:30:02", share(4, 3549, 0.38, 0)),
		event("dark1", watch.HosterDark, "2008-11-11 21:30:02", nil),
		event("lost226", watch.UpstreamLost, "2008-11-13 18:00:11", share(4, 226, 0.05, 0)),
		event("feed", watch.FeedLost, "2008-11-14 03:00:00", func(e *watch.Event) { e.Hoster, e.Collector, e.PeersLost, e.Severity = nil, "rrc00", 20, watch.Warning }),
		event("gained1299", watch.UpstreamGained, "2008-11-15 12:00:04", share(4, 1299, 0, 1)),
		event("back", watch.HosterReturned, "2008-11-15 12:00:04", nil),
		event("lost1299", watch.UpstreamLost, "2008-11-16 00:00:03", share(4, 1299, 1, 0)),
		event("dark2", watch.HosterDark, "2008-11-16 00:00:03", nil),
	}
	t.Incidents = []watch.Incident{
		{ID: "i1", Class: watch.Blackout, Opened: at("2008-11-11 21:00:01"), Resolved: until("2008-11-13 21:31:00")},
		{ID: "i2", Class: watch.Repeered, Opened: at("2008-11-15 12:00:04"), Resolved: until("2008-11-16 00:12:00")},
	}
	t.Gaps = []watch.Gap{{ID: "g1", Collector: "rrc00", Reason: "feed lost", From: at("2008-11-14 03:00:00"), To: until("2008-11-14 09:00:00"), Peers: 20}}
	sight := func(family, addr string, asn uint32, from, to string) {
		t.Sightings = append(t.Sightings, timeline.Sight{Family: family, Addr: netip.MustParseAddr(addr), ASN: asn, At: at(from), Until: at(to), Source: "hand", ID: family + from})
	}
	sight("Rustock", "208.72.169.22", 26780, "2008-11-11 12:30:00", "2008-11-11 20:50:00")
	sight("Rustock", "208.72.169.22", 26780, "2008-11-15 12:40:00", "2008-11-15 19:00:00")
	sight("Rustock", "83.133.123.10", 42570, "2008-11-15 17:00:00", "2008-11-16 11:00:00")
	sight("Srizbi", "208.66.194.22", 26780, "2008-11-11 12:00:00", "2008-11-11 21:20:00")
	sight("Mega-D", "208.72.168.90", 26780, "2008-11-11 13:00:00", "2008-11-11 21:25:00")
	sight("Cutwail", "195.2.252.1", 12695, "2008-11-11 12:00:00", "2008-11-16 12:00:00")
	return t
}

// flapping is a hoster whose upstream goes and comes 250 times within a month, seen by both families.
func flapping() *timeline.Timeline {
	begin := at("2025-03-01 00:00:00")
	t := &timeline.Timeline{Title: "Flapping Hosting Ltd.", Subject: "flapping", From: begin, To: begin.AddDate(0, 1, 0)}
	var v4, v6, up1 []timeline.Point
	add := func(to *[]timeline.Point, when time.Time, v float64) {
		*to = append(*to, timeline.Point{At: when, Value: v, Eligible: 60})
	}
	add(&v4, begin, 1)
	add(&v6, begin, 0.9)
	add(&up1, begin, 0.7)
	var ids []string
	for i := range 250 {
		when := begin.Add(time.Duration(i*i%997)*3*time.Minute + time.Duration(i)*2*time.Hour + 5*time.Minute)
		add(&v4, when, 0.3)
		add(&v4, when.Add(40*time.Minute), 1)
		add(&up1, when, 0)
		add(&up1, when.Add(40*time.Minute), 0.7)
		for j, k := range []watch.EventKind{watch.UpstreamLost, watch.UpstreamRestored} {
			e := event(fmt.Sprintf("e%d.%d", i, j), k, when.Add(time.Duration(j)*40*time.Minute).Format("2006-01-02 15:04:05"), share(4, 64500, 0.7*float64(1-j), 0.7*float64(j)))
			e.Severity = watch.Warning
			ids = append(ids, e.ID)
			t.Events = append(t.Events, e)
		}
	}
	byTime := func(p []timeline.Point) []timeline.Point {
		var out []timeline.Point
		for _, x := range p {
			if len(out) == 0 || !x.At.Before(out[len(out)-1].At) {
				out = append(out, x)
			}
		}
		return out
	}
	t.Visibility = []timeline.Lane{lane(4, 0, "", "", byTime(v4)), lane(6, 0, "", "", v6)}
	t.Upstreams = []timeline.Lane{
		lane(4, 64500, "Example Transit with a Very Long Name That Goes On", "", byTime(up1), ids...),
		lane(4, 64501, "Steady Carrier", "", []timeline.Point{{At: begin, Value: 0.3, Eligible: 60}}),
		lane(6, 64501, "Steady Carrier", "", []timeline.Point{{At: begin, Value: 0.9, Eligible: 60}}),
	}
	t.Origins = []timeline.Lane{lane(4, 64496, "Flapping", "own", []timeline.Point{{At: begin, Value: 1, Eligible: 60}}), lane(6, 64496, "Flapping", "own", []timeline.Point{{At: begin, Value: 0.9, Eligible: 60}})}
	t.Incidents = []watch.Incident{{ID: "i", Class: watch.Depeered, Opened: begin.Add(5 * time.Minute), Flaps: 249}}
	return t
}

// hijack is a prefix that another AS announces too, with a more specific.
func hijack() *timeline.Timeline {
	const begin, end = "2024-06-03 08:00:00", "2024-06-03 14:00:00"
	q := netip.MustParsePrefix("203.0.113.0/24")
	yes := true
	t := &timeline.Timeline{Title: "203.0.113.0/24", Subject: "203.0.113.0/24", From: at(begin), To: at(end), Believed: at("2024-06-04 09:30:00")}
	t.Visibility = []timeline.Lane{lane(4, 0, "", "", points(begin, 1.0, 320))}
	t.Upstreams = []timeline.Lane{lane(4, 64502, "Carrier & Sons <net>", "", points(begin, 1.0, 320, "2024-06-03 10:12:00", 0.55, 320, "2024-06-03 11:40:00", 1.0, 320)), lane(4, 64666, "", "", points(begin, 0.0, 320, "2024-06-03 10:12:00", 0.45, 320, "2024-06-03 11:40:00", 0.0, 320))}
	t.Origins = []timeline.Lane{
		lane(4, 64497, "Victim", "own", points(begin, 1.0, 320, "2024-06-03 10:12:00", 0.52, 320, "2024-06-03 11:40:00", 1.0, 320)),
		lane(4, 64498, "Scrubbing Service", "allowed", points(begin, 0.0, 320, "2024-06-03 12:30:00", 0.2, 320)),
		lane(4, 64511, "Thief \"Quoted\" Networks", "other", points(begin, 0.0, 320, "2024-06-03 10:12:00", 0.48, 320, "2024-06-03 11:40:00", 0.0, 320), "o1", "o2"),
	}
	t.Events = []watch.Event{
		event("o1", watch.OriginNew, "2024-06-03 10:12:07", func(e *watch.Event) {
			e.Prefix, e.Origin, e.MoreSpecific, e.RPKI, e.Before, e.After = &q, 64511, &yes, "invalid", 0, 0.48
		}),
		event("o2", watch.OriginGone, "2024-06-03 11:40:31", func(e *watch.Event) { e.Prefix, e.Origin, e.Severity = &q, 64511, watch.Info }),
	}
	t.Incidents = []watch.Incident{{ID: "h", Class: watch.HijackSuspect, Opened: at("2024-06-03 10:12:07"), Resolved: until("2024-06-03 11:51:00")}}
	return t
}

// many is a hoster behind 30 upstreams, and of 20 origins.
func many() *timeline.Timeline {
	begin := at("2026-01-05 00:00:00")
	t := &timeline.Timeline{Title: "A Network With Many Friends and a Name That Is Much Too Long to Stand in One Line of Any Picture That Anybody Would Draw, B.V.", Subject: "many", From: begin, To: begin.AddDate(0, 0, 7)}
	t.Visibility = []timeline.Lane{lane(4, 0, "", "", []timeline.Point{{At: begin, Value: 0.98, Eligible: 300}})}
	for i := range 30 {
		when := begin.Add(time.Duration(i*5+3) * time.Hour)
		v := 0.2 / float64(i+1)
		id := fmt.Sprintf("lost%d", i)
		t.Upstreams = append(t.Upstreams, lane(4, uint32(64512+i), fmt.Sprintf("Carrier Number %d International", i), "", []timeline.Point{{At: begin, Value: v, Eligible: 300}, {At: when, Value: 0, Eligible: 300}}, id))
		t.Events = append(t.Events, event(id, watch.UpstreamLost, when.Format("2006-01-02 15:04:05"), share(4, uint32(64512+i), v, 0)))
	}
	for i := range 20 {
		role := "other"
		if i == 3 {
			role = "own"
		}
		t.Origins = append(t.Origins, lane(4, uint32(4200000000+i), "", role, []timeline.Point{{At: begin, Value: 0.05, Eligible: 300}}))
	}
	for i := range 14 {
		t.Sightings = append(t.Sightings, timeline.Sight{Family: fmt.Sprintf("Family %d", i), At: begin.Add(time.Duration(i) * 9 * time.Hour), ASN: uint32(4200000000 + i)})
	}
	return t
}

// decade is ten years of one hoster, most of them watched.
func decade() *timeline.Timeline {
	begin := at("2016-11-01 00:00:00")
	t := &timeline.Timeline{Title: "Old Hoster", Subject: "AS64499", From: begin, To: begin.AddDate(10, 0, 0)}
	var v []timeline.Point
	var a, b, c []timeline.Point
	for day := 0; day < 3652; day++ {
		when := begin.AddDate(0, 0, day)
		eligible := 200 + day/20
		if day > 1200 && day < 1290 {
			eligible = 0
		}
		x := 0.95 + 0.05*math.Sin(float64(day)/40)
		if day%413 == 7 {
			x = 0
		}
		v = append(v, timeline.Point{At: when, Value: x, Eligible: eligible})
		w := 0.5 + 0.4*math.Sin(float64(day)/500)
		a = append(a, timeline.Point{At: when, Value: w * x, Eligible: eligible})
		b = append(b, timeline.Point{At: when, Value: (1 - w) * x, Eligible: eligible})
		if day > 2000 {
			c = append(c, timeline.Point{At: when, Value: 0.002, Eligible: eligible})
		}
		if day%413 == 7 {
			s := when.Format("2006-01-02 15:04:05")
			t.Events = append(t.Events, event(fmt.Sprint("dark", day), watch.HosterDark, s, nil), event(fmt.Sprint("back", day), watch.HosterReturned, when.AddDate(0, 0, 1).Format("2006-01-02 15:04:05"), nil))
			t.Incidents = append(t.Incidents, watch.Incident{ID: s, Class: watch.Blackout, Opened: when, Resolved: until(when.AddDate(0, 0, 1).Format("2006-01-02 15:04:05"))})
		}
		if day%30 == 0 {
			t.Gaps = append(t.Gaps, watch.Gap{ID: fmt.Sprint(day), Collector: "rrc00", Reason: "session lost", From: when, To: until(when.Add(3 * time.Hour).Format("2006-01-02 15:04:05")), Peers: 1})
		}
	}
	t.Gaps = append(t.Gaps, watch.Gap{ID: "long", Collector: "rrc00", Reason: "feed lost", From: begin.AddDate(0, 0, 1201), To: until(begin.AddDate(0, 0, 1290).Format("2006-01-02 15:04:05")), Peers: 200})
	t.Visibility = []timeline.Lane{lane(4, 0, "", "", v)}
	t.Upstreams = []timeline.Lane{lane(4, 3356, "Level 3", "", a), lane(4, 174, "Cogent", "", b), lane(4, 64501, "Late and small", "", c)}
	t.Origins = []timeline.Lane{lane(4, 64499, "Old Hoster", "own", v)}
	return t
}

// minuteLong is one minute in which 12 peers lose a route.
func minuteLong() *timeline.Timeline {
	begin := at("2025-11-30 23:59:30")
	t := &timeline.Timeline{Title: "2001:db8:1::/48", Subject: "2001:db8:1::/48", From: begin, To: begin.Add(time.Minute)}
	var v []timeline.Point
	for i := range 13 {
		v = append(v, timeline.Point{At: begin.Add(time.Duration(i*i) * 317 * time.Millisecond), Value: float64(12-i) / 12, Eligible: 12})
	}
	t.Visibility = []timeline.Lane{lane(6, 0, "", "", v)}
	t.Upstreams = []timeline.Lane{lane(6, 6939, "Hurricane Electric", "", v, "w")}
	t.Origins = []timeline.Lane{lane(6, 64496, "", "own", v)}
	q := netip.MustParsePrefix("2001:db8:1::/48")
	e := event("w", watch.RouteWithdrawn, "2025-11-30 23:59:41", func(e *watch.Event) { e.Family, e.Prefix, e.Before, e.After = 6, &q, 1, 0.04 })
	e.FirstSeen = e.FirstSeen.Add(412345 * time.Microsecond)
	e.At = e.FirstSeen.Add(10 * time.Second)
	t.Events = []watch.Event{e}
	return t
}

// blinded is a day of which hardly anything was seen.
func blinded() *timeline.Timeline {
	const begin, end = "2024-02-28 12:00:00", "2024-03-01 12:00:00"
	t := &timeline.Timeline{Title: "Blind Spot GmbH", Subject: "blind-spot", From: at(begin), To: at(end)}
	course := points("2024-02-28 18:00:00", 1.0, 30, "2024-02-29 02:00:00", 0.0, 0, "2024-02-29 09:00:00", 0.9, 12, "2024-02-29 17:00:00", 0.0, 0)
	t.Visibility = []timeline.Lane{lane(4, 0, "", "", course), lane(6, 0, "", "", nil)}
	t.Upstreams = []timeline.Lane{lane(4, 64500, "Example Transit", "", course)}
	t.Origins = []timeline.Lane{lane(4, 64496, "Blind Spot", "own", course)}
	t.Gaps = []watch.Gap{
		{ID: "a", Collector: "rrc00", From: at("2024-02-29 02:00:00"), To: until("2024-02-29 09:00:00"), Peers: 30},
		{ID: "b", Collector: "rrc00", From: at("2024-02-29 10:30:00"), To: until("2024-02-29 12:30:00"), Peers: 3},
		{ID: "c", Collector: "rrc00", From: at("2024-02-29 17:00:00"), Peers: 12},
		{ID: "d", Collector: "rrc00", From: at("2024-02-28 20:00:00"), To: until("2024-02-28 21:00:00"), Peers: 2, Filled: until("2024-02-29 10:00:00")},
	}
	t.Missing = []string{"Nothing was heard before 2024-02-28 18:00 UTC: the watch began then.", "IPv6 was seen by no peer.", "The sightings of one source were refused, because its list was empty: what it knew before stays, but nothing new of it is in this picture until it answers again."}
	return t
}

func stories() []story {
	begin, end := "2008-11-01 00:00:00", "2008-12-01 00:00:00"
	return []story{
		{name: "mccolo", t: mccolo()},
		{name: "mccolo-narrow", t: mccolo(), wide: 400},
		{name: "mccolo-now", t: mccolo(), now: "2008-11-15 16:00:00", mark: "2008-11-12 00:00:00"},
		{name: "flapping", t: flapping()},
		{name: "hijack", t: hijack()},
		{name: "many", t: many()},
		{name: "decade", t: decade()},
		{name: "minute", t: minuteLong()},
		{name: "blinded", t: blinded()},
		{name: "empty", t: &timeline.Timeline{Title: "McColo Corp.", Subject: "mccolo", From: at(begin), To: at(end)}},
	}
}

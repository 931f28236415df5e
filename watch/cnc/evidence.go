package cnc

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// The names of the evidence that C&C gives.
const (
	ItemRate        = "new-as-rate"
	ItemHome        = "home-lost"
	ItemName        = "name-moved"
	ItemGenerated   = "generated-names"
	ItemFingerprint = "same-fingerprint"
	ItemAddress     = "same-address"
	ItemLeft        = "left"
	ItemWindow      = "during-return"
	ItemBefore      = "there-before"
)

// The kinds of what the judge says.
const (
	KindMoved = "cnc.moved"  // the score is above the threshold
	KindWatch = "cnc.watch"  // it is not, and worth a look
	KindGone  = "cnc.gone"   // a family is seen no more at a hoster whose routes did not change
	KindNoGap = "cnc.no-gap" // a family went on as if nothing had happened: it was elsewhere too
)

// What changed.
const (
	HowAddress = "address" // the family has hosts at other addresses
	HowName    = "name"    // a name of it points to another address
	HowLabel   = "label"   // the prefix moved, and the hosts in it did not
)

// Fleet is the family of a migration of prefixes in which no family was seen: whatever is
// in them.
const Fleet = "fleet"

// verdict is what was said of a migration last.
type verdict struct {
	M       Migration
	Touched int64
	Place   place
}

// judge looks at everything that concerns one hoster.
func (j *Judge) judge(h *hoster, now int64) []Migration {
	chains := h.chains(j.Cfg.Chain)
	var out []Migration
	for _, f := range j.byName() {
		if len(f.Homes[h.ID]) == 0 || !f.changed && !h.changed {
			continue
		}
		live := false
		for i := range chains {
			c := &chains[i]
			if now > c.last()+int64(j.Cfg.Link/time.Second)+30*daySeconds {
				continue // what follows this cut has been said
			}
			live = true
			out = append(out, j.noGap(h, f, c, now)...)
			out = append(out, j.candidates(h, f, c, now)...)
		}
		if !live {
			out = append(out, j.gone(h, f, now)...)
		}
	}
	if h.changed {
		out = append(out, j.handovers(h, now)...)
	}
	h.changed = false
	return append(out, j.endings(h, now)...)
}

func (j *Judge) byName() []*family {
	if j.scratch.families == nil {
		for _, f := range j.Families {
			j.scratch.families = append(j.scratch.families, f)
		}
		slices.SortFunc(j.scratch.families, func(a, b *family) int { return strings.Compare(a.Name, b.Name) })
	}
	return j.scratch.families
}

// candidates judges every place that the family has new hosts in around the cut.
func (j *Judge) candidates(h *hoster, f *family, c *chain, now int64) []Migration {
	from, to := c.start-int64(j.Cfg.Back/time.Second), c.last()+int64(j.Cfg.Link/time.Second)
	var places []place
	for p, x := range f.Places {
		if !j.front(p.ASN) && !slices.Contains(h.ASNs, p.ASN) && x.Days.during(day(from), day(to), f.Bulk) > 0 {
			places = append(places, p)
		}
	}
	slices.SortFunc(places, place.compare)
	cut := j.cutItems(h, c)
	var out []Migration
	for _, p := range places {
		if m, ok := j.candidate(h, f, c, p, cut, now); ok {
			out = append(out, j.say(h, m, p, now)...)
		}
	}
	return out
}

// best is the growth at the anchor of the cut that explains it best: its first loss, or
// the last one before the family was seen in the new place.
func (j *Judge) best(h *hoster, f *family, c *chain, p place, now int64, most int) (growth, int64) {
	g, anchor := j.growth(f, p, h, c.start, now, most), c.start
	if g.seen == 0 {
		return g, anchor
	}
	for _, x := range c.facts {
		if x.Onset > c.start && x.Onset <= now {
			if k := j.growth(f, p, h, x.Onset, now, most); k.seen > 0 && k.points > g.points && k.from >= x.Onset {
				g, anchor = k, x.Onset
			}
		}
	}
	return g, anchor
}

func (j *Judge) candidate(h *hoster, f *family, c *chain, p place, cut []Item, now int64) (Migration, bool) {
	// Seen there after the cut, and not while the hoster was back: it is still there.
	home := j.homeAt(f, h, c.start, c.decisive(now), func(t int64) bool {
		s, ok := c.back(t)
		return ok && t <= cmp.Or(s.Last, now)+grace
	})
	if len(home.hosts) == 0 {
		return Migration{}, false
	}
	g, anchor := j.best(h, f, c, p, now, 2*len(home.hosts)+1)
	if g.seen == 0 {
		return Migration{}, false
	}
	first := slices.MinFunc(g.hosts, func(a, b *host) int { return cmp.Or(cmp.Compare(a.First, b.First), a.compare(b.hostKey)) })
	m := Migration{Type: "event", Hoster: h.ID, ASN: firstASN(h), Incident: c.near(first.First), Family: f.Name, How: HowAddress,
		Seen: time.Unix(first.First, 0).UTC(), Lag: Lag(time.Duration(first.First-c.start) * time.Second), From: endOf(last(home.hosts)), To: endOf(first)}
	m.To.Name = cmp.Or(m.To.Name, j.facts(p.ASN, m.Seen).Name)
	m.From.Name = cmp.Or(m.From.Name, h.Name)
	m.Evidence = append(slices.Clone(cut), j.cncItems(h, f, c, p, &g, &home, anchor, first, now)...)
	for _, o := range m.Evidence {
		if o.Name == ItemName {
			m.How = HowName
		}
	}
	m.Caveats = j.caveats(h, f, c, p, &g, &home, first, now)
	j.sum(&m, home.left(c.wasDark(now)) < 0.5)
	return m, true
}

// cncItems is what C&C says of one place.
func (j *Judge) cncItems(h *hoster, f *family, c *chain, p place, g *growth, home *home, anchor int64, first *host, now int64) []Item {
	pts := &j.Cfg.Points
	ids := make([]string, 0, len(g.hosts))
	for _, x := range g.hosts {
		ids = append(ids, x.FirstID)
	}
	text := fmt.Sprintf("%s of %s first seen in %s in the %s from %s on, %.2g expected", count(g.seen, "1 host", "%d hosts"), f.Name, where(p), span1(time.Duration(g.to-g.from)*time.Second), stamp(g.from), g.expected)
	if g.others >= 0.05 {
		text += fmt.Sprintf("; %.1f other networks grow as much in such a time anyway", g.others)
	}
	items := []Item{{ItemRate, round(g.points), fmt.Sprintf("%s; weight %.1f", text, g.weight), records(ids...)}}
	before := f.Places[p].seenWithin(day(min(anchor, first.First)-int64(j.Cfg.Alive/time.Second)), day(min(anchor, first.First))-1)
	if share := home.share(); share > 0 && !before && !f.Tool {
		left := home.left(c.wasDark(now))
		w := share * left
		if g.weight < 0.4 {
			w /= 2
		}
		if x := round(pts.Home * w); x >= 0.05 {
			var from []string
			for _, o := range home.hosts {
				from = append(from, o.FirstID, o.LastID)
			}
			items = append(items, Item{ItemHome, x, fmt.Sprintf("%d of the %d known hosts of %s were at %s before the cut; %s", len(home.hosts), len(home.hosts)+home.others, f.Name, h.Name, leftText(left)), records(from...)})
		}
	}
	items = append(items, j.identityItems(h, f, g)...)
	if s, ok := c.back(first.First); ok && first.First <= cmp.Or(s.Last, first.First)+grace/2 {
		items = append(items, Item{ItemWindow, 0, fmt.Sprintf("first seen there while %s was back, from %s%s", h.Name, stamp(s.First), until(s.Last)), factIDs(c.returns(h, s.First))})
	}
	return items
}

func until(t int64) string {
	if t == 0 {
		return ""
	}
	return " to " + stamp(t)
}

func leftText(left float64) string {
	switch {
	case left >= 0.8:
		return "they are seen there no more"
	case left >= 0.5:
		return "nobody says that they still are"
	}
	return "some are still seen there"
}

// identityItems say that it is the same host or the same name as before.
func (j *Judge) identityItems(h *hoster, f *family, g *growth) []Item {
	pts := &j.Cfg.Points
	var items []Item
	was := map[string]*host{} // names and fingerprints at the hoster
	homes := slices.Clone(f.Homes[h.ID])
	byFirst(homes)
	for _, o := range homes {
		for _, n := range o.Names {
			was["name:"+n] = o
		}
		if o.Fingerprint != "" {
			was["print:"+o.Fingerprint] = o
		}
	}
	var names, prints, made []string
	var nameIDs, printIDs, madeIDs []string
	blocks := map[string]int{}
	for _, x := range g.hosts {
		for _, n := range x.Names {
			if o := was["name:"+n]; o != nil && o.First < x.First && !slices.Contains(names, n) && !f.Names[n].fluxes() {
				names, nameIDs = append(names, n), append(nameIDs, o.LastID, x.FirstID)
			}
		}
		if o := was["print:"+x.Fingerprint]; x.Fingerprint != "" && o != nil && o.First < x.First && len(f.Prints[x.Fingerprint]) <= 3 && !slices.Contains(prints, x.Fingerprint) {
			prints, printIDs = append(prints, x.Fingerprint), append(printIDs, o.LastID, x.FirstID)
		}
		if x.Generated {
			made, madeIDs = append(made, x.Names...), append(madeIDs, x.FirstID)
			blocks[around(x.Addr).String()]++
		}
	}
	if len(names) > 0 {
		items = append(items, Item{ItemName, pts.Name, fmt.Sprintf("%s pointed to %s before, and points there now", list(names[:min(len(names), 3)]), h.Name), records(nameIDs...)})
	}
	if len(prints) > 0 {
		items = append(items, Item{ItemFingerprint, pts.Fingerprint, fmt.Sprintf("the fingerprint %s of a host at %s is seen there", prints[0], h.Name), records(printIDs...)})
	}
	for _, b := range slices.Sorted(keys(blocks)) {
		if len(made) >= 2 && blocks[b] == len(madeIDs) {
			items = append(items, Item{ItemGenerated, pts.Generated, fmt.Sprintf("%d names of its generator live in %s", len(made), b), records(madeIDs...)})
		}
	}
	return items
}

func keys[K comparable, V any](m map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func (n *nameTrack) fluxes() bool { return n != nil && n.Flux }

// caveats are what speaks against it.
func (j *Judge) caveats(h *hoster, f *family, c *chain, p place, g *growth, home *home, first *host, now int64) []string {
	out := []string{}
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if f.Tool {
		say("%s is a tool of many owners: that one of them left says little about the others", f.Name)
	}
	if slices.Contains(j.Cfg.Clouds, p.ASN) {
		say("%s is a large network where anybody rents", where(p))
	}
	if home.stayed > 0 {
		if c.darkAt(now) {
			say("%d of its hosts at %s are still listed though no route leads there", home.stayed, h.Name)
		} else {
			say("%d of its %d hosts at %s are still seen there", home.stayed, len(home.hosts), h.Name)
		}
	}
	if f.Places[p].seenWithin(day(first.First-int64(j.Cfg.Base/time.Second)), day(first.First)-1) {
		say("%s was in %s before", f.Name, where(p))
	}
	if g.others >= 1 {
		say("%.0f other networks see as many new hosts of %s in such a time by chance", g.others, f.Name)
	}
	several, labelled := false, true
	for _, x := range g.hosts {
		several = several || x.Several || x.Source != first.Source
		labelled = labelled && x.Labelled
	}
	if !several {
		say("only %s says so", cmp.Or(first.Source, "one source"))
	}
	if p.ASN == 0 {
		say("whose address space %s was then is not known", p.Prefix)
	} else if labelled {
		say("that it was %s then is what the source says, not what a table of routes shows", where(p))
	}
	if first.Precision != "" {
		say("the first sighting there is known to the %s only", first.Precision)
	}
	return out
}

// sum adds up the points and gives the kind. Where the family stays, what it does elsewhere is
// no sign that it left: only the same names and hosts are.
func (j *Judge) sum(m *Migration, stays bool) {
	slices.SortStableFunc(m.Evidence, func(a, b Item) int { return cmp.Compare(b.Points, a.Points) })
	counted := 0.0
	for i := range m.Evidence {
		if m.Evidence[i].Routing() {
			m.Routing += m.Evidence[i].Points
		} else {
			m.CNC += m.Evidence[i].Points
			if name := m.Evidence[i].Name; name == ItemRate || name == ItemHome {
				counted += m.Evidence[i].Points
			}
		}
	}
	if stays {
		m.CNC -= max(counted-j.Cfg.Points.StillThereMax, 0)
	}
	m.Routing, m.CNC = round(m.Routing), round(m.CNC)
	m.Score = round(m.Routing + m.CNC)
	t := &j.Cfg.Moved
	switch {
	case m.Routing >= t.Routing && m.CNC >= t.CNC, m.How == HowLabel && m.Routing >= t.Label && j.toYoung(m):
		m.Kind, m.Severity = KindMoved, "warning"
	case m.Score >= j.Cfg.WatchFrom && (m.CNC >= 1 || m.How == HowLabel):
		m.Kind, m.Severity = KindWatch, "info"
	}
}

// toYoung reports whether prefixes went to a young AS. Without it, and without C&C, to sell or lease
// space looks the same.
func (j *Judge) toYoung(m *Migration) bool {
	x := j.facts(m.To.ASN, m.Seen)
	return !x.First.IsZero() && m.Seen.Sub(x.First) < j.Cfg.Young
}

func round(x float64) float64 { return math.Round(x*100) / 100 }

func where(p place) string {
	if p.ASN != 0 {
		return asText(p.ASN)
	}
	return p.Prefix.String()
}

func firstASN(h *hoster) uint32 {
	if len(h.ASNs) > 0 {
		return h.ASNs[0]
	}
	return 0
}

func last(hosts []*host) *host {
	return slices.MaxFunc(hosts, func(a, b *host) int { return cmp.Or(cmp.Compare(a.Last, b.Last), b.compare(a.hostKey)) })
}

func endOf(x *host) End {
	return End{IP: x.Addr, Prefix: cmp.Or(x.Prefix, x.Place.Prefix), ASN: x.Place.ASN, Name: x.PlaceName}
}

// near is the incident that a moment belongs to: the last one of the cut that began
// before it, or the first.
func (c *chain) near(t int64) string {
	id := c.incident
	for _, f := range c.facts {
		if f.Onset <= t && f.Incident != "" {
			id = f.Incident
		}
	}
	return id
}

// returns are the events that say that the hoster was back from a moment on.
func (c *chain) returns(h *hoster, at int64) []*fact {
	var out []*fact
	for i := range h.Facts {
		f := &h.Facts[i]
		if (f.Kind == "hoster.returned" || f.Kind == "upstream.gained") && f.Onset >= at-3600 && f.Onset <= at+3600 {
			out = append(out, f)
		}
	}
	return out
}

// decisive is the loss from which on nobody should be seen there any more: the first
// darkness, or the last loss so far.
func (c *chain) decisive(now int64) int64 {
	t := c.start
	for _, f := range c.facts {
		if f.Onset <= now {
			t = f.Onset
		}
	}
	if len(c.dark) > 0 && c.dark[0].First <= now {
		t = c.dark[0].First
	}
	return t
}

// wasDark reports whether the hoster had been dark by a moment.
func (c *chain) wasDark(t int64) bool { return len(c.dark) > 0 && c.dark[0].First <= t }

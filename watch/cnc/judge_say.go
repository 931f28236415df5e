package cnc

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"depeer/watch"
)

// say makes a revision of a migration where it differs from what was said last.
func (j *Judge) say(h *hoster, m Migration, p place, now int64) []Migration {
	if m.Kind == "" {
		return nil
	}
	v, key := j.known(&m, p)
	if v != nil {
		o := &v.M
		// What was enough stays said: later base rates do not unsay it.
		if o.Kind == KindMoved && m.Kind == KindWatch {
			return nil
		}
		m.ID, m.Incident, m.Brief = o.ID, cmp.Or(o.Incident, m.Incident), o.Brief
		if m.Seen.After(o.Seen) {
			m.Seen, m.Lag, m.To = o.Seen, o.Lag, o.To
		}
		v.Touched = now
		if m.Kind == o.Kind && m.Incident == o.Incident && m.How == o.How && m.Score-o.Score < 0.5 && o.Score-m.Score < 1 && m.Seen.Equal(o.Seen) {
			return nil
		}
		if o.Revision >= maxRevisions && m.Kind == o.Kind {
			return nil
		}
		m.Revision = o.Revision + 1
	} else {
		m.ID, m.Revision = key, 1
		v = &verdict{Place: p, Touched: now}
		j.Said[m.ID] = v
		j.tally(m.Kind)
	}
	m.At = time.Unix(now, 0).UTC()
	m.Summary = j.summary(h, &m)
	v.M = m
	return []Migration{m}
}

const maxRevisions = 20

func (j *Judge) tally(kind string) {
	switch kind {
	case KindMoved:
		j.Tally.Moved++
	case KindWatch:
		j.Tally.Watched++
	case KindGone:
		j.Tally.Gone++
	case KindNoGap:
		j.Tally.NoGap++
	}
}

// known finds what was said of the same migration: the same family, from the same hoster to
// the same place, around the same time. Otherwise it gives the id of a new one.
func (j *Judge) known(m *Migration, p place) (*verdict, string) {
	within := time.Duration(j.Cfg.Link + j.Cfg.Back)
	for _, v := range j.Said {
		o := &v.M
		if o.Hoster == m.Hoster && o.Family == m.Family && v.Place == p && group(o.Kind) == group(m.Kind) && (o.How == HowLabel) == (m.How == HowLabel) {
			if d := m.Seen.Sub(o.Seen); d < within && d > -within {
				return v, o.ID
			}
		}
	}
	anchor := cmp.Or(m.Incident, "before "+m.Seen.Format(time.DateOnly))
	return nil, idOf(group(m.Kind), m.Hoster, m.Family, anchor, where(p), m.How)
}

// group is what a kind is a degree of.
func group(kind string) string {
	if kind == KindWatch {
		return KindMoved
	}
	return kind
}

// idOf is the same for the same fact, on any replica, live or replayed.
func idOf(parts ...string) string {
	sum := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(sum, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(sum.Sum(nil)[:10])
}

// noGap says that a family went on: it was in places before the cut in which it was
// seen right after it.
func (j *Judge) noGap(h *hoster, f *family, c *chain, now int64) []Migration {
	if len(c.dark) == 0 {
		return nil
	}
	dark := c.dark[0].First
	home := j.homeAt(f, h, dark, dark, func(int64) bool { return false })
	if len(home.hosts) == 0 {
		return nil
	}
	// Before the first loss: who only went there when the cut had begun has moved.
	alive, after := day(c.start-int64(j.Cfg.Alive/time.Second)), day(dark+int64(j.Cfg.NoGap/time.Second))
	var places []place
	for p, x := range f.Places {
		if !j.front(p.ASN) && !slices.Contains(h.ASNs, p.ASN) && x.seenWithin(alive, day(c.start)-1) && x.seenWithin(day(dark)+1, after) {
			places = append(places, p)
		}
	}
	if len(places) == 0 {
		return nil
	}
	slices.SortFunc(places, place.compare)
	var names, ids []string
	var best *host
	for _, p := range places {
		names = append(names, where(p))
		there := slices.Clone(f.Places[p].Hosts)
		byFirst(there)
		for _, x := range there {
			if x.First < c.start {
				ids = append(ids, x.FirstID, x.LastID)
				if best == nil || x.Seen > best.Seen || x.Seen == best.Seen && x.compare(best.hostKey) < 0 {
					best = x
				}
			}
		}
	}
	if best == nil {
		return nil
	}
	if len(names) > 3 {
		names = append(names[:3], fmt.Sprintf("%d more", len(places)-3))
	}
	m := Migration{Type: "event", Kind: KindNoGap, Severity: "info", Hoster: h.ID, ASN: firstASN(h), Incident: c.near(dark), Family: f.Name, How: "none",
		Seen: time.Unix(best.First, 0).UTC(), Lag: Lag(0), From: endOf(last(home.hosts)), To: endOf(best), Caveats: []string{}}
	m.From.Name, m.To.Name = cmp.Or(m.From.Name, h.Name), cmp.Or(m.To.Name, j.facts(best.Place.ASN, m.Seen).Name)
	m.Evidence = []Item{{ItemBefore, 0, fmt.Sprintf("seen in %s before the cut and within %s after it; %d of its %d hosts were at %s", list(names), days(j.Cfg.NoGap), len(home.hosts), len(home.hosts)+home.others, h.Name), records(ids...)}}
	v, key := j.known(&m, place{})
	if v != nil {
		v.Touched = now
		return nil
	}
	m.ID, m.Revision, m.At = key, 1, time.Unix(now, 0).UTC()
	m.Summary = fmt.Sprintf("%s never paused: it was in %s before %s was cut off, and went on there", f.Name, list(names), h.Name)
	j.Said[m.ID] = &verdict{M: m, Touched: now}
	j.tally(m.Kind)
	return []Migration{m}
}

// handovers speak of prefixes that moved as they were.
func (j *Judge) handovers(h *hoster, now int64) []Migration {
	all, _ := h.handovers()
	var out []Migration
	for _, o := range all {
		first := o.facts[0]
		if now-o.facts[len(o.facts)-1].Onset > int64(j.Cfg.Link/time.Second) {
			continue
		}
		items, caveats := j.originItems(h, o, all)
		for _, x := range j.residents(h, o) {
			m := Migration{Type: "event", Hoster: h.ID, ASN: firstASN(h), Incident: first.Incident, Family: x.family, How: HowLabel,
				Seen: time.Unix(first.Onset, 0).UTC(), From: End{Prefix: first.Prefix, ASN: firstASN(h), Name: h.Name}, Evidence: slices.Clone(items), Caveats: slices.Clone(caveats)}
			m.To = End{Prefix: first.Prefix, ASN: o.to, Name: j.facts(o.to, m.Seen).Name}
			if m.Caveats == nil {
				m.Caveats = []string{}
			}
			if len(x.hosts) > 0 {
				m.To.IP, m.From.IP = x.hosts[0].Addr, x.hosts[0].Addr
				ids := []string{}
				for _, y := range x.hosts {
					ids = append(ids, y.LastID)
				}
				m.Evidence = append(m.Evidence, Item{ItemAddress, j.Cfg.Points.Address, fmt.Sprintf("%s of %s at the same address in these prefixes: the label changed, not the host", count(len(x.hosts), "1 host", "%d hosts"), x.family), records(ids...)})
			}
			m.Caveats = append(m.Caveats, "the AS label changed: the addresses, and as far as is known the hosts, are the same")
			j.sum(&m, false)
			if len(all) > manyOrigins && m.Kind == KindMoved {
				m.Kind, m.Severity = KindWatch, "info"
			}
			out = append(out, j.say(h, m, place{ASN: o.to}, now)...)
		}
	}
	return out
}

type resident struct {
	family string
	hosts  []*host
}

// residents are the families with hosts in prefixes that moved; the fleet where there is
// none.
func (j *Judge) residents(h *hoster, o *handover) []resident {
	var out []resident
	for _, f := range j.byName() {
		var in []*host
		for _, x := range f.Homes[h.ID] {
			i := slices.IndexFunc(o.facts, func(y *fact) bool { return y.Prefix.Contains(x.Addr) })
			if i >= 0 && x.Last > o.facts[i].Onset-int64((j.Cfg.Alive+j.Cfg.Back)/time.Second) {
				in = append(in, x)
			}
		}
		if len(in) > 0 {
			slices.SortFunc(in, func(a, b *host) int { return a.compare(b.hostKey) })
			out = append(out, resident{f.Name, in})
		}
	}
	if len(out) == 0 {
		return []resident{{family: Fleet}}
	}
	return out
}

// endings looks at what was said: who is gone again from where they went.
func (j *Judge) endings(h *hoster, now int64) []Migration {
	var out []Migration
	ids := slices.Sorted(keys(j.Said))
	for _, id := range ids {
		v := j.Said[id]
		m := v.M
		if m.Hoster != h.ID || m.Brief != nil || group(m.Kind) != KindMoved || m.How == HowLabel {
			continue
		}
		f := j.Families[m.Family]
		if f == nil {
			continue
		}
		end, ok := j.ended(f, v.Place, m.Seen.Unix(), now)
		if !ok {
			continue
		}
		stay := Lag(time.Duration(end-m.Seen.Unix()) * time.Second)
		m.Brief, m.Revision, m.At = &stay, m.Revision+1, time.Unix(now, 0).UTC()
		m.Summary = j.summary(h, &m)
		v.M, v.Touched = m, now
		out = append(out, m)
	}
	return out
}

// ended tells when the family was last seen in a place: where a source says that all of it is
// down, or nobody saw it again while its sources went on. A source that tells each host
// only once sees nothing again, and proves no end.
func (j *Judge) ended(f *family, p place, since, now int64) (int64, bool) {
	x := f.Places[p]
	if x == nil {
		return 0, false
	}
	latest, down, again := int64(0), int64(0), false
	all := true
	var sources []string
	for _, o := range x.Hosts {
		if o.First < since {
			continue
		}
		latest = max(latest, o.Last)
		down = max(down, o.Offline)
		all = all && o.Offline != 0
		again = again || o.Seen > 1 && o.Last > o.First
		sources = append(sources, o.Source)
	}
	if latest == 0 {
		return 0, false
	}
	if all && down >= latest {
		return down, true
	}
	quiet := int64(j.Cfg.Quiet / time.Second)
	if !again || now-latest < quiet {
		return 0, false
	}
	for _, s := range sources {
		if y := j.Sources[s]; y != nil && y.Last >= latest+quiet {
			return latest, true
		}
	}
	return 0, false
}

// summary is one sentence that can be read aloud.
func (j *Judge) summary(h *hoster, m *Migration) string {
	to := "addresses around " + m.To.Prefix.String()
	if m.To.ASN != 0 {
		to = asText(m.To.ASN)
		if m.To.Name != "" && m.To.Name != to {
			to += " (" + m.To.Name + ")"
		}
	}
	if m.How == HowLabel {
		n := 0
		for _, i := range m.Evidence {
			if i.Name == ItemNewOrigin {
				n = len(i.Records)
			}
		}
		what := "prefixes"
		if m.Family != Fleet {
			what = m.Family + " and the prefixes around it"
		}
		return fmt.Sprintf("%s of %s came under %s on %s as they were: the label changed, the hosts stayed (%s so far)", upper(what), h.Name, to,
			m.Seen.Format("2 January 2006"), count(n, "1 prefix", "%d prefixes"))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s appeared in %s ", m.Family, to)
	b.WriteString(lagText(time.Duration(m.Lag), h.Name, m.Routing > 0))
	for _, i := range m.Evidence {
		if i.Name == ItemWindow {
			b.WriteString(", while it was back")
			for _, x := range h.Facts {
				if x.Kind == watch.UpstreamGained && slices.Contains(i.Records, x.ID) {
					b.WriteString(" behind " + asText(x.Upstream))
					break
				}
			}
		}
	}
	if m.Brief != nil {
		fmt.Fprintf(&b, ", and stayed %s", span1(time.Duration(*m.Brief)))
	}
	if m.Kind == KindWatch {
		b.WriteString("; not enough to call it a move")
	} else {
		b.WriteString("; the two coincide")
	}
	return b.String()
}

func lagText(d time.Duration, name string, cut bool) string {
	what := " after " + name + " began to be cut off"
	if !cut {
		what = " after it left " + name
	}
	if d < 0 {
		return span1(-d) + strings.Replace(what, " after ", " before ", 1)
	}
	return span1(d) + what
}

// span1 is a duration in the largest unit that fits.
func span1(d time.Duration) string {
	switch h := d.Hours(); {
	case h < 1:
		return count(int(d.Minutes()), "a minute", "%d minutes")
	case h < 48:
		return count(int(h+0.5), "an hour", "%d hours")
	default:
		return strconv.Itoa(int(h/24+0.5)) + " days"
	}
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

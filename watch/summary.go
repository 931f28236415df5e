package watch

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"depeer/bgp"
)

// describe fills in what the story adds up to: class, severity, the lists and
// the sentence.
func (inc *incident) describe(d *Detector, t int64) {
	h := inc.h
	inc.Lost, inc.Remaining, inc.Gained, inc.Origins = []uint32{}, []uint32{}, []uint32{}, nil
	for e := range inc.lost {
		if !slices.Contains(inc.Lost, e.asn) {
			inc.Lost = append(inc.Lost, e.asn)
		}
	}
	slices.SortFunc(inc.Lost, func(a, b uint32) int {
		return cmp.Or(cmp.Compare(inc.lostAt(a), inc.lostAt(b)), cmp.Compare(a, b))
	})
	for _, e := range inc.gained {
		if !slices.Contains(inc.Gained, e.asn) {
			inc.Gained = append(inc.Gained, e.asn)
		}
	}
	for v := range h.own {
		f := h.own[v]
		if !f.active() {
			f = h.transit[v]
		}
		for _, e := range f.edges {
			if e.pairs.n > 0 && e.pairs.mode != lost && !slices.Contains(inc.Remaining, e.asn) && !slices.Contains(inc.Gained, e.asn) {
				inc.Remaining = append(inc.Remaining, e.asn)
			}
		}
	}
	slices.Sort(inc.Remaining)
	slices.Sort(inc.Gained)
	concerned := map[netip.Prefix]bool{}
	for p := range inc.prefixes {
		concerned[p.Prefix] = true
	}
	for o := range inc.origins {
		concerned[o.p.Prefix] = true
		if !slices.Contains(inc.Origins, o.asn) {
			inc.Origins = append(inc.Origins, o.asn)
		}
	}
	slices.Sort(inc.Origins)
	if len(inc.lost)+len(inc.gained)+len(inc.vias) > 0 || inc.everDark || inc.wasDark {
		for _, p := range h.prefixes {
			if p.entry != nil {
				concerned[p.Prefix] = true
			}
		}
	}
	inc.Prefixes = []netip.Prefix{}
	for q := range concerned {
		inc.Prefixes = append(inc.Prefixes, q)
	}
	slices.SortFunc(inc.Prefixes, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	inc.Prefixes = inc.Prefixes[:min(len(inc.Prefixes), maxListed)]
	inc.Class = inc.class(d, t)
	inc.Severity = inc.severity()
	inc.Summary = inc.summary(d, t)
}

func (inc *incident) lostAt(asn uint32) int64 {
	var first int64
	for e := range inc.lost {
		if e.asn == asn && (first == 0 || e.lostAt < first) {
			first = e.lostAt
		}
	}
	return first
}

// class is what the events add up to.
func (inc *incident) class(d *Detector, t int64) Class {
	moved, hijack := 0, 0
	for o := range inc.origins {
		if o.p.kind == ownPrefix && o.p.ownHolders()*2 < len(o.peers) {
			moved++
		} else if o.p.kind == foreignPrefix && inc.Class == Moved {
			moved++ // it moved so long ago that the prefix is the other's by now
		} else if o.told || inc.Class == HijackSuspect {
			hijack++
		} else if inc.Class == Moved {
			moved++
		}
	}
	switch {
	case moved > 0:
		return Moved
	case hijack > 0:
		return HijackSuspect
	case inc.wasDark:
		return Repeered
	case inc.everDark && inc.returned && !inc.h.dark && len(inc.gained) > 0:
		return Repeered
	case inc.upstreamFailed(d):
		return UpstreamFailure
	case inc.everDark:
		return Blackout
	case len(inc.lost) > 0 && inc.takenOver():
		return Rewired
	case len(inc.lost) > 0 || len(inc.vias) > 0:
		return Depeered
	case len(inc.gained) > 0:
		if n := len(inc.h.lossLog); n > 0 && t-inc.h.lossLog[n-1] <= 96*3600 {
			return Repeered
		}
		return Rewired
	case len(inc.prefixes) > 0:
		return Blackout
	}
	return Repeered
}

// takenOver reports whether upstreams that are new carry at least half of what the
// lost ones did.
func (inc *incident) takenOver() bool {
	had, have := 0.0, 0.0
	for e := range inc.lost {
		had += e.lostRef
	}
	for _, e := range inc.gained {
		have += float64(e.pairs.n)
	}
	return have > 0 && have >= had/2
}

func (inc *incident) severity() Severity {
	switch inc.Class {
	case UpstreamFailure:
		return Info
	case Blackout, HijackSuspect, Repeered, Moved:
		return Critical
	}
	for _, share := range inc.lost {
		if share >= 0.25 {
			return Critical
		}
	}
	return Warning
}

// summary is one line that can be read aloud: true, enough, and with what is
// left to watch.
func (inc *incident) summary(d *Detector, t int64) string {
	h := inc.h
	var b strings.Builder
	b.WriteString(h.Title())
	switch inc.Class {
	case Blackout:
		inc.sayBlackout(&b, d)
	case Repeered:
		inc.sayRepeered(&b, d)
	case UpstreamFailure:
		inc.sayFailure(&b, d)
	case Rewired:
		inc.sayRewired(&b, d)
	case Depeered:
		inc.sayDepeered(&b, d)
	case Moved:
		over := inc.over()
		before := "the origin before" // of a hoster that is watched by its prefixes alone
		if len(h.ASNs) > 0 {
			before = asns(h.ASNs)
		}
		fmt.Fprintf(&b, ": %s from %s instead of %s", inc.sayOrigins(cond(over, "came", "now comes"), cond(over, "came", "now come")), asns(inc.Origins), before)
	case HijackSuspect:
		over := inc.over()
		fmt.Fprintf(&b, ": %s also announced by %s, which %s neither the hoster nor allowed: a hijack, or a move that begins",
			inc.sayOrigins(cond(over, "was", "is"), cond(over, "were", "are")), asns(inc.Origins), plural(len(inc.Origins), "is", "are"))
	}
	if inc.Flaps > 0 {
		fmt.Fprintf(&b, "; it flaps (lost again %s)", times(inc.Flaps))
	}
	switch inc.Phase {
	case Recovering:
		if inc.wasDark {
			b.WriteString("; gone again")
		} else {
			b.WriteString("; back since " + clock(at(inc.backSince), inc.Opened))
		}
	case Resolved:
		switch {
		case *inc.Resolution == NewNormal:
			b.WriteString("; unchanged for " + span(d.policy.NewNormal) + ", taken as the new normal")
		case *inc.Resolution == Unwatched:
			b.WriteString("; not watched any more")
		case inc.wasDark:
			fmt.Fprintf(&b, "; gone again after %s", span(time.Duration(inc.darkAt-inc.Opened.Unix())*time.Second))
		default:
			fmt.Fprintf(&b, "; over after %s", span(at(inc.backSince).Sub(inc.Opened)))
		}
	}
	return b.String()
}

// over reports whether all is as it was before.
func (inc *incident) over() bool {
	return inc.Phase == Recovering || inc.Phase == Resolved && *inc.Resolution == Recovered
}

func (inc *incident) sayBlackout(b *strings.Builder, d *Detector) {
	h := inc.h
	switch {
	case inc.everDark && h.dark:
		b.WriteString(" is dark")
	case inc.everDark:
		fmt.Fprintf(b, " was dark for %s", span(time.Duration(inc.backAt-inc.darkAt)*time.Second))
	default:
		gone, all := h.withdrawn()
		if gone == 0 {
			fmt.Fprintf(b, ": %d of %d prefixes were withdrawn", len(inc.prefixes), all)
		} else {
			fmt.Fprintf(b, ": %d of %d prefixes %s withdrawn", gone, all, plural(gone, "is", "are"))
		}
	}
	switch {
	case len(inc.Lost) == 1:
		fmt.Fprintf(b, ": %s dropped it", asns(inc.Lost))
	case len(inc.Lost) > 1:
		first, last := int64(0), int64(0)
		for e := range inc.lost {
			if first == 0 || e.lostOnset < first {
				first = e.lostOnset
			}
			last = max(last, e.lostLast)
		}
		within := "in the same second"
		if last > first {
			within = "within " + span(time.Duration(last-first)*time.Second)
		}
		fmt.Fprintf(b, ": %s dropped it %s", asns(inc.Lost), within)
	}
	if through := slices.Sorted(slices.Values(append(slices.Clone(inc.Remaining), inc.Gained...))); h.dark && len(through) > 0 {
		if holders, of := h.holders(d); holders > 0 {
			still := cond(h.rising(), "again", "still")
			fmt.Fprintf(b, "; %d of %d peers %s %s a path through %s", holders, of, still, plural(holders, "has", "have"), asns(through))
		}
	}
}

func (inc *incident) sayFailure(b *strings.Builder, d *Detector) {
	switch {
	case inc.everDark && inc.h.dark:
		b.WriteString(" is dark: it")
	case inc.everDark:
		fmt.Fprintf(b, " was dark for %s: it", span(time.Duration(inc.backAt-inc.darkAt)*time.Second))
	}
	fmt.Fprintf(b, " lost %s, and so did most other networks behind %s: the upstream is failing or leaving, this is no de-peering",
		asns(inc.Lost), plural(len(inc.Lost), "it", "them"))
	inc.sayCarriers(b, d)
	if len(inc.prefixes) > 0 && !inc.everDark {
		inc.sayVisible(b, d)
	}
}

func (inc *incident) sayRepeered(b *strings.Builder, d *Detector) {
	h := inc.h
	switch {
	case len(inc.gained) == 0 && inc.returned:
		b.WriteString(" is back")
	case h.dark && !inc.returned:
		holders, of := h.holders(d)
		fmt.Fprintf(b, " is reached again by %d of %d peers, behind %s", holders, of, asns(inc.Gained))
	case h.dark:
		fmt.Fprintf(b, " came back behind %s", asns(inc.Gained))
	case inc.returned || inc.wasDark:
		fmt.Fprintf(b, " is back behind %s", inc.sayShares(d, inc.gained))
	case !slices.ContainsFunc(inc.gained, func(e *edge) bool { return e.lostAt == 0 || e.lostAt >= inc.confirmed }):
		fmt.Fprintf(b, " is carried again by %s, which had dropped it", inc.sayShares(d, inc.gained))
	default:
		fmt.Fprintf(b, " has a new upstream after its losses: %s", inc.sayShares(d, inc.gained))
	}
	if !h.dark {
		if inc.everDark && inc.backAt > inc.darkAt && inc.darkAt > 0 {
			fmt.Fprintf(b, " after %s in the dark", span(time.Duration(inc.backAt-inc.darkAt)*time.Second))
		}
		inc.sayVisible(b, d)
	}
}

func (inc *incident) sayRewired(b *strings.Builder, d *Detector) {
	var from []uint32 // what came and went within the story it did not move from
	for _, a := range inc.Lost {
		if !slices.Contains(inc.Gained, a) {
			from = append(from, a)
		}
	}
	to := inc.sayShares(d, inc.gained)
	switch {
	case len(from) > 0:
		fmt.Fprintf(b, " moved from %s to %s, which never carried it before", asns(from), to)
	case len(inc.Lost) > 0:
		fmt.Fprintf(b, " was carried for a while by %s, which never did before", to)
	case len(inc.Remaining) == 0:
		fmt.Fprintf(b, " appears behind %s", to)
	default:
		fmt.Fprintf(b, " has a new upstream: %s", to)
	}
	inc.sayVisible(b, d)
}

func (inc *incident) sayDepeered(b *strings.Builder, d *Detector) {
	if len(inc.Lost) == 0 {
		var above []uint32
		for _, e := range inc.vias {
			if !slices.Contains(above, e.via) {
				above = append(above, e.via)
			}
		}
		slices.Sort(above)
		fmt.Fprintf(b, " is cut one level up: %s no longer reaches it through %s", asns(above), bgp.ASN(inc.vias[0].asn))
		inc.sayVisible(b, d)
		return
	}
	total := 0.0
	for _, s := range inc.lost {
		total = max(total, s)
	}
	gone, back := inc.lostAndBack()
	dropped := gone
	if len(gone) == 0 {
		dropped = back
	}
	fmt.Fprintf(b, ": %s dropped it%s", asns(dropped), inc.inFamily())
	if len(inc.lost) == 1 {
		fmt.Fprintf(b, " (%s of its routes before)", percent(total))
	}
	switch {
	case len(gone) == 0:
		fmt.Fprintf(b, " and %s it again", plural(len(back), "carries", "carry"))
	case len(back) > 0:
		fmt.Fprintf(b, ", %s had and %s it again", asns(back), plural(len(back), "carries", "carry"))
	}
	inc.sayCarriers(b, d)
	inc.sayVisible(b, d)
}

// inFamily says which address family a loss is about, where the hoster has both.
func (inc *incident) inFamily() string {
	seen := [2]bool{}
	for e := range inc.lost {
		seen[e.f.v6] = true
	}
	if seen[0] == seen[1] || inc.h.own[0].prefixes == 0 || inc.h.own[1].prefixes == 0 {
		return ""
	}
	return cond(seen[1], " in IPv6", " in IPv4")
}

// lostAndBack parts the upstreams lost in the story into those that are still
// lost and those that carry the hoster again.
func (inc *incident) lostAndBack() (gone, back []uint32) {
	for _, a := range inc.Lost {
		still := false
		for e := range inc.lost {
			still = still || e.asn == a && e.pairs.mode == lost
		}
		if still {
			gone = append(gone, a)
		} else {
			back = append(back, a)
		}
	}
	return gone, back
}

// sayCarriers names who carries the hoster now, with shares.
func (inc *incident) sayCarriers(b *strings.Builder, d *Detector) {
	var on []*edge
	for v := range inc.h.own {
		f := inc.h.own[v]
		if !f.active() {
			f = inc.h.transit[v]
		}
		for _, e := range f.edges {
			if e.pairs.n > 0 && e.pairs.mode != lost {
				on = append(on, e)
			}
		}
	}
	if len(on) > 0 {
		fmt.Fprintf(b, "; carried by %s", inc.sayShares(d, on))
	}
}

// sayShares names upstreams, largest share first.
func (inc *incident) sayShares(_ *Detector, es []*edge) string {
	es = slices.Clone(es)
	slices.SortFunc(es, func(a, b *edge) int {
		if c := b.pairs.n - a.pairs.n; c != 0 {
			return c
		}
		return int(int64(a.asn) - int64(b.asn))
	})
	var out []string
	for i, e := range es {
		if i == 4 {
			out = append(out, fmt.Sprintf("%d more", len(es)-i))
			break
		}
		s := bgp.ASN(e.asn)
		if of := e.f.possible(); e.pairs.n > 0 && of > 0 {
			s += " (" + percent(min(1, float64(e.pairs.n)/float64(of))) + ")"
		}
		if e.f.v6 == 1 {
			s += " in IPv6"
		}
		out = append(out, s)
	}
	return list(out)
}

func (inc *incident) sayVisible(b *strings.Builder, d *Detector) {
	gone, all := inc.h.withdrawn()
	switch {
	case gone == 0 && all > 0 && inc.h.visibility() >= d.policy.ResolveAbove:
		b.WriteString(cond(inc.everDark || inc.wasDark, "; all prefixes are visible", "; all prefixes stay visible"))
	case gone > 0:
		fmt.Fprintf(b, "; %d of %d prefixes %s withdrawn", gone, all, plural(gone, "is", "are"))
	case all > 0:
		fmt.Fprintf(b, "; seen by %s of the peers", percent(inc.h.visibility()))
	}
}

// withdrawn counts the hoster's prefixes that are withdrawn, of those that were
// there within the baseline.
func (h *hoster) withdrawn() (gone, all int) {
	for _, p := range h.prefixes {
		if p.entry == nil || p.retired && h.d.now-p.sight.since > int64(h.d.policy.Baseline.Seconds()) {
			continue
		}
		all++
		if p.sight.mode == lost {
			gone++
		}
	}
	return gone, all
}

// visibility is the part of the eligible pairs that have a route.
func (h *hoster) visibility() float64 {
	n, of := 0, 0
	for _, p := range h.prefixes {
		if !p.retired {
			n += p.sight.n
			of += p.eligible
		}
	}
	if of == 0 {
		return 0
	}
	return min(1, float64(n)/float64(of))
}

// rising reports whether a withdrawn prefix is on its way back.
func (h *hoster) rising() bool {
	return slices.ContainsFunc(h.prefixes, func(p *prefix) bool { return p.sight.mode == lost && p.sight.rise != 0 })
}

// holders counts the peers that have any route to the hoster, of those that could.
func (h *hoster) holders(d *Detector) (n, of int) {
	have, could := map[int]bool{}, map[int]bool{}
	for _, p := range h.prefixes {
		if p.entry == nil {
			continue
		}
		for _, peer := range d.table.Peers() {
			if p.isCounted(peer) {
				could[peer.Index] = true
				if s := p.entry.Slot(peer); s != nil && s.Node != nil {
					have[peer.Index] = true
				}
			}
		}
	}
	return len(have), len(could)
}

func (inc *incident) sayOrigins(one, many string) string {
	var ps []string
	for o := range inc.origins {
		if s := o.p.Prefix.String(); !slices.Contains(ps, s) {
			ps = append(ps, s)
		}
	}
	slices.Sort(ps)
	if len(ps) > 3 {
		return fmt.Sprintf("%d prefixes (%s and others) %s", len(ps), ps[0], many)
	}
	return list(ps) + " " + plural(len(ps), one, many)
}

package watch

import (
	"cmp"
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"depeer/bgp"
	"depeer/bgp/rib"
)

// Standing is how a hoster stands at one moment: what the board shows.
type Standing struct {
	Hoster     string          `json:"hoster"`
	Name       string          `json:"name"`
	ASNs       []uint32        `json:"asns"`
	State      string          `json:"state"` // "visible", "partly", "dark", "unknown" or "not valid now"
	Prefixes   int             `json:"prefixes"`
	Withdrawn  int             `json:"withdrawn"`
	Visibility float64         `json:"visibility"` // part of the eligible (prefix, peer) pairs that have a route
	Eligible   int             `json:"eligible"`   // peers that could see it
	Upstreams  []UpstreamShare `json:"upstreams"`
	Incident   string          `json:"incident,omitempty"` // the open one
}

// UpstreamShare is one upstream of a hoster, in one address family.
type UpstreamShare struct {
	ASN      uint32    `json:"asn"`
	Family   int       `json:"family"`
	Share    float64   `json:"share"`
	Baseline float64   `json:"baseline"`
	Peers    int       `json:"peers"`
	Lost     bool      `json:"lost"`
	Since    time.Time `json:"since,omitzero"`     // of the loss, or of the fall where it is not lost
	LostAt   float64   `json:"lost_at"`            // the share from which on down it counts as lost
	HoldEnds time.Time `json:"hold_ends,omitzero"` // it is as low as that, and waits until then
}

// Board is how every hoster stands now.
func (d *Detector) Board() []Standing {
	eligible := d.eligibleByHoster()
	out := make([]Standing, 0, len(d.hosters))
	for _, h := range d.hosters {
		out = append(out, d.standingOf(h, eligible[h]))
	}
	return out
}

// eligibleByHoster counts for all hosters at once what eligiblePeers does for one:
// with ten thousand of them, one by one takes seconds, while nothing is judged.
func (d *Detector) eligibleByHoster() map[*hoster]int {
	type key struct {
		h  *hoster
		v6 int
	}
	words := map[key][]uint64{} // bit i: the peer of index i counts
	for p := range d.followed() {
		if p.kind != ownPrefix && (p.kind != transitPrefix || !p.h.transit[p.v6].active()) {
			continue
		}
		k := key{p.h, p.v6}
		w := words[k]
		for len(w)*64 < len(p.counted) {
			w = append(w, 0)
		}
		for i, c := range p.counted {
			if c {
				w[i/64] |= 1 << (i % 64)
			}
		}
		words[k] = w
	}
	out := map[*hoster]int{}
	for k, w := range words {
		n := 0
		for _, x := range w {
			n += bits.OnesCount64(x)
		}
		out[k.h] = max(out[k.h], n)
	}
	return out
}

func (d *Detector) standing(h *hoster) Standing {
	return d.standingOf(h, max(d.eligiblePeers(h, 0), d.eligiblePeers(h, 1)))
}

func (d *Detector) standingOf(h *hoster, eligible int) Standing {
	s := Standing{Hoster: h.ID, Name: h.Title(), ASNs: h.ASNs, Upstreams: []UpstreamShare{}, Visibility: h.visibility()}
	for _, p := range h.prefixes {
		if p.entry == nil {
			continue
		}
		s.Prefixes++
		if p.sight.mode == lost {
			s.Withdrawn++
		}
	}
	s.Eligible = eligible
	if h.incident != nil {
		s.Incident = h.incident.ID
	}
	for v := range h.own {
		f := h.own[v]
		if !f.active() {
			f = h.transit[v]
		}
		for _, e := range f.edges {
			if !e.known && e.peers < d.least(h, v) {
				continue // path hunting, or a single peer's own way
			}
			base := e.pairs.base(d.now, d.edges)
			if e.pairs.n == 0 && e.pairs.mode == steady && base == 0 {
				continue
			}
			u := UpstreamShare{ASN: e.asn, Family: familyNumber(v), Peers: e.peers, Lost: e.pairs.mode == lost,
				Share: share(float64(e.pairs.n), float64(f.possible())), Baseline: share(base, float64(f.possible()))}
			u.LostAt = share(d.policy.LostBelow*base, float64(f.possible()))
			switch {
			case u.Lost:
				u.Since = at(e.lostOnset)
			case e.pairs.mode == falling:
				u.Since = at(e.pairs.onset)
				if float64(e.pairs.n) <= d.policy.LostBelow*base {
					u.HoldEnds = at(e.pairs.onset + d.edges.hold)
				}
			}
			s.Upstreams = append(s.Upstreams, u)
		}
	}
	slices.SortFunc(s.Upstreams, func(a, b UpstreamShare) int {
		return cmp.Or(cmp.Compare(a.Family, b.Family), -cmp.Compare(a.Share, b.Share), -cmp.Compare(a.Baseline, b.Baseline), cmp.Compare(a.ASN, b.ASN))
	})
	switch {
	case !h.Valid.Holds(d.Now()):
		s.State = "not valid now"
	case h.dark:
		s.State = "dark"
	case s.Prefixes == 0:
		s.State = "unknown"
	case s.Withdrawn > 0:
		s.State = "partly"
	default:
		s.State = "visible"
	}
	return s
}

// Explanation says why there was an alert, or none, for a prefix at a moment.
type Explanation struct {
	Prefix     netip.Prefix    `json:"prefix"`
	Hoster     string          `json:"hoster"`
	At         time.Time       `json:"at"`
	State      string          `json:"state"` // "steady", "falling", "lost"; "never seen"
	Since      time.Time       `json:"since,omitzero"`
	Eligible   int             `json:"eligible"`
	Holding    int             `json:"holding"`
	Baseline   float64         `json:"baseline"` // peers
	Least      int             `json:"least"`    // peers that must see it for its loss to be believed
	Seeded     bool            `json:"seeded"`   // most peers' whole tables are known
	LostAt     float64         `json:"lost_at"`  // withdrawn at this many holders
	BackAt     float64         `json:"back_at"`
	HoldEnds   time.Time       `json:"hold_ends,omitzero"`
	Zombies    []string        `json:"zombies,omitempty"`
	Upstreams  []UpstreamShare `json:"upstreams"` // of its hoster
	Peers      []PeerView      `json:"peers"`
	Verdict    string          `json:"verdict"`
	Thresholds Policy          `json:"-"`
}

// PeerView is what one peer says of a prefix, and whether it counts.
type PeerView struct {
	Peer    string    `json:"peer"`
	State   string    `json:"state"`
	Counted bool      `json:"counted"`
	Holds   bool      `json:"holds"`
	Path    string    `json:"path,omitempty"`
	Since   time.Time `json:"since,omitzero"` // of its last word
}

// Explain explains every followed prefix inside q, or q itself.
func (d *Detector) Explain(q netip.Prefix) []Explanation {
	var ps []*prefix
	for p := range d.followed() {
		if p.kind <= transitPrefix && q.Bits() <= p.Bits() && q.Contains(p.Addr()) {
			ps = append(ps, p)
		}
	}
	slices.SortFunc(ps, func(a, b *prefix) int { return cmp.Or(comparePrefixes(a, b), cmp.Compare(a.h.index, b.h.index)) })
	var out []Explanation
	for _, p := range ps {
		out = append(out, d.explain(p))
	}
	return out
}

// ExplainHoster explains every prefix of a hoster; false where there is none of that id.
func (d *Detector) ExplainHoster(id string) ([]Explanation, bool) {
	for _, h := range d.hosters {
		if h.ID != id {
			continue
		}
		var out []Explanation
		for _, p := range h.prefixes {
			out = append(out, d.explain(p))
		}
		return out, true
	}
	return nil, false
}

func (d *Detector) explain(p *prefix) Explanation {
	x := Explanation{Prefix: p.Prefix, Hoster: p.h.ID, At: d.Now(), Eligible: p.eligible, Holding: p.sight.n,
		Baseline: p.sight.base(d.now, d.sight), Least: d.least(p.h, p.v6), Seeded: d.seeded(p.h, p.v6), Zombies: p.zombies,
		Upstreams: d.standing(p.h).Upstreams, Thresholds: d.policy}
	x.LostAt, x.BackAt = d.policy.WithdrawnBelow*x.Baseline, d.policy.RestoredAbove*x.Baseline
	switch p.sight.mode {
	case steady:
		x.State = "steady"
	case falling:
		x.State, x.Since = "falling", at(p.sight.onset)
		if float64(p.sight.n) <= x.LostAt {
			x.HoldEnds = at(p.sight.onset + d.sight.hold)
		}
	case lost:
		x.State, x.Since = "lost", at(p.sight.onset)
	}
	if p.entry == nil {
		x.State = "never seen"
	}
	x.Verdict = d.verdict(p, &x)
	if p.entry == nil {
		return x
	}
	peers := slices.Clone(d.table.Peers())
	slices.SortFunc(peers, func(a, b *rib.Peer) int { return a.Peer.Compare(b.Peer) })
	for _, peer := range peers {
		v := PeerView{Peer: peer.String(), State: peer.State.String(), Counted: p.isCounted(peer)}
		if s := p.entry.Slot(peer); s != nil {
			v.Since = time.Unix(0, s.At).UTC()
			if s.Node != nil {
				v.Holds, v.Path = true, s.Node.Path.String()
			}
			if s.Zombie {
				v.State = "zombie"
			}
		}
		x.Peers = append(x.Peers, v)
	}
	return x
}

// verdict is the answer in words.
func (d *Detector) verdict(p *prefix, x *Explanation) string {
	n := float64(p.sight.n)
	switch {
	case !p.h.Valid.Holds(d.Now()):
		return "no alert: the prefix does not belong to " + p.h.Title() + " at this time (valid)"
	case x.State == "never seen":
		return "no alert: no peer spoke of it"
	case x.State == "lost":
		return "withdrawn: at most " + percent(d.policy.WithdrawnBelow) + " of the peers that used to see it still do"
	case !p.armed(d, d.now):
		return "no alert would be raised: too few peers have spoken of it (min_peers, min_known)"
	case n >= x.BackAt:
		return "no alert: it is seen as usual"
	case !x.HoldEnds.IsZero():
		return "an alert is pending: it waits for path hunting to end (hold)"
	}
	return "no alert: it is seen by fewer peers than usual, but not by so few that it is withdrawn"
}

// Seeded reports whether most peers' whole IPv4 or IPv6 tables are known.
func (d *Detector) Seeded() bool { return d.seeded(nil, 0) || d.seeded(nil, 1) }

// Open lists the incidents that are not resolved, in their latest revision, in the
// order of the watchlist.
func (d *Detector) Open() []Incident {
	out := []Incident{}
	for _, h := range d.hosters {
		if h.incident != nil && h.incident.Revision > 0 {
			out = append(out, h.incident.Incident)
		}
	}
	return out
}

// PeerStanding is a vantage point and what is known of its table.
type PeerStanding struct {
	bgp.Peer
	State string
	Since time.Time
	Heard time.Time
	Cause string
	Table [2]bool // IPv4, IPv6: its whole table is known
}

// Peers is how every peer stands now, in order.
func (d *Detector) Peers() []PeerStanding {
	out := make([]PeerStanding, 0, len(d.table.Peers()))
	for _, p := range d.table.Peers() {
		x := PeerStanding{Peer: p.Peer, State: p.State.String(), Since: time.Unix(0, p.Since).UTC(), Heard: p.LastHeard(), Table: p.Complete}
		if p.State != rib.Up {
			x.Cause = p.Cause.String()
		}
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b PeerStanding) int { return a.Compare(b.Peer) })
	return out
}

// Hosters calls f for each followed prefix that belongs to a hoster's story, and
// for each of its hosters, in no order.
func (d *Detector) Hosters(f func(q netip.Prefix, hoster string)) {
	for q, list := range d.prefixes {
		for _, p := range list {
			if p.h != nil {
				f(q, p.h.ID)
			}
		}
	}
}

package timeline

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"depeer/bgp"
)

// BGPlay is what BGPlay (bgplayjs.com) draws: the answer of RIPEstat's data call "bgplay"
// with unix_timestamps=TRUE (stat.ripe.net/docs, data-api, bgplay, bgp-state, bgp-updates),
// which BGPlay's connectors JsonWrapRipestat and JsonWrapGeneric read.
//
// BGPlay knows no vantage point that is not heard. A peer that leaves stays as it was, for it withdrew
// nothing; one that is away at the beginning comes in with what it holds when it is heard again.
// Sets in a path are no nodes and are left out; times are whole seconds.
type BGPlay struct {
	Messages   [][2]string `json:"messages"` // ["info", sentence]: what could not be seen
	SeeAlso    []string    `json:"see_also"`
	DataCall   string      `json:"data_call_name"` // "bgplay"
	Cached     bool        `json:"cached"`
	Status     string      `json:"status"` // "ok"
	StatusCode int         `json:"status_code"`
	Data       BGPlayData  `json:"data"`
}

// BGPlayData is what is drawn. Whatever a path or a source names is in Nodes.
type BGPlayData struct {
	Resource  string         `json:"resource"` // prefixes or AS, separated by commas
	Start     int64          `json:"query_starttime"`
	End       int64          `json:"query_endtime"`
	Initial   []BGPlayState  `json:"initial_state"`
	Events    []BGPlayEvent  `json:"events"`
	Nodes     []BGPlayNode   `json:"nodes"`
	Targets   []BGPlayTarget `json:"targets"`
	Sources   []BGPlaySource `json:"sources"`
	prefixes  map[netip.Prefix]bool
	sourceIDs map[string]BGPlaySource
	asns      map[uint32]bool
}

// BGPlayState is one route at the beginning, or (without a path) one that is withdrawn.
type BGPlayState struct {
	Prefix    netip.Prefix `json:"target_prefix"`
	Source    string       `json:"source_id"`
	Path      []uint32     `json:"path,omitempty"`
	Community []string     `json:"community"` // not kept: empty
}

// BGPlayEvent is one change.
type BGPlayEvent struct {
	Type  string      `json:"type"` // "A" or "W"
	At    int64       `json:"timestamp"`
	Attrs BGPlayState `json:"attrs"`
	Seq   int         `json:"seq"`
}

// BGPlayNode is an AS.
type BGPlayNode struct {
	ASN   uint32 `json:"as_number"`
	Owner string `json:"owner"`
}

// BGPlayTarget is a prefix.
type BGPlayTarget struct {
	Prefix netip.Prefix `json:"prefix"`
}

// BGPlaySource is a peer.
type BGPlaySource struct {
	ID  string     `json:"id"` // "00-192.0.2.7": collector and address
	ASN uint32     `json:"as_number"`
	RRC string     `json:"rrc"` // the number of a RIS collector, or the name of another
	IP  netip.Addr `json:"ip"`
}

// BGPlay gives the routes of what is asked about at the beginning of the period, and every
// change of them until its end.
func (a *Asker) BGPlay(ctx context.Context, q Asking) (*BGPlay, error) {
	t, err := a.find(ctx, q)
	if err != nil {
		return nil, err
	}
	d := &BGPlayData{Resource: t.subject, Start: t.q.From.Unix(), End: max(t.q.To.Unix(), t.q.From.Unix()), Initial: []BGPlayState{}, Events: []BGPlayEvent{},
		prefixes: map[netip.Prefix]bool{}, sourceIDs: map[string]BGPlaySource{}, asns: map[uint32]bool{}}
	if q.Hoster != "" || q.Addr.IsValid() {
		d.Resource = join(t.prefixes())
	}
	s := newSweep(a, t)
	if err := s.state(ctx, t.q.From, q.Believed); err != nil {
		return nil, err
	}
	show := &shown{d: d, routes: map[*pair][]held{}}
	for _, x := range t.prefixes() {
		for _, p := range s.subjects[x].pairs {
			if p == nil || p.v.away {
				continue
			}
			for _, r := range p.routes {
				d.Initial = append(d.Initial, d.state(p.v.Peer, x, r.id, r.path))
			}
			show.routes[p] = slices.Clone(p.routes)
		}
	}
	if err := show.follow(ctx, s); err != nil {
		return nil, err
	}
	d.close(a)
	gaps, err := a.Gaps(ctx, t.q.From, t.q.To, q.Believed)
	if err != nil {
		return nil, err
	}
	out := &BGPlay{Messages: [][2]string{}, SeeAlso: []string{}, DataCall: "bgplay", Status: "ok", StatusCode: 200, Data: *d}
	for _, text := range missing(s, gaps, &t.q) {
		out.Messages = append(out.Messages, [2]string{"info", text})
	}
	return out, nil
}

// shown is what BGPlay shows at a moment.
type shown struct {
	d      *BGPlayData
	routes map[*pair][]held
}

// follow reads on from the state.
func (x *shown) follow(ctx context.Context, s *sweep) error {
	q := &s.target.q
	state := true
	return s.a.Reader.Changes(ctx, Span{Prefixes: s.target.prefixes(), From: q.From, To: q.To, Believed: q.Believed}, func(c *Change) error {
		if state = state && !c.At.After(q.From); state {
			return nil // once more
		}
		s.take(c, q.From)
		v := s.peers[c.Peer]
		switch {
		case v.away:
		case c.What == Joined: // what it said meanwhile
			for _, p := range v.pairs {
				x.tell(p, c.At)
			}
		case c.Prefix.IsValid():
			x.tell(s.subjects[c.Prefix].pair(v), c.At)
		}
		return nil
	})
}

// tell tells what is different of a pair.
func (x *shown) tell(p *pair, at time.Time) {
	was := x.routes[p]
	x.routes[p] = slices.Clone(p.routes)
	for _, r := range p.routes {
		if !slices.ContainsFunc(was, func(o held) bool { return o.id == r.id && samePath(o.path, r.path) }) {
			x.d.event("A", at, x.d.state(p.v.Peer, p.s.info.Prefix, r.id, r.path))
		}
	}
	for _, r := range was {
		if !slices.ContainsFunc(p.routes, func(o held) bool { return o.id == r.id }) {
			x.d.event("W", at, x.d.state(p.v.Peer, p.s.info.Prefix, r.id, nil))
		}
	}
}

func (d *BGPlayData) event(kind string, at time.Time, x BGPlayState) {
	d.Events = append(d.Events, BGPlayEvent{Type: kind, At: at.Unix(), Attrs: x, Seq: len(d.Events) + 1})
}

// state names a route, and notes whom it names.
func (d *BGPlayData) state(p bgp.Peer, prefix netip.Prefix, id uint32, path bgp.Path) BGPlayState {
	x := BGPlayState{Prefix: prefix, Community: []string{}}
	for _, s := range path {
		if s.Type == bgp.ASSequence || s.Type == bgp.ASSet && len(s.ASNs) == 1 {
			x.Path = append(x.Path, s.ASNs...)
		}
	}
	src := BGPlaySource{ASN: p.ASN, RRC: strings.TrimPrefix(p.Collector, "rrc"), IP: p.Addr}
	src.ID = src.RRC + "-" + p.Addr.String()
	if id != 0 {
		src.ID += "-path" + strconv.FormatUint(uint64(id), 10) // BGPlay knows one route of a source
	}
	if have, ok := d.sourceIDs[src.ID]; ok && have.ASN != src.ASN {
		src.ID += "-" + bgp.ASN(src.ASN)
	}
	d.sourceIDs[src.ID], d.prefixes[prefix], d.asns[src.ASN] = src, true, true
	for _, n := range x.Path {
		d.asns[n] = true
	}
	x.Source = src.ID
	return x
}

// close lists whom the routes name.
func (d *BGPlayData) close(a *Asker) {
	d.Nodes, d.Targets, d.Sources = []BGPlayNode{}, []BGPlayTarget{}, []BGPlaySource{}
	for _, n := range slices.Sorted(maps.Keys(d.asns)) {
		d.Nodes = append(d.Nodes, BGPlayNode{ASN: n, Owner: cmp.Or(a.nameOf(n), bgp.ASN(n))})
	}
	for _, p := range slices.SortedFunc(maps.Keys(d.prefixes), comparePrefixes) {
		d.Targets = append(d.Targets, BGPlayTarget{p})
	}
	for _, id := range slices.Sorted(maps.Keys(d.sourceIDs)) {
		d.Sources = append(d.Sources, d.sourceIDs[id])
	}
}

func join(prefixes []netip.Prefix) string {
	out := make([]string, len(prefixes))
	for i, p := range prefixes {
		out[i] = p.String()
	}
	return strings.Join(out, ",")
}

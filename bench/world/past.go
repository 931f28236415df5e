package world

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sort"
	"time"

	"depeer/watch"
	"depeer/watch/cnc"
	"depeer/watch/timeline"
)

const (
	atOnce      = 50_000    // changes in a batch
	packedEvery = 2_000_000 // changes between two maintenances
	gone        = 255       // a peer's way to a prefix: none
)

// Fill writes the past into an empty store, and has it packed.
func (w *World) Fill(ctx context.Context, s timeline.Store) error {
	if err := w.fillRoutes(ctx, s); err != nil {
		return err
	}
	list, err := w.records()
	if err != nil {
		return err
	}
	for part := range slices.Chunk(list, 5000) {
		if err := s.Write(ctx, &timeline.Batch{Recorded: w.To, Records: part}); err != nil {
			return err
		}
	}
	_, err = s.Maintain(ctx, w.To, timeline.Retention{})
	return err
}

// Live writes what a depeer stores in the minute after the past, before it is packed: two batches a second.
func (w *World) Live(ctx context.Context, s timeline.Store, perBatch int) error {
	random := rand.New(rand.NewPCG(6, 6))
	for n := range 120 {
		at := w.To.Add(time.Duration(n+1) * time.Second / 2)
		b := timeline.Batch{Recorded: at}
		for range perBatch {
			h := random.IntN(len(w.Hosters))
			b.Changes = append(b.Changes, w.change(at, timeline.Announced, route{h, random.IntN(len(w.Hosters[h].Prefixes)), random.IntN(w.Peers)}, random.IntN(3)))
		}
		if err := s.Write(ctx, &b); err != nil {
			return err
		}
	}
	return nil
}

// route is one (peer, prefix).
type route struct{ hoster, prefix, peer int }

// fillRoutes begins with a table, and then lets single peers lose routes, find them again, and change their ways.
func (w *World) fillRoutes(ctx context.Context, s timeline.Store) error {
	var batch []timeline.Change
	written := 0
	flush := func(at time.Time) error {
		if len(batch) == 0 {
			return nil
		}
		if err := s.Write(ctx, &timeline.Batch{Recorded: at.Add(time.Second), Changes: batch}); err != nil {
			return err
		}
		if written/packedEvery != (written+len(batch))/packedEvery {
			if _, err := s.Maintain(ctx, at, timeline.Retention{}); err != nil {
				return err
			}
		}
		written += len(batch)
		batch = nil
		return nil
	}
	ways := make([][]uint8, w.Size.Hosters) // by hoster: of prefix and peer
	for h := range w.Hosters {
		ways[h] = make([]uint8, len(w.Hosters[h].Prefixes)*w.Peers)
		for i := range ways[h] {
			ways[h][i] = uint8(w.Usual(i%w.Peers, h))
			batch = append(batch, w.change(w.From, timeline.Known, route{h, i / w.Peers, i % w.Peers}, int(ways[h][i])))
		}
	}
	random := rand.New(rand.NewPCG(2, 2))
	step := w.To.Sub(w.From) / time.Duration(w.Changes+1)
	for n := range w.Changes {
		at := w.From.Add(time.Duration(n+1) * step).Truncate(time.Microsecond)
		if len(batch) >= atOnce {
			if err := flush(at); err != nil {
				return err
			}
		}
		h := sort.SearchFloat64s(w.weights, random.Float64())
		i := random.IntN(len(ways[h]))
		r := route{h, i / w.Peers, i % w.Peers}
		now := &ways[h][i]
		switch usual := uint8(w.Usual(r.peer, h)); {
		case *now != usual: // after a while everything is as it was
			*now = usual
		case random.IntN(3) == 0:
			*now = gone
		default:
			*now = uint8((int(usual) + 1) % len(w.Hosters[h].Upstream))
		}
		if *now == gone {
			batch = append(batch, w.change(at, timeline.Withdrawn, r, 0))
		} else {
			batch = append(batch, w.change(at, timeline.Announced, r, int(*now)))
		}
	}
	if err := flush(w.To); err != nil {
		return err
	}
	_, err := s.Maintain(ctx, w.To, timeline.Retention{})
	return err
}

func (w *World) change(at time.Time, what timeline.What, r route, way int) timeline.Change {
	h := &w.Hosters[r.hoster]
	c := timeline.Change{At: at, What: what, Peer: w.peers[r.peer], Prefix: h.Prefixes[r.prefix], Hosters: []string{h.ID}}
	if c.Held() {
		c.Path = w.Path(c.Peer.ASN, r.hoster, way)
	}
	return c
}

// Records of a hoster: the first have more.
const (
	incidents = 3  // of a hoster in the past; of the first ten, ten times as many
	sightings = 30 // likewise
	gaps      = 300
)

var families = []string{"srizbi", "rustock", "cutwail", "mega-d", "zeus", "emotet", "qakbot", "dridex"}

// records are in order of hosters.
func (w *World) records() ([]timeline.Record, error) {
	random := rand.New(rand.NewPCG(3, 3))
	var out []timeline.Record
	var failed error
	add := func(r timeline.Record, err error) {
		if failed == nil {
			failed = err
		}
		out = append(out, r)
	}
	for i := range w.Hosters {
		times := 1
		if i < 10 {
			times = 10
		}
		for n := range incidents * times {
			w.incident(random, i, n, add)
		}
		for n := range sightings * times {
			add(w.sighting(random, i, n))
		}
	}
	for n := range gaps {
		from := w.moment(random)
		to := from.Add(time.Duration(1+random.IntN(120)) * time.Minute)
		add(timeline.OfGap(&watch.Gap{Type: "gap", ID: fmt.Sprintf("gap%04d", n), Revision: 1, Collector: fmt.Sprintf("rrc%02d", n%collectors), Reason: "session lost",
			From: from, To: &to, Peers: 1, Listed: []string{w.peers[n%len(w.peers)].String()}}))
	}
	return out, failed
}

func (w *World) moment(random *rand.Rand) time.Time {
	return w.From.Add(time.Duration(random.Int64N(int64(w.To.Sub(w.From) - 24*time.Hour)))).Truncate(time.Second)
}

// incident: an upstream drops a hoster, and takes it in again some hours later.
func (w *World) incident(random *rand.Rand, hoster, n int, add func(timeline.Record, error)) {
	h := &w.Hosters[hoster]
	opened := w.moment(random)
	over := opened.Add(time.Duration(1+random.IntN(20)) * time.Hour)
	id := fmt.Sprintf("i%04d-%03d", hoster, n)
	x := watch.Incident{Type: "incident", ID: id, Hoster: h.ID, Phase: watch.Open, Class: watch.Depeered, Severity: watch.Critical, Opened: opened, Confirmed: opened.Add(time.Minute),
		Lost: h.Upstream[:1], Remaining: h.Upstream[1:], Gained: []uint32{}, Prefixes: h.Prefixes,
		Summary: fmt.Sprintf("%s lost AS%d; it is still carried by AS%d", h.Name, h.Upstream[0], h.Upstream[1])}
	event := func(kind watch.EventKind, at time.Time, before, after float64) {
		e := watch.Event{Type: "event", ID: fmt.Sprintf("e%04d-%03d-%d", hoster, n, len(x.Events)), Kind: kind, At: at.Add(time.Minute), FirstSeen: at, Hoster: &h.ID, ASN: h.ASNs[0],
			Upstream: h.Upstream[0], Family: 4, Prefixes: h.Prefixes, Before: before, After: after, Eligible: w.Peers, Severity: x.Severity, Incident: &id, Sources: []string{"rrc00", "rrc01"}}
		for p := range min(10, w.Peers) {
			e.Evidence = append(e.Evidence, watch.Evidence{At: at, Collector: w.peers[p].Collector, Peer: w.peers[p].Addr, PeerASN: w.peers[p].ASN, Type: "A", Prefix: h.Prefixes[0],
				Path: w.Path(w.peers[p].ASN, hoster, 1)})
		}
		x.Events = append(x.Events, e.ID)
		add(timeline.OfEvent(&e))
	}
	event(watch.UpstreamLost, opened, 0.66, 0)
	x.Revision, x.At = 1, x.Confirmed
	add(timeline.OfIncident(&x))
	event(watch.UpstreamRestored, over, 0, 0.66)
	x.Revision, x.At, x.Phase = 2, over.Add(time.Minute), watch.Recovering
	add(timeline.OfIncident(&x))
	resolution := "recovered"
	x.Revision, x.At, x.Phase, x.Resolved, x.Resolution, x.Lost, x.Remaining = 3, over.Add(11*time.Minute), watch.Resolved, &over, &resolution, []uint32{}, h.Upstream
	add(timeline.OfIncident(&x))
}

// sighting: every third is of the same server as another.
func (w *World) sighting(random *rand.Rand, hoster, n int) (timeline.Record, error) {
	h := &w.Hosters[hoster]
	p := h.Prefixes[n%len(h.Prefixes)]
	a := p.Addr().As4()
	a[3] = byte(1 + n/3%250)
	x := cnc.Sighting{Type: "sighting", ID: fmt.Sprintf("s%04d-%03d", hoster, n), Source: "bench", At: w.moment(random), Family: families[(hoster+n)%len(families)], Kind: cnc.Kind("cnc"),
		Addr: netip.AddrFrom4(a), Place: &cnc.Place{Prefix: p, Origins: h.ASNs, Upstreams: h.Upstream, Hoster: h.ID, From: "timeline"}}
	x.Place.At = x.At
	body, err := json.Marshal(&x)
	return timeline.Record{Kind: timeline.Sighting, ID: x.ID, At: x.At, Hoster: h.ID, Word: x.Family, ASN: h.ASNs[0],
		Prefixes: []netip.Prefix{netip.PrefixFrom(x.Addr, 32)}, Body: body}, err
}

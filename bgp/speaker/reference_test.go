package speaker

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/apiutil"
	packet "github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bgp/wire"
)

// reference is the plain way to watch routes with GoBGP: its own listener, its own
// table, and a watch of Adj-RIB-In. It is what the front of a [Speaker] is held
// against, and not meant for use: it stamps whole seconds, its queues have no
// bound, a full table costs it a hundred times as much, and TCP MD5 does not work.
type reference struct {
	cfg   Config
	watch *wire.Shared
	addr  string
	bound chan struct{}
}

var _ bgp.Source = (*reference)(nil)

// newReference makes one of a configuration with static peers, without passwords.
func newReference(cfg Config, deps Deps) (*reference, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if len(cfg.Dynamic) > 0 {
		return nil, fmt.Errorf("the reference has no ranges")
	}
	for _, p := range cfg.Peers {
		if p.Password != "" {
			return nil, fmt.Errorf("the reference has no passwords")
		}
	}
	if cfg.Collector == "" {
		cfg.Collector = cfg.Name
	}
	return &reference{cfg: cfg, watch: deps.Watch, bound: make(chan struct{})}, nil
}

// Listening waits until Run listens, and gives the address.
func (r *reference) Listening(ctx context.Context) (string, error) {
	select {
	case <-r.bound:
		return r.addr, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// Run is that of a source. It listens on a free port of loopback.
func (r *reference) Run(ctx context.Context, emit func([]bgp.Update) error) error {
	log := &engineLog{logger: slog.New(slog.DiscardHandler)}
	e, err := startEngine(ctx, r.cfg.ASN, r.cfg.RouterID, log)
	if err != nil {
		return err
	}
	defer e.stop()
	peers := map[netip.Addr]bgp.Peer{}
	for _, n := range r.cfg.neighbours() {
		a := n.prefix.Addr()
		peers[a] = bgp.Peer{Collector: r.cfg.Collector, Addr: a, ASN: n.asns[0]}
		e.mu.Lock()
		e.alive[a] = n.name()
		e.mu.Unlock()
		e.issued.Add(1)
		if err := e.server.AddPeer(ctx, &api.AddPeerRequest{Peer: e.peer(a, n.asns[0], n, r.cfg.HoldTime)}); err != nil {
			e.free(a.String())
			return err
		}
		defer e.drop(&slot{addr: a})
	}
	w := &referenceWatch{events: make(chan *api.WatchEventResponse), ctx: ctx, peers: peers, list: r.watch, up: map[netip.Addr]bool{}}
	wctx, cancel := context.WithCancel(context.Background())
	e.issued.Add(1)
	err = e.server.WatchEvent(wctx, &api.WatchEventRequest{Peer: &api.WatchEventRequest_Peer{},
		Table: &api.WatchEventRequest_Table{Filters: []*api.WatchEventRequest_Table_Filter{
			{Type: api.WatchEventRequest_Table_Filter_ADJIN}, {Type: api.WatchEventRequest_Table_Filter_EOR}}}}, w.take)
	defer func() { cancel(); e.issued.Add(1) }() // the watch ends with an operation of its own
	if err != nil {
		return err
	}
	r.addr = e.addr
	close(r.bound)
	for {
		select {
		case ev := <-w.events:
			us, err := w.updates(ev)
			if err == nil && len(us) > 0 {
				err = emit(us)
			}
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// referenceWatch turns GoBGP's events into updates.
type referenceWatch struct {
	events chan *api.WatchEventResponse
	ctx    context.Context // of Run
	peers  map[netip.Addr]bgp.Peer
	list   *wire.Shared
	up     map[netip.Addr]bool
}

// take is called by GoBGP. What is not taken waits in a queue of its without a bound.
func (w *referenceWatch) take(ev *api.WatchEventResponse) {
	select {
	case w.events <- ev:
	case <-w.ctx.Done():
	}
}

func (w *referenceWatch) updates(ev *api.WatchEventResponse) (out []bgp.Update, err error) {
	now := time.Now()
	if p := ev.GetPeer(); p != nil {
		st := p.GetPeer().GetState()
		a, err := netip.ParseAddr(st.GetNeighborAddress())
		if err != nil {
			return nil, nil // an event about no peer
		}
		is := st.GetSessionState() == api.PeerState_ESTABLISHED
		if is != w.up[a] {
			w.up[a] = is
			k := bgp.PeerDown
			if is {
				k = bgp.PeerUp
			}
			out = append(out, bgp.Update{At: now, Peer: w.peers[a], Kind: k})
		}
		return out, nil
	}
	for _, p := range ev.GetTable().GetPaths() {
		a, err := netip.ParseAddr(p.GetNeighborIp())
		if err != nil {
			return nil, err
		}
		u := bgp.Update{At: now, Peer: w.peers[a], PathID: p.GetIdentifier()}
		if p.GetNlri() == nil {
			u.Kind, u.V6 = bgp.EndOfRIB, p.GetFamily().GetAfi() == api.Family_AFI_IP6
			out = append(out, u)
			continue
		}
		if err := w.route(&u, p); err != nil {
			return nil, err
		}
		wanted := false
		w.list.Do(func(f *wire.Watch) { wanted = f.WatchesPrefix(wire.PrefixOf(u.Prefix)) })
		if wanted {
			out = append(out, u)
		}
	}
	return out, nil
}

func (w *referenceWatch) route(u *bgp.Update, p *api.Path) error {
	nlri, err := apiutil.GetNativeNlri(p)
	if err != nil {
		return err
	}
	if u.Prefix, err = netip.ParsePrefix(nlri.String()); err != nil {
		return err
	}
	if p.GetIsWithdraw() {
		u.Kind = bgp.Withdraw
		return nil
	}
	u.Kind = bgp.Announce
	attrs, err := apiutil.GetNativePathAttributes(p)
	if err != nil {
		return err
	}
	for _, a := range attrs {
		path, ok := a.(*packet.PathAttributeAsPath)
		if !ok {
			continue
		}
		for _, s := range path.Value {
			u.Path = append(u.Path, bgp.Segment{Type: bgp.SegmentType(s.GetType()), ASNs: s.GetAS()})
		}
	}
	return nil
}

// TestReference proves that the front says what GoBGP's own watch says, on the
// same feed: of a plain peer, of one with two-octet AS numbers, and of one with
// several paths for a prefix, for both families.
func TestReference(t *testing.T) {
	speakers := []bgptest.Speaker{
		{ASN: 64501, Local: netip.MustParseAddr("127.0.0.21"), RouterID: netip.MustParseAddr("192.0.2.21"), Graceful: true},
		{ASN: 64502, Local: netip.MustParseAddr("127.0.0.22"), RouterID: netip.MustParseAddr("192.0.2.22"), AS2: true},
		{ASN: 4_200_000_003, Local: netip.MustParseAddr("127.0.0.23"), RouterID: netip.MustParseAddr("192.0.2.23"), AddPath: true},
	}
	cfg := testConfig(here)
	cfg.Peers = nil
	for _, s := range speakers {
		cfg.Peers = append(cfg.Peers, Peer{Address: s.Local, ASN: s.ASN, AddPath: s.AddPath})
	}
	front := start(t, cfg, nil)
	r, err := newReference(cfg, Deps{Watch: front.watch})
	must(t, err)
	plain := &rig{t: t, ended: make(chan error, 1), more: make(chan struct{})}
	plain.ctx, plain.cancel = context.WithTimeout(context.Background(), time.Minute)
	go func() { plain.ended <- r.Run(plain.ctx, plain.emit) }()
	t.Cleanup(func() { plain.stop() })
	plain.addr, err = r.Listening(plain.ctx)
	must(t, err)
	for _, rig := range []*rig{front, plain} {
		for i, s := range speakers {
			x := rig.dial(s)
			sendSame(t, x, s, rand.New(rand.NewPCG(uint64(i), 3)))
		}
	}
	for _, s := range speakers {
		peer := bgp.Peer{Collector: "speaker", Addr: s.Local, ASN: s.ASN}
		said := func(r *rig) (out []string) {
			n := 0
			r.until("both markers of "+peer.String(), 0, func(u bgp.Update) bool {
				if u.Peer == peer && u.Kind == bgp.EndOfRIB {
					n++
				}
				return n == 2
			})
			for _, u := range r.updates() {
				if u.Peer == peer && u.Kind != bgp.Heard {
					out = append(out, fmt.Sprint(line(u), " id ", u.PathID))
				}
			}
			return out
		}
		a, b := said(front), said(plain)
		if len(a) < 500 {
			t.Errorf("%v said %d things only", peer, len(a))
		}
		if d := cmp.Diff(b, a); d != "" {
			t.Errorf("%v: GoBGP's watch (-), the front (+)\n%s", peer, d)
		}
	}
}

// sendSame sends what the generator decides: announcements, changes, withdrawals of
// what was announced, watched or not.
func sendSame(t *testing.T, x *bgptest.Session, s bgptest.Speaker, rng *rand.Rand) {
	t.Helper()
	held := map[bgptest.NLRI]bool{}
	for range 400 {
		v6, other := rng.IntN(3) == 0, rng.IntN(4) == 0
		var list []bgptest.NLRI
		for range 1 + rng.IntN(5) {
			a := netip.AddrFrom4([4]byte{10, byte(rng.IntN(4)), byte(rng.IntN(8)), 0})
			bits := 24
			if other {
				a = netip.AddrFrom4([4]byte{198, 51, byte(rng.IntN(8)), 0})
			}
			if v6 {
				a, bits = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(rng.IntN(8))}), 48
			}
			n := bgptest.NLRI{Prefix: netip.PrefixFrom(a, bits)}
			if s.AddPath {
				n.PathID = 1 + uint32(rng.IntN(3))
			}
			if !slices.Contains(list, n) {
				list = append(list, n)
			}
		}
		m := bgptest.UpdateMessage{NextHop4: netip.MustParseAddr("192.0.2.1"), NextHop6: netip.MustParseAddr("2001:db8::1")}
		if rng.IntN(3) == 0 {
			list = slices.DeleteFunc(list, func(n bgptest.NLRI) bool { return !held[n] })
			if len(list) == 0 {
				continue
			}
			m.Withdraw = list
		} else {
			m.Announce = list
			m.Path = bgp.PathOf(s.ASN, 1+uint32(rng.IntN(5)), 4_200_000_100+uint32(rng.IntN(5)))
			// GoBGP guesses from its bytes whether a path has two octets for each AS, and
			// reads one with an AS_SET as four of which nobody spoke. The front knows.
			if rng.IntN(5) == 0 && !s.AS2 {
				m.Path = append(m.Path, bgp.Segment{Type: bgp.ASSet, ASNs: []uint32{64510, 64511}})
			}
		}
		for _, n := range list {
			held[n] = m.Announce != nil
		}
		raw, err := bgptest.AppendUpdate(nil, m, x.Encoding)
		must(t, err, x.Send(raw))
	}
	must(t, x.EndOfRIB(false), x.EndOfRIB(true))
}

package speaker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/server"
)

// engine is the embedded GoBGP: a passive server on loopback with one neighbour
// for each session.
type engine struct {
	server *server.BgpServer
	addr   string // where it listens
	log    *engineLog
	watch  context.CancelFunc
	served chan struct{} // closed when its only loop has ended

	mu    sync.Mutex
	next  uint32                // guarded by mu; number of the next slot
	slots map[netip.Addr]*slot  // guarded by mu
	freed *sync.Cond            // of mu: a neighbour's last goroutine has ended
	alive map[netip.Addr]string // guarded by mu; neighbours added and not yet freed

	issued     atomic.Int64 // management operations that we asked for: one for each call
	operations atomic.Int64 // management operations that the loop has done
	stopping   atomic.Bool
}

// slot is a neighbour of the engine: the address that stands for a router.
type slot struct {
	addr    netip.Addr
	active  chan struct{}              // closed when GoBGP takes the connection
	up      chan struct{}              // closed when it has established the session
	idle    chan struct{}              // closed when the session, or the attempt at one, is over
	state   api.PeerState_SessionState // of event alone
	barrier chan struct{}              // one for each marker that has come through GoBGP's queue
}

// Addresses that stand for routers: 127.64.0.0/10, without the first and the last.
const (
	firstSlot = 127<<24 | 64<<16 | 1
	lastSlot  = 127<<24 | 127<<16 | 0xfffe
)

const engineHost = "127.0.0.1"

// startEngine starts GoBGP with the three locks that keep it silent: both
// policies reject, no path is selected, and nobody adds one.
func startEngine(ctx context.Context, asn uint32, routerID netip.Addr, log *engineLog) (*engine, error) {
	e := &engine{log: log, served: make(chan struct{}), slots: map[netip.Addr]*slot{}, alive: map[netip.Addr]string{}, next: firstSlot}
	e.freed = sync.NewCond(&e.mu)
	log.freed = e.free
	e.server = server.NewBgpServer(server.LoggerOption(log), server.TimingHookOption(e))
	go func() {
		defer close(e.served)
		e.server.Serve()
	}()
	if err := e.begin(ctx, asn, routerID); err != nil {
		e.stop()
		return nil, fmt.Errorf("start GoBGP: %w", err)
	}
	return e, nil
}

func (e *engine) begin(ctx context.Context, asn uint32, routerID netip.Addr) error {
	var err error
	for range 10 { // another program may take the port between the two calls
		var port int32
		if port, err = freePort(ctx); err != nil {
			return err
		}
		e.issued.Add(1)
		err = e.server.StartBgp(ctx, &api.StartBgpRequest{Global: &api.Global{Asn: asn, RouterId: routerID.String(),
			ListenPort: port, ListenAddresses: []string{engineHost},
			RouteSelectionOptions: &api.RouteSelectionOptionsConfig{DisableBestPathSelection: true}}})
		if err == nil {
			e.addr = net.JoinHostPort(engineHost, fmt.Sprint(port))
			break
		}
	}
	if err != nil {
		return err
	}
	for _, d := range []api.PolicyDirection{api.PolicyDirection_EXPORT, api.PolicyDirection_IMPORT} {
		e.issued.Add(1)
		err := e.server.SetPolicyAssignment(ctx, &api.SetPolicyAssignmentRequest{Assignment: &api.PolicyAssignment{
			Name: "global", Direction: d, DefaultAction: api.RouteAction_REJECT}})
		if err != nil {
			return err
		}
	}
	wctx, cancel := context.WithCancel(context.Background())
	e.watch = cancel
	e.issued.Add(1)
	return e.server.WatchEvent(wctx, &api.WatchEventRequest{Peer: &api.WatchEventRequest_Peer{},
		Table: &api.WatchEventRequest_Table{Filters: []*api.WatchEventRequest_Table_Filter{
			{Type: api.WatchEventRequest_Table_Filter_EOR}}}}, e.event)
}

// freePort asks the system for one: GoBGP takes 0 for 179.
func freePort(ctx context.Context) (int32, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp4", engineHost+":0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return int32(portOf(l.Addr())), nil
}

// event is called by GoBGP for each change of a neighbour's state and for each
// End-of-RIB marker. It must not block: GoBGP's queue behind it has no bound.
func (e *engine) event(r *api.WatchEventResponse) {
	if p := r.GetPeer(); p != nil {
		if st := p.GetPeer().GetState(); st != nil {
			if s := e.slot(st.GetNeighborAddress()); s != nil {
				s.enter(st.GetSessionState())
			}
		}
		return
	}
	for _, p := range r.GetTable().GetPaths() {
		if s := e.slot(p.GetNeighborIp()); s != nil {
			select {
			case s.barrier <- struct{}{}:
			default: // nobody waits
			}
		}
	}
}

// enter notes GoBGP's state machine. It begins idle, and passes through each
// state once: what it does after the session is of no interest.
func (s *slot) enter(state api.PeerState_SessionState) {
	was := s.state
	switch {
	case state == api.PeerState_ACTIVE && was < state:
		close(s.active)
	case state == api.PeerState_ESTABLISHED && was < state:
		close(s.up)
	case state == api.PeerState_IDLE && was >= api.PeerState_ACTIVE && was < over:
		close(s.idle)
		state = over
	}
	s.state = max(was, state)
}

// over is beyond all states of GoBGP.
const over = api.PeerState_ESTABLISHED + 1

func (e *engine) slot(text string) *slot {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.slots[a]
}

// join adds a neighbour for one session, and connects to GoBGP in its name.
func (e *engine) join(ctx context.Context, asn uint32, n *neighbour, hold time.Duration) (*slot, net.Conn, error) {
	s := &slot{active: make(chan struct{}), up: make(chan struct{}), idle: make(chan struct{}), barrier: make(chan struct{}, 2*maxBarriers)}
	e.mu.Lock()
	for {
		s.addr = netip.AddrFrom4([4]byte{byte(e.next >> 24), byte(e.next >> 16), byte(e.next >> 8), byte(e.next)})
		if e.next++; e.next > lastSlot {
			e.next = firstSlot
		}
		if _, taken := e.alive[s.addr]; !taken {
			break
		}
	}
	e.slots[s.addr] = s
	e.alive[s.addr] = n.name()
	e.mu.Unlock()
	e.issued.Add(1)
	if err := e.server.AddPeer(ctx, &api.AddPeerRequest{Peer: e.peer(s.addr, asn, n, hold)}); err != nil {
		e.free(s.addr.String())
		return nil, nil, err
	}
	select {
	case <-s.active:
	case <-ctx.Done():
		e.drop(s)
		return nil, nil, ctx.Err()
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: s.addr.AsSlice()}}
	c, err := d.DialContext(ctx, "tcp4", e.addr)
	if err != nil {
		e.drop(s)
		return nil, nil, err
	}
	return s, c, nil
}

func (e *engine) peer(addr netip.Addr, asn uint32, n *neighbour, hold time.Duration) *api.Peer {
	p := &api.Peer{
		// Paths with our own AS in them stay, as any other.
		Conf:      &api.PeerConf{NeighborAddress: addr.String(), PeerAsn: asn, LocalAsn: n.localASN, AllowOwnAsn: 255},
		Transport: &api.Transport{PassiveMode: true},
		Timers: &api.Timers{Config: &api.TimersConfig{HoldTime: uint64(hold / time.Second),
			KeepaliveInterval: max(uint64(hold/time.Second/3), 1)}},
		EbgpMultihop: &api.EbgpMultihop{Enabled: true, MultihopTtl: 255},
	}
	if n.graceful {
		p.GracefulRestart = &api.GracefulRestart{Enabled: true, HelperOnly: true, RestartTime: 120}
	}
	for i, on := range []bool{n.ipv4, n.ipv6} {
		if on {
			p.AfiSafis = append(p.AfiSafis, &api.AfiSafi{
				Config:   &api.AfiSafiConfig{Family: &api.Family{Afi: api.Family_Afi(i + 1), Safi: api.Family_SAFI_UNICAST}, Enabled: true},
				AddPaths: &api.AddPaths{Config: &api.AddPathsConfig{Receive: n.addPath}}})
		}
	}
	return p
}

// leavePatience is for GoBGP to notice that a connection was closed.
const leavePatience = 5 * time.Second

// leave deletes the neighbour of a session that has ended, with its routes. The
// connection is closed: GoBGP comes to rest first, because a goroutine of it stays
// for ever where a neighbour is deleted between two messages of its beginning.
func (e *engine) leave(s *slot) {
	t := time.NewTimer(leavePatience)
	defer t.Stop()
	select {
	case <-s.idle:
	case <-t.C:
	}
	e.drop(s)
}

// drop deletes a neighbour that is at rest.
func (e *engine) drop(s *slot) {
	e.mu.Lock()
	delete(e.slots, s.addr)
	e.mu.Unlock()
	e.issued.Add(1)
	if err := e.server.DeletePeer(context.Background(), &api.DeletePeerRequest{Address: s.addr.String()}); err != nil {
		e.free(s.addr.String()) // it is not there
	}
}

// free notes that nothing runs for a neighbour any more.
func (e *engine) free(text string) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.slots, a)
	delete(e.alive, a)
	e.freed.Broadcast()
}

// Observe is called in the loop of GoBGP after each thing that it did. The loop
// has no end of its own, so this is where it ends.
func (e *engine) Observe(op server.FSMOperation, _, _ time.Duration) {
	if op != server.FSMMgmtOp {
		return
	}
	e.operations.Add(1)
	if e.stopping.Load() {
		runtime.Goexit()
	}
}

// stop ends GoBGP and returns when nothing of it runs any more. All sessions
// have left.
func (e *engine) stop() {
	e.mu.Lock()
	for len(e.alive) > 0 {
		e.freed.Wait()
	}
	e.mu.Unlock()
	want := e.issued.Load()
	if e.watch != nil {
		e.watch()
		want++ // the watcher takes itself off the list, and GoBGP does not say when
	}
	for e.operations.Load() < want {
		time.Sleep(time.Millisecond)
	}
	e.stopping.Store(true) // the loop ends after the next operation, which closes the listener
	_ = e.server.StopBgp(context.Background(), &api.StopBgpRequest{})
	<-e.served
}

var errEngine = errors.New("the embedded GoBGP ended the session without a word")

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"depeer/bench/world"
	"depeer/bgp"
	"depeer/bgp/bgptest"
)

const (
	neighbours = 10
	probed     = 100 // of the hosters, the last ones: nothing but probes touches them
	watchedOne = 10  // in so many updates
)

func neighbourASN(i int) uint32 { return 64601 + uint32(i) }

// ingest are neighbours that never rest.
type ingest struct {
	w        *world.World
	sessions []*bgptest.Session
	sent     atomic.Uint64
	late     atomic.Int64 // the most that a write was behind, nanoseconds
}

// connect brings the neighbours up, each with all hosters.
func connect(ctx context.Context, p *process) (*ingest, error) {
	x := &ingest{w: p.world}
	for i := range neighbours {
		err := p.await(ctx, "it takes BGP sessions", func() bool {
			s, err := bgptest.Dial(ctx, p.bgp, bgptest.Speaker{ASN: neighbourASN(i), RouterID: netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + i)}), Local: netip.AddrFrom4([4]byte{127, 0, 2, byte(1 + i)})})
			if err == nil {
				x.sessions = append(x.sessions, s)
			}
			return err == nil
		})
		if err != nil {
			return nil, err
		}
		var b []byte
		for h := range p.world.Hosters {
			if b, err = x.announce(b, i, h, p.world.Usual(i, h), p.world.Hosters[h].Prefixes...); err != nil {
				return nil, err
			}
		}
		if err := x.sessions[i].Send(bgptest.AppendEndOfRIB(b, false)); err != nil {
			return nil, err
		}
	}
	total := 0
	for h := range p.world.Hosters {
		total += len(p.world.Hosters[h].Prefixes)
	}
	err := p.await(ctx, "all tables are known", func() bool {
		s, err := p.status(ctx)
		n := 0
		for i := range s.Hosters {
			if s.Hosters[i].Eligible == neighbours && s.Hosters[i].Visibility == 1 {
				n += s.Hosters[i].Prefixes
			}
		}
		return err == nil && n == total
	})
	return x, err
}

func (x *ingest) announce(b []byte, neighbour, hoster, way int, prefixes ...netip.Prefix) ([]byte, error) {
	return announced(b, x.w.Path(neighbourASN(neighbour), hoster, way), prefixes...)
}

func announced(b []byte, path bgp.Path, prefixes ...netip.Prefix) ([]byte, error) {
	return bgptest.AppendUpdate(b, bgptest.UpdateMessage{Announce: routes(prefixes), Path: path, NextHop4: netip.AddrFrom4([4]byte{192, 0, 2, 1})}, bgptest.Encoding{})
}

func routes(prefixes []netip.Prefix) []bgptest.NLRI {
	out := make([]bgptest.NLRI, len(prefixes))
	for i, p := range prefixes {
		out[i].Prefix = p
	}
	return out
}

const perWrite = 20 // updates of one neighbour

// run sends so many updates a second, of all neighbours together, until ctx ends. One in ten is of a
// hoster: a neighbour changes its way, and back.
func (x *ingest) run(ctx context.Context, rate int) error {
	random := rand.New(rand.NewPCG(4, 4))
	turned := map[[3]int]bool{}
	begin, n := time.Now(), 0
	var b []byte
	var err error
	for i := 0; ctx.Err() == nil; i = (i + 1) % neighbours {
		b = b[:0]
		for range perWrite {
			if n++; n%watchedOne > 0 {
				other := netip.PrefixFrom(netip.AddrFrom4([4]byte{80 + byte(random.IntN(20)), byte(random.IntN(256)), byte(random.IntN(256)), 0}), 24)
				b, err = announced(b, bgp.PathOf(neighbourASN(i), 2000+random.Uint32N(100), 3000+random.Uint32N(100), 40_000+random.Uint32N(10_000)), other)
			} else {
				h := random.IntN(max(1, len(x.w.Hosters)-probed))
				list := x.w.Hosters[h].Prefixes
				k := random.IntN(len(list))
				way := x.w.Usual(i, h)
				if turned[[3]int{i, h, k}] = !turned[[3]int{i, h, k}]; turned[[3]int{i, h, k}] {
					way++
				}
				b, err = x.announce(b, i, h, way, list[k])
			}
			if err != nil {
				return err
			}
		}
		due := begin.Add(time.Duration(n) * time.Second / time.Duration(rate))
		if wait := time.Until(due); wait > time.Millisecond {
			time.Sleep(wait)
		} else if behind := int64(-wait); behind > x.late.Load() {
			x.late.Store(behind)
		}
		if err := x.sessions[i].Send(b); err != nil {
			return fmt.Errorf("neighbour %d: %w", i, err)
		}
		x.sent.Add(perWrite)
	}
	return nil
}

// withdraw lets all neighbours lose a prefix, and gives the moment at which the last one began to.
func (x *ingest) withdraw(p netip.Prefix) (at time.Time, err error) {
	b, err := bgptest.AppendUpdate(nil, bgptest.UpdateMessage{Withdraw: routes([]netip.Prefix{p})}, bgptest.Encoding{})
	for i := range x.sessions {
		if err == nil {
			at = time.Now()
			err = x.sessions[i].Send(b)
		}
	}
	return at, err
}

// restore lets them have it again.
func (x *ingest) restore(hoster int, p netip.Prefix) error {
	for i := range x.sessions {
		b, err := x.announce(nil, i, hoster, x.w.Usual(i, hoster), p)
		if err == nil {
			err = x.sessions[i].Send(b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

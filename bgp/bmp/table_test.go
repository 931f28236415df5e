package bmp

import (
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bgp/rib"
)

// holds gives what a table says of a prefix: "AS64500 3549 26780", "AS64500 none", or
// nothing for peers that do not count.
func holds(updates []bgp.Update, after time.Duration, p netip.Prefix) (out []string) {
	table := rib.New(30 * time.Second)
	var last time.Time
	for _, u := range updates {
		table.Apply(u, func(rib.Change) {})
		last = u.At
	}
	table.Advance(last.Add(after), func(rib.Change) {})
	e := table.Entry(p)
	for _, peer := range table.Peers() {
		if !peer.Eligible() || e == nil || e.Slot(peer) == nil {
			continue
		}
		s := e.Slot(peer)
		if s.Node == nil {
			out = append(out, bgp.ASN(peer.ASN)+" none")
		} else {
			out = append(out, bgp.ASN(peer.ASN)+" "+s.Node.Path.String())
		}
	}
	return out
}

// The router is lost and comes back: what it still has is no event, what it does
// not send again is lost, and only when its table is complete.
func TestReconnectComparesTables(t *testing.T) {
	for name, tt := range map[string]struct {
		eor   bool          // the router marks the end of its table
		after time.Duration // calm after the last word
		want  string        // of the prefix that did not come back
	}{
		"end of RIB":               {eor: true, want: "AS64500 none"},
		"calm":                     {after: 5 * time.Minute, want: "AS64500 none"},
		"the table is not yet all": {want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, nil)
			x := r.dial("core1")
			path := bgp.PathOf(64500, 3549, 26780)
			must(t, x.Up(peerOne), x.Update(peerOne, announce(path, mccolo, other)), x.EndOfRIB(peerOne, false), x.EndOfRIB(peerOne, true))
			r.saw("core1/192.0.2.7 AS64500 end-of-rib IPv6")
			must(t, x.Conn.Close())
			r.saw("core1/192.0.2.7 AS64500 unheard: the router closed the connection")
			all := r.heard()
			if got := holds(all, 0, mccolo); len(got) != 0 {
				t.Errorf("nobody hears it, and yet %v", got)
			}

			y := r.dial("core1")
			must(t, y.Up(peerOne), y.Update(peerOne, announce(path, other)))
			if tt.eor {
				must(t, y.EndOfRIB(peerOne, false), y.EndOfRIB(peerOne, true))
			}
			n := 9 // without Heard
			if !tt.eor {
				n = 7
			}
			all = r.wait("second table", func(all []bgp.Update) bool { return len(lines(all)) >= n })
			got := strings.Join(holds(all, tt.after, mccolo), ", ")
			if got != tt.want {
				t.Errorf("what did not come back: %q, want %q; heard\n\t%s", got, tt.want, strings.Join(lines(all), "\n\t"))
			}
			want := "AS64500 64500 3549 26780"
			if tt.want == "" {
				want = ""
			}
			if got := strings.Join(holds(all, tt.after, other), ", "); got != want {
				t.Errorf("what came back: %q, want %q", got, want)
			}
		})
	}
}

// A router that dies while it sends its table, and comes back without a route: nobody
// knows whether it had it.
func TestLossWithinATable(t *testing.T) {
	r := start(t, nil)
	x := r.dial("core1")
	path := bgp.PathOf(64500, 3549, 26780)
	must(t, x.Up(peerOne), x.Update(peerOne, announce(path, mccolo)))
	r.saw("core1/192.0.2.7 AS64500 announce 208.66.192.0/22 64500 3549 26780")
	must(t, x.Conn.Close())
	r.saw("core1/192.0.2.7 AS64500 unheard: the router closed the connection")
	y := r.dial("core1")
	must(t, y.Up(peerOne), y.Update(peerOne, announce(path, other)), y.EndOfRIB(peerOne, false), y.EndOfRIB(peerOne, true))
	r.saw("core1/192.0.2.7 AS64500 end-of-rib IPv6")
	all := r.heard()
	if got := holds(all, 0, mccolo); len(got) != 0 {
		t.Errorf("%v, want nothing known of it", got)
	}
}

// Before and after the policy at once: it counts once, whichever comes first, and the
// routes that the policy refuses are no losses.
func TestPreAndPostPolicy(t *testing.T) {
	post := peerOne
	post.Flags = bgptest.BMPFlagPost
	path, shorter := bgp.PathOf(64500, 3549, 26780), bgp.PathOf(64500, 26780)
	for name, order := range map[string][]string{
		"pre first":  {"up", "pre", "post"},
		"post first": {"up", "post", "pre", "post"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, nil)
			x := r.dial("core1")
			for _, what := range order {
				switch what {
				case "up":
					must(t, x.Up(peerOne), x.Up(post)) // some routers say it twice
				case "pre":
					must(t, x.Update(peerOne, announce(path, mccolo, other)), x.EndOfRIB(peerOne, false), x.EndOfRIB(peerOne, true))
				case "post":
					must(t, x.Update(post, announce(shorter, other)), x.EndOfRIB(post, false), x.EndOfRIB(post, true))
				}
			}
			must(t, x.Update(post, withdraw(other)), x.Update(peerOne, withdraw(six)))
			r.saw("core1/192.0.2.7 AS64500 withdraw 2001:db8:7::/48")
			all := r.heard()
			for _, p := range []netip.Prefix{mccolo, other} {
				if got := holds(all, 0, p); !slices.Equal(got, []string{"AS64500 64500 3549 26780"}) {
					t.Errorf("%s: %v; heard\n\t%s", p, got, strings.Join(lines(all), "\n\t"))
				}
			}
			h := r.station.Health(time.Now())
			if n := count(h, "ignored", "same-peer-other-policy"); n < 2 {
				t.Errorf("%v messages of the other view left out", n)
			}
			if n := count(h, "peers", ""); n != 1 {
				t.Errorf("%v peers", n)
			}
		})
	}
}

// A router that sends a peer after its policy only; and one that used to send it
// before its policy, and now sends the smaller table first: not one loss.
func TestPostPolicyOnly(t *testing.T) {
	post := peerOne
	post.Flags = bgptest.BMPFlagPost
	path := bgp.PathOf(64500, 3549, 26780)
	r := start(t, nil)
	x := r.dial("core1")
	must(t, x.Up(peerOne), x.Update(post, announce(path, mccolo)), x.EndOfRIB(post, false), x.Update(post, withdraw(mccolo)))
	r.expect(
		"core1/192.0.2.7 AS64500 peer-up",
		"core1/192.0.2.7 AS64500 unheard: from here on heard as adj-rib-in-post", // what somebody may remember of it is no table to compare with
		"core1/192.0.2.7 AS64500 peer-up",
		"core1/192.0.2.7 AS64500 announce 208.66.192.0/22 64500 3549 26780",
		"core1/192.0.2.7 AS64500 end-of-rib",
		"core1/192.0.2.7 AS64500 withdraw 208.66.192.0/22")

	// It now sends both, and the routers' table after the policy holds less.
	must(t, x.Update(peerOne, announce(path, mccolo, other)), x.EndOfRIB(peerOne, false))
	r.saw("core1/192.0.2.7 AS64500 unheard: from here on heard as adj-rib-in-pre")
	must(t, x.Conn.Close())
	r.saw("core1/192.0.2.7 AS64500 unheard: the router closed the connection")
	y := r.dial("core1")
	must(t, y.Up(peerOne), y.Update(post, announce(path, other)), y.EndOfRIB(post, false),
		y.Update(peerOne, announce(path, mccolo, other)), y.EndOfRIB(peerOne, false))
	all := r.wait("second table", func(all []bgp.Update) bool {
		return len(lines(all)) > 3 && line(all[len(all)-1]) == "core1/192.0.2.7 AS64500 end-of-rib" && lines(all)[len(lines(all))-4] == "core1/192.0.2.7 AS64500 peer-up"
	})
	for _, p := range []netip.Prefix{mccolo, other} {
		if got := holds(all, 0, p); !slices.Equal(got, []string{"AS64500 64500 3549 26780"}) {
			t.Errorf("%s: %v; heard\n\t%s", p, got, strings.Join(lines(all), "\n\t"))
		}
	}
	r.counted("ignored", "waiting-for-pre-policy", 2)
}

// A router that sent a peer before its policy, and for ten minutes sends it after its
// policy only: it is made to send its tables again, and what is not in them is unknown.
func TestRouterChangesItsMind(t *testing.T) {
	post := peerOne
	post.Flags = bgptest.BMPFlagPost
	var later atomic.Int64
	r := start(t, nil, func(s *Station) {
		s.now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	})
	x := r.dial("core1")
	must(t, x.Up(peerOne), x.Update(peerOne, announce(one, mccolo, other)), x.EndOfRIB(peerOne, false), x.EndOfRIB(peerOne, true))
	r.saw(who + "end-of-rib IPv6")
	must(t, x.Conn.Close())
	r.saw(who + "unheard: the router closed the connection")

	y := r.dial("core1")
	must(t, y.Up(peerOne), y.Update(post, announce(one, other)), y.EndOfRIB(post, false))
	r.counted("ignored", "waiting-for-pre-policy", 2)
	later.Store(int64(11 * time.Minute))
	must(t, y.Update(post, announce(one, other)))
	closed(t, y.Conn)
	before := len(lines(r.heard()))

	z := r.dial("core1")
	must(t, z.Up(peerOne), z.Update(post, announce(one, other)), z.EndOfRIB(post, false), z.EndOfRIB(post, true))
	all := r.wait("table", func(all []bgp.Update) bool {
		return len(lines(all)) > before+2 && line(all[len(all)-1]) == who+"end-of-rib IPv6"
	})
	if got := holds(all, 0, mccolo); len(got) != 0 {
		t.Errorf("what the policy refuses: %v, want nothing known", got)
	}
	if got := holds(all, 0, other); !slices.Equal(got, []string{"AS64500 64500 3549 26780"}) {
		t.Errorf("what it lets pass: %v", got)
	}
	if !strings.Contains(r.log.String(), "is no longer sent as adj-rib-in-pre: to be heard anew as adj-rib-in-post") {
		t.Error("the log does not say why")
	}
}

package bgptest

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"depeer/bgp"
)

// everything uses each verb once.
const everything = `
churn 60 per minute
network 64999
route 64999 via 1299 at 100%
at +0s rib
at 18:10 drop 3549-26780 over 90s except rrc00 peer 7
at 18:20 restore 3549-26780 over 30s
at 18:30 fail 6939 over 2m
at 18:40 recover 6939
at 18:50 flap 6939-26780 every 4m 3 times
at 19:10 route 26780 via 1299 3320 at 20% prepend 2 for ipv4 over 30s
at 19:20 announce 64999 208.66.193.0/24 at 100% over 30s
at 19:25 announce 64999 208.66.192.0/22 at 30% over 30s
at 19:30 withdraw 64999 over 30s
at 19:40 move 208.72.168.0/21 from 26780 to 64999 over 5m
at 19:50 hunt 26780 over 2m
at 19:55 hunt 26780 over 2m with withdrawals
at 20:00 noise rrc00 peer 4 about 26780 208.66.192.0/22 3 times every 20s
at 20:10 reset rrc00 peers 2,5-6 down 30s
at 20:15 silence route-views2 for 5m
at 20:30 reset route-views2 down 1m
at 20:40 malformed rrc00 peer 2 6 messages
at 21:00 withdraw 26780 over 90s
`

// table is what peers hold at some moment: routes by peer and prefix.
type table map[bgp.Peer]map[netip.Prefix]bgp.Path

// tables plays a scenario and shows the tables before each update.
func tables(s *Scenario, see func(bgp.Update, table)) table {
	all := table{}
	for _, p := range s.Peers() {
		all[p] = map[netip.Prefix]bgp.Path{}
	}
	for u := range s.Updates() {
		if see != nil {
			see(u, all)
		}
		switch u.Kind {
		case bgp.Announce, bgp.TableRoute:
			all[u.Peer][u.Prefix] = u.Path
		case bgp.Withdraw:
			delete(all[u.Peer], u.Prefix)
		case bgp.PeerDown:
			clear(all[u.Peer])
		}
	}
	return all
}

func (t table) clone() table {
	c := table{}
	for p, routes := range t {
		c[p] = maps.Clone(routes)
	}
	return c
}

// behind counts peers that reach the prefix over the edge.
func (t table) behind(prefix string, x edge) int {
	n := 0
	for _, routes := range t {
		if over(routes[netip.MustParsePrefix(prefix)], x) {
			n++
		}
	}
	return n
}

func over(p bgp.Path, x edge) bool {
	hops := p.Hops(nil)
	for i := 1; i < len(hops); i++ {
		if hops[i-1].ASN == x.left && hops[i].ASN == x.right {
			return true
		}
	}
	return false
}

const (
	mccolo4 = "208.66.192.0/22"
	mccolo6 = "2001:db8:26::/48"
)

func TestSharesAreExact(t *testing.T) {
	end := tables(parse(t, world+"at +1s rib"), nil)
	for _, p := range []string{mccolo4, mccolo6} {
		if a, b := end.behind(p, edge{6939, 26780}), end.behind(p, edge{3549, 26780}); a != 25 || b != 15 {
			t.Errorf("%s: %d peers behind AS6939 and %d behind AS3549, want 25 and 15 (62%% and 38%% of 40)", p, a, b)
		}
	}
	for p, routes := range end {
		if len(routes) != 243 {
			t.Errorf("%s has %d prefixes, want all 243", p, len(routes))
		}
	}
}

// A dropped edge leaves nobody behind it once the time is over; those who lost it
// have the other way. Who did not lose it never spoke.
func TestDropMovesEverybodyInTime(t *testing.T) {
	s := parse(t, world+"at +0s rib\nat 21:00 drop 6939-26780 over 90s")
	from, to := s.Start().Add(3*time.Hour), s.Start().Add(3*time.Hour+90*time.Second)
	var before table
	seconds := map[int64]int{}
	end := tables(s, func(u bgp.Update, all table) {
		if u.Kind != bgp.Announce && u.Kind != bgp.Withdraw || u.Path.Equal(all[u.Peer][u.Prefix]) {
			return // duplicates may come later
		}
		if before == nil {
			before = all.clone()
		}
		if u.At.Before(from) || u.At.After(to) {
			t.Errorf("%s speaks of %s at %s, outside of %s to %s", u.Peer, u.Prefix, u.At, from, to)
		}
		if !over(before[u.Peer][u.Prefix], edge{6939, 26780}) {
			t.Errorf("%s, not behind AS6939, speaks of %s", u.Peer, u.Prefix)
		}
		seconds[u.At.Unix()]++
	})
	if n := end.behind(mccolo4, edge{6939, 26780}); n != 0 {
		t.Errorf("%d peers are still behind the dropped edge", n)
	}
	if n := end.behind(mccolo4, edge{3549, 26780}); n != 40 {
		t.Errorf("%d of 40 peers found the other way", n)
	}
	if len(seconds) < 25 {
		t.Errorf("all was said in %d different seconds: no spread", len(seconds))
	}
}

// Withdrawn everywhere, most peers first try longer and longer paths over the
// old edge.
func TestPathHuntingLeavesLongerPaths(t *testing.T) {
	s := parse(t, world+"at +0s rib\nat 21:00 withdraw 26780 over 2m")
	before := table{}
	hunters := map[bgp.Peer]int{}
	var longest int
	end := tables(s, func(u bgp.Update, all table) {
		if u.Prefix.String() != mccolo4 || u.Kind == bgp.TableRoute || u.Path.Equal(all[u.Peer][u.Prefix]) {
			return
		}
		if before[u.Peer] == nil {
			before[u.Peer] = map[netip.Prefix]bgp.Path{u.Prefix: all[u.Peer][u.Prefix]}
		}
		if u.Kind != bgp.Announce {
			return
		}
		old, now := len(all[u.Peer][u.Prefix][0].ASNs), len(u.Path[0].ASNs)
		if now <= old {
			t.Errorf("%s: %s is not longer than %s", u.Peer, u.Path, all[u.Peer][u.Prefix])
		}
		longest = max(longest, now-len(before[u.Peer][u.Prefix][0].ASNs))
		hunters[u.Peer]++
	})
	if n := len(hunters); n < 15 || n > 33 {
		t.Errorf("%d of 40 peers hunted, 60%% should", n)
	}
	if longest < 3 {
		t.Errorf("the longest path grew by %d, want up to 3", longest)
	}
	for p, n := range hunters {
		if n > 3 {
			t.Errorf("%s tried %d paths, at most 3", p, n)
		}
	}
	for p, routes := range end {
		if _, still := routes[netip.MustParsePrefix(mccolo4)]; still {
			t.Errorf("%s still has a route", p)
		}
	}
	quiet := parse(t, world+"hunting 0%\nat 21:00 withdraw 26780 over 2m")
	for u := range quiet.Updates() {
		if u.Kind != bgp.Withdraw {
			t.Fatalf("without hunting: %s", u.Kind)
		}
	}
}

// A tier-1 that fails is on nobody's path any more, whatever the background was
// doing.
func TestFailedTransitIsGone(t *testing.T) {
	s := parse(t, world+"churn 2000 per minute\nat +0s rib\nat 19:00 fail 174 over 2m")
	used := 0
	tables(s, func(u bgp.Update, all table) {
		for _, a := range u.Path {
			if !slices.Contains(a.ASNs, 174) {
				continue
			}
			if used++; u.At.After(s.Start().Add(62 * time.Minute)) {
				t.Fatalf("%s: %s at %s", u.Peer, u.Path, u.At)
			}
		}
	})
	end := tables(s, nil)
	for p, routes := range end {
		for prefix, path := range routes {
			if slices.Contains(path[0].ASNs, 174) {
				t.Fatalf("%s still reaches %s by %s", p, prefix, path)
			}
		}
	}
	if used == 0 {
		t.Error("AS174 was never used")
	}
}

// What is undone leaves every peer with the route that it had.
func TestUndoneIsAsBefore(t *testing.T) {
	for _, story := range []string{
		"at 19:00 drop 6939-26780\nat 20:00 restore 6939-26780",
		"at 19:00 drop 6939-26780 for ipv6\nat 20:00 restore 6939-26780 for ipv6",
		"at 19:00 fail 6939\nat 20:00 recover 6939",
		"at 19:00 fail 174\nat 20:00 recover 174",
		"at 19:00 withdraw 26780\nat 20:00 announce 26780",
		"at 19:00 withdraw 26780 over 400ms\nat 19:00:00.5 announce 26780 over 400ms",
		"at 19:00 flap 6939-26780 every 10m 5 times",
		"at 19:00 hunt 26780 over 5m\nat 19:10 hunt 26780 over 5m with withdrawals",
		"at 19:00 noise rrc00 peers 1-4 about 26780 6 times every 10s",
		"at 19:00 reset rrc00 down 3m",
		"at 19:00 drop 6939-26780 over 10m\nat 19:05 restore 6939-26780\nat 19:05 reset rrc00 peers 1-10",
	} {
		s := parse(t, world+"at +0s rib\n"+story)
		var before table
		changes := 0
		end := tables(s, func(u bgp.Update, all table) {
			if u.Kind == bgp.Announce || u.Kind == bgp.Withdraw || u.Kind == bgp.PeerDown {
				changes++
				if before == nil {
					before = all.clone()
				}
			}
		})
		if changes == 0 {
			t.Errorf("%s: nothing happened", story)
		}
		if d := end.differences(before); len(d) > 0 {
			t.Errorf("%s:\n%d differences, first %s", story, len(d), d[0])
		}
	}
}

func (t table) differences(u table) []string {
	var list []string
	for p := range t {
		for _, prefix := range slices.SortedFunc(maps.Keys(u[p]), comparePrefix) {
			if !t[p][prefix].Equal(u[p][prefix]) {
				list = append(list, fmt.Sprintf("%s %s: %q, was %q", p, prefix, t[p][prefix], u[p][prefix]))
			}
		}
		if len(t[p]) != len(u[p]) {
			list = append(list, fmt.Sprintf("%s: %d prefixes, were %d", p, len(t[p]), len(u[p])))
		}
	}
	return list
}

// A session that comes back sends its whole table, then End-of-RIB; the others
// say nothing.
func TestResetSendsTheWholeTable(t *testing.T) {
	s := parse(t, world+"at +0s rib\nat 20:00 drop 3549-26780 over 60s\nat 20:00:30 reset rrc00 peer 5 down 30s\nat 20:10 drop 6939-26780 over 10s")
	peer := s.Peers()[4]
	var kinds []bgp.Kind
	at := map[bgp.Kind]time.Time{}
	seen := map[netip.Prefix]bool{}
	tables(s, func(u bgp.Update, all table) {
		if u.Peer != peer || u.At.After(s.Start().Add(2*time.Hour+9*time.Minute)) {
			if u.Kind == bgp.PeerDown || u.Kind == bgp.PeerUp || u.Kind == bgp.EndOfRIB {
				t.Errorf("%s: %s", u.Peer, u.Kind)
			}
			return
		}
		if n := len(kinds); n == 0 || kinds[n-1] != u.Kind || u.Kind == bgp.EndOfRIB {
			kinds = append(kinds, u.Kind)
		}
		if _, ok := at[u.Kind]; !ok {
			at[u.Kind] = u.At
		}
		if _, up := at[bgp.PeerUp]; up && u.Kind == bgp.Announce {
			seen[u.Prefix] = true
		}
	})
	from := slices.Index(kinds, bgp.PeerDown)
	want := []bgp.Kind{bgp.PeerDown, bgp.PeerUp, bgp.Announce, bgp.EndOfRIB, bgp.EndOfRIB}
	if from < 0 || !slices.Equal(kinds[from:], want) {
		t.Errorf("said %v, want to end with %v", kinds, want)
	}
	if d := at[bgp.PeerUp].Sub(at[bgp.PeerDown]); d != 30*time.Second {
		t.Errorf("down for %s, want 30s", d)
	}
	if len(seen) != 243 {
		t.Errorf("%d prefixes were sent anew, want all 243", len(seen))
	}
}

// A silent collector has a hole, its sessions do not.
func TestSilence(t *testing.T) {
	s := parse(t, world+"churn 600 per minute\nat +0s rib\nat 19:00 silence rrc00 for 10m\nat 19:05 drop 6939-26780\nat 19:20 rib")
	var before table
	count := map[string]int{}
	tables(s, func(u bgp.Update, all table) {
		if u.Kind == bgp.PeerDown {
			t.Errorf("%s lost its session", u.Peer)
		}
		if !u.At.Before(s.Start().Add(time.Hour)) && u.At.Before(s.Start().Add(70*time.Minute)) {
			count[u.Peer.Collector]++
		}
		if u.Kind == bgp.TableStart && before == nil && u.At.After(s.Start()) {
			before = all.clone()
		}
	})
	if count["rrc00"] != 0 || count["route-views2"] < 1000 {
		t.Errorf("in the silence: %v updates", count)
	}
	if n := before.behind(mccolo4, edge{6939, 26780}); n == 0 {
		t.Error("nobody missed what was said in the silence")
	}
}

// Wandering peers keep a route each, or lack it one at a time.
func TestHuntLeavesNearlyEverybodyWithARoute(t *testing.T) {
	for story, least := range map[string]int{"over 5m": 40, "over 2m with withdrawals": 39} {
		s := parse(t, world+"at +0s rib\nat 19:00 hunt 26780 "+story)
		fewest, changes := 40, 0
		prefix := netip.MustParsePrefix(mccolo4)
		check := func(all table) {
			n := 0
			for _, routes := range all {
				if routes[prefix] != nil {
					n++
				}
			}
			fewest = min(fewest, n)
		}
		end := tables(s, func(u bgp.Update, all table) {
			if u.Kind == bgp.Announce || u.Kind == bgp.Withdraw {
				check(all)
				changes++
			}
		})
		check(end)
		if fewest != least || changes < 160 {
			t.Errorf("%s: at the worst %d of 40 peers had a route, want %d; %d changes", story, fewest, least, changes)
		}
	}
}

func TestZombieKeepsItsRoute(t *testing.T) {
	s := parse(t, world+"at +0s rib\nat 19:00 withdraw 26780 except rrc00 peer 7 and route-views2 peers 1-2")
	end := tables(s, nil)
	var got []string
	for p, routes := range end {
		if routes[netip.MustParsePrefix(mccolo4)] != nil {
			got = append(got, p.Collector+" "+p.Addr.String())
		}
	}
	slices.Sort(got)
	if want := []string{"route-views2 198.18.4.1", "route-views2 198.18.4.2", "rrc00 198.18.0.7"}; !slices.Equal(got, want) {
		t.Errorf("still hold a route: %v, want %v", got, want)
	}
}

// A cut one level up: the edge of the hoster stays where it can be reached
// otherwise, and only for the network that is named.
func TestCutOneLevelUp(t *testing.T) {
	s := parse(t, world+`
network 27595 216.255.176.0/20
network 64998 192.0.2.0/24
route 27595 via 3549 23342 at 75%
route 27595 via 23342 at 25% seen by 25%
route 64998 via 3549 23342 at 100%
at +0s rib
at 21:00 drop 3549-23342 for 27595 over 60s`)
	end := tables(s, nil)
	reach := func(prefix string) (n int) {
		for _, routes := range end {
			if routes[netip.MustParsePrefix(prefix)] != nil {
				n++
			}
		}
		return n
	}
	if n := reach("216.255.176.0/20"); n != 10 {
		t.Errorf("%d of 40 peers reach the filtered network, want the 10 that see the other way", n)
	}
	if n := reach("192.0.2.0/24"); n != 40 {
		t.Errorf("%d of 40 peers reach the sibling, want all", n)
	}
}

// An upstream may leave some of its customers: the references lose it, the
// hoster keeps it.
func TestScopeOfReferences(t *testing.T) {
	s := parse(t, world+"at +0s rib\nat 19:00 fail 6939 for references over 10m")
	customers := func(all table) (n int) {
		for _, routes := range all {
			for _, p := range routes {
				if hops := p.Hops(nil); hops[len(hops)-2].ASN == 6939 && hops[len(hops)-1].ASN != 26780 {
					n++
				}
			}
		}
		return n
	}
	var before int
	end := tables(s, func(u bgp.Update, all table) {
		if u.Kind == bgp.TableEnd {
			before = customers(all)
		}
	})
	if after := customers(end); before < 400 || after != 0 {
		t.Errorf("%d routes of references behind AS6939, after it %d", before, after)
	}
	if n := end.behind(mccolo4, edge{6939, 26780}); n != 25 {
		t.Errorf("%d peers reach the hoster by AS6939, want 25 as before", n)
	}
}

func TestOriginsMoveAndOverlap(t *testing.T) {
	s := parse(t, world+`
network 64999
route 64999 via 1299 at 100%
at +0s rib
at 19:00 announce 64999 208.66.192.0/22 at 30%
at 20:00 move 208.72.168.0/21 from 26780 to 64999 over 10m`)
	end := tables(s, nil)
	count := func(prefix string) (n int) {
		for _, routes := range end {
			if o, _ := routes[netip.MustParsePrefix(prefix)].Origin(); o == 64999 {
				n++
			}
		}
		return n
	}
	if n := count(mccolo4); n < 5 || n > 19 {
		t.Errorf("%d of 40 peers prefer the second origin, 30%% should", n)
	}
	if n := count("208.72.168.0/21"); n != 40 {
		t.Errorf("%d of 40 peers see the new origin after the move", n)
	}
}

// Churn keeps to its mean, touches the background only, and leaves full tables.
func TestChurn(t *testing.T) {
	s := parse(t, world+"duplicates 0%\nchurn 300 per minute\nat +0s rib")
	own := map[string]bool{mccolo4: true, mccolo6: true, "208.72.168.0/21": true}
	peers := map[bgp.Peer]bool{}
	n := 0
	end := tables(s, func(u bgp.Update, _ table) {
		if u.Kind == bgp.Announce || u.Kind == bgp.Withdraw {
			n++
			peers[u.Peer] = true
			if own[u.Prefix.String()] {
				t.Fatalf("churn speaks of %s", u.Prefix)
			}
		}
	})
	// Some turns change nothing (the path drawn is the one in use), so the mean is below what was asked.
	if perMinute := n / 360; perMinute < 200 || perMinute > 330 {
		t.Errorf("%d updates a minute, 300 were asked for", perMinute)
	}
	if len(peers) != 40 {
		t.Errorf("%d of 40 peers took part", len(peers))
	}
	for p, routes := range end {
		if len(routes) < 230 {
			t.Errorf("%s has %d of 243 prefixes left", p, len(routes))
		}
	}
}

// Two runs say the same; another seed something else.
func TestSameSeedSameUpdates(t *testing.T) {
	a := slices.Collect(parse(t, world+everything).Updates())
	b := slices.Collect(parse(t, world+everything).Updates())
	c := slices.Collect(parse(t, world+everything+"\nseed 2").Updates())
	if !slices.EqualFunc(a, b, sameUpdate) {
		t.Error("the same text gave two different stories")
	}
	if slices.EqualFunc(a, c, sameUpdate) {
		t.Error("two seeds gave the same story")
	}
}

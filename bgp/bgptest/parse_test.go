package bgptest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
)

// world is a small world that other tests add sentences to.
const world = `
start 2008-11-11T18:00:00Z
end +6h
collector rrc00 peers 20 as 64600+
collector route-views2 peers 20 as 64700+
transit 3356 174 701 2914
table 200 prefixes
table 20 ipv6 prefixes
network 26780 208.66.192.0/22 208.72.168.0/21 2001:db8:26::/48
route 26780 via 6939 at 62%
route 26780 via 3549 at 38%
reference behind 6939 20 prefixes multihomed 50%
`

func parse(t *testing.T, text string) *Scenario {
	t.Helper()
	s, err := Parse("test", text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every refusal has its exact sentence: what is wrong, where, and what to write.
func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ add, want string }{
		{"frobnicate 3", `test:14: "frobnicate 3": no sentence begins with "frobnicate"`},
		{"seed -1", `test:14: "seed -1": "-1" is no seed (a whole number, not negative)`},
		{"seed 1\nseed 2", `test:15: "seed 2": seed was already said in line 14`},
		{"files every 90s", `test:14: "files every 90s": files cover whole minutes`},
		{"files every 10s", `test:14: "files every 10s": "10s" is too short for time per file: at least 1m0s`},
		{"churn 40 per week", `test:14: "churn 40 per week": after "per" comes second, minute, hour or day`},
		{"hunting 101%", `test:14: "hunting 101%": "101%" is no share (0% to 100%, at most two decimals)`},
		{"collector rrc00 peers 3 as 1+", `test:14: "collector rrc00 peers 3 as 1+": collector rrc00 is there already`},
		{"collector Rrc/1 peers 3 as 1+", `test:14: "collector Rrc/1 peers 3 as 1+": "Rrc/1" is no name of a collector (a-z, 0-9, dot, dash; at most 32)`},
		{"collector x peers 3 as 64600", `test:14: "collector x peers 3 as 64600": "64600" stands where the first AS number should, such as 64600+`},
		{"collector x peers 3 as 65534+ writing as2", `test:14: "collector x peers 3 as 65534+ writing as2": the last AS number would be 65536: too large`},
		{"collector x peers 3 as 1+ writing json", `test:14: "collector x peers 3 as 1+ writing json": after "writing" comes as2, microseconds or add-path`},
		{"collector x peers 0 as 1+", `test:14: "collector x peers 0 as 1+": "0" is no number of peers (1 to 1000)`},
		{"peer rrc01 3 asn 7397", `test:14: "peer rrc01 3 asn 7397": "rrc01" is no collector of this timeline`},
		{"peer rrc00 21 asn 7397", `test:14: "peer rrc00 21 asn 7397": "21" is no peer of rrc00 (1 to 20)`},
		{"peer rrc00 2 address 198.18.0.1", `test:14: "peer rrc00 2 address 198.18.0.1": 198.18.0.1 is the address of peer 1`},
		{"peer rrc00 2 address ::1", `test:14: "peer rrc00 2 address ::1": "::1" is no address for a session of rrc00`},
		{"peer rrc00 2 asn 26780", `test: AS26780 is a peer (rrc00 peer 2) and a network`},
		{"network 26780", `test:14: "network 26780": network 26780 is there already`},
		{"network 0", `test:14: "network 0": AS0 is reserved (RFC 7607)`},
		{"network 64999 192.0.2.1/24", `test:14: "network 64999 192.0.2.1/24": "192.0.2.1/24" has bits set behind its length; 192.0.2.0/24 is meant?`},
		{"network 64999 10.1.0.0/16", `test:14: "network 64999 10.1.0.0/16": 10.1.0.0/16 lies in the space of invented prefixes (10.0.0.0/8, 3fff::/20)`},
		{"network 64999 192.0.2.0/24", `test: no route leads to network 64999`},
		{"network 4200000005", `test:14: "network 4200000005": AS4200000005 is one of the invented ones`},
		{"route 26781 via 6939", `test:14: "route 26781 via 6939": 26781 is no network of this timeline: say "network 26781 PREFIX..."`},
		{"route 26780 via", `test:14: "route 26780 via": an AS number is missing at the end`},
		{"route 26780 via 1299 6939 1299", `test:14: "route 26780 via 1299 6939 1299": AS1299 is twice on this route; for prepending say "prepend 2"`},
		{"route 26780 via 1299 at 1%", `test: the routes to 208.66.192.0/22 of network 26780 add up to 101%`},
		{"route 26780 via 1299 over 90s", `test:14: "route 26780 via 1299 over 90s": "over" is not understood here`},
		{"reference behind 6939 prefixes", `test:14: "reference behind 6939 prefixes": write "reference behind 6939 60 prefixes"`},
		{"at 21:00 drop 6939-26781", `test:14: "at 21:00 drop 6939-26781": no route runs over 6939-26781 so far`},
		{"at 21:00 drop 6939", `test:14: "at 21:00 drop 6939": "6939" is no edge: write the upstream first, 6939-26780`},
		{"at 21:00 drop 6939-26780 over 90", `test:14: "at 21:00 drop 6939-26780 over 90": "90" is no time: write it as 90s, 1h30m, 2d or 500ms`},
		{"at 21:00 drop 6939-26780 for", `test:14: "at 21:00 drop 6939-26780 for": after "for" come ipv4, ipv6, references, networks or prefixes`},
		{"at 21:00 restore 6939-26780", `test:14: "at 21:00 restore 6939-26780": 6939-26780 was not dropped before`},
		{"at 21:00 recover 6939", `test:14: "at 21:00 recover 6939": AS6939 did not fail before`},
		{"at 21:00 fail 1", `test:14: "at 21:00 fail 1": no route runs through AS1 so far`},
		{"at 25:00 rib", `test:14: "at 25:00 rib": "25:00" is no time: write 2008-11-11T21:00:00Z, 21:00, 21:00:00 or +1h30m`},
		{"at 17:00 rib", `test:14: "at 17:00 rib": 2008-11-11T17:00:00Z is before the start`},
		{"at +6h rib", `test:14: "at +6h rib": 2008-11-12T00:00:00Z is not before the end`},
		{"at 20:00 rib\nat 19:00 rib", `test:15: "at 19:00 rib": 2008-11-11T19:00:00Z is before the sentence above it: write the timeline in order of time`},
		{"at 20:00 explode", `test:14: "at 20:00 explode": nothing is known that would be called "explode"`},
		{"at 20:00 withdraw 26780 192.0.2.0/24", `test:14: "at 20:00 withdraw 26780 192.0.2.0/24": 192.0.2.0/24 was not announced by network 26780 before`},
		{"at 20:00 move 208.66.192.0/22 from 26780 to 26780", `test:14: "at 20:00 move 208.66.192.0/22 from 26780 to 26780": that is no move`},
		{"at 20:00 hunt 26780 over 30s with withdrawals", `test:14: "at 20:00 hunt 26780 over 30s with withdrawals": one peer after the other, 40 peers need 1m20s at least`},
		{"at 20:00 flap 6939-26780 every 1m 3 times over 40s", `test:14: "at 20:00 flap 6939-26780 every 1m 3 times over 40s": a flap every 1m0s leaves at most 30s for everybody to hear`},
		{"at 20:00 reset rrc00 peers 3-99", `test:14: "at 20:00 reset rrc00 peers 3-99": "99" is no peer of rrc00 (1 to 20)`},
		{"at 20:00 silence rrc00 10m", `test:14: "at 20:00 silence rrc00 10m": "10m" stands where "for" should`},
		{"at 20:00 rib now", `test:14: "at 20:00 rib now": "now" is not understood here`},
		{"rib every 1m\nfiles every 1m\ncollector z peers 1000 as 1+\ntable 15000 prefixes", `test: 1040 peers times 15243 prefixes is too much: at most 10000000 routes`},
		{"churn 1000000 per second", `test: this makes 21600000000 background updates, at most 20000000: say fewer per minute`},
	} {
		_, err := Parse("test", world+"\n"+c.add)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s\n got %v\nwant %s", c.add, err, c.want)
		}
	}
}

func TestParseTellsAllFaultsInOrder(t *testing.T) {
	_, err := Parse("two", "at 20:00 rib\nstart 2008-11-11T18:00:00Z\nend +1s\nbang\ncollector x peers 1 as 0+")
	want := strings.Join([]string{
		`two:1: "at 20:00 rib": 2008-11-11T20:00:00Z is not before the end`,
		`two:4: "bang": no sentence begins with "bang"`,
		`two:5: "collector x peers 1 as 0+": AS0 is reserved (RFC 7607)`,
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if _, err := Parse("none", ""); err == nil || err.Error() != "none: a timeline needs start, end and at least one collector" {
		t.Errorf("an empty timeline: %v", err)
	}
}

// The three ways to say a time meet, and days count.
func TestMoments(t *testing.T) {
	s := parse(t, world+"at +2h rib\nat 20:30 rib\nat 20:30:00.5 rib\nat 2008-11-11T21:00:00+00:00 rib\nat 22:00:01 rib\n")
	want := []string{"20:00:00", "20:30:00", "20:30:00.5", "21:00:00", "22:00:01"}
	for i, e := range s.events {
		if got := instant(e.at).Format("15:04:05.999999"); got != want[i] {
			t.Errorf("sentence %d at %s, want %s", i, got, want[i])
		}
	}
	if us, err := parseDuration("2d12h"); err != nil || us != (60*time.Hour).Microseconds() {
		t.Errorf("2d12h is %d µs, %v", us, err)
	}
}

// The order of the sentences that describe the world is free.
func TestOrderOfTheWorldIsFree(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(world), "\n")
	a := parse(t, strings.Join(lines, "\n")+"\nat 21:00 drop 6939-26780")
	// Sentences of the same word keep their order: it gives numbers to collectors and prefixes.
	slices.SortStableFunc(lines, func(x, y string) int { return strings.Compare(strings.Fields(y)[0], strings.Fields(x)[0]) })
	b := parse(t, strings.Join(lines, "\n")+"\nat 21:00 drop 6939-26780")
	x, y := slices.Collect(a.Updates()), slices.Collect(b.Updates())
	if len(x) == 0 || !slices.EqualFunc(x, y, sameUpdate) {
		t.Errorf("%d and %d updates differ", len(x), len(y))
	}
}

func sameUpdate(a, b bgp.Update) bool {
	return a.At.Equal(b.At) && a.Peer == b.Peer && a.Kind == b.Kind && a.V6 == b.V6 && a.Prefix == b.Prefix &&
		a.PathID == b.PathID && a.Path.Equal(b.Path) && a.Heard == b.Heard
}

func FuzzParse(f *testing.F) {
	f.Add(world)
	f.Add(world + everything)
	f.Add("start 2008-11-11T18:00:00Z\nend +1h\ncollector x peers 2 as 1+\nnetwork 9 192.0.2.0/24\nroute 9 via 8 7 at 50% seen by 20%\nat +1m flap 8-7 every 2s 9 times\nat +2m fail 7\nat +3m recover 7 over 1ms")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse("fuzz", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "fuzz:") {
				t.Errorf("an error without its place: %v", err)
			}
			return
		}
		if len(s.peers)*len(s.prefixes) > 20000 || s.churnGap > 0 && (s.end-s.start)/s.churnGap > 50000 {
			t.Skip("too large to play here")
		}
		last, count := s.Start(), 0
		for u := range s.Updates() {
			if u.At.Before(last.Add(-time.Second)) || !u.At.Before(s.End().Add(time.Second)) {
				t.Fatalf("%s after %s, end %s", u.At, last, s.End())
			}
			if last = u.At; count > 5000 {
				break
			}
			count++
		}
	})
}

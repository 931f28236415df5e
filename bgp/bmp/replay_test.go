package bmp

import (
	"net"
	"path/filepath"
	"slices"
	"testing"

	"depeer/bgp"
	"depeer/bgp/bgptest"
)

// unreadableIn is how many messages of a capture cannot be read, and why.
var unreadableIn = map[string]float64{
	// FRR's own VPN routes: an AS_PATH of two octets in messages that say four.
	"205-BMP-6wind-FRR-peer_down_traffic-00.pcap":                   1,
	"206-BMP-high-availability_traffic-00.pcap":                     1,
	"208-BMP-mem-leak-test_bmp-multi-sources-route-monitoring.pcap": 2,
}

// Every capture goes through a real socket into a station that takes all views it
// can. What cannot be read is counted, by a number that is known.
func TestCapturesThroughASocket(t *testing.T) {
	dir := openCaptures(t)
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*.pcap"))
	if len(files) < 30 {
		t.Fatalf("%d captures", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			r := start(t, func(c *Config) { c.Views = []string{"adj-rib-in-pre", "loc-rib"} })
			var messages, unread float64
			for _, s := range capture(t, file) {
				if s.octets[0] != 3 && s.octets[0] != 4 {
					continue // what the station said: nothing, but TCP may have
				}
				eachMessage(t, s.octets, func(*decoded) { messages++ })
				x := &bgptest.BMPRouter{Conn: dialRaw(t, r)}
				must(t, x.Send(s.octets), x.Conn.Close())
			}
			h := r.health("all messages", func(h bgp.Health) bool { return sum(h, "messages") >= messages && !h.Ready })
			for _, c := range h.Counts {
				if c.Name == "malformed" && c.Value > 0 {
					unread += c.Value
					t.Logf("malformed %s: %v", c.Reason, c.Value)
				}
			}
			if want := unreadableIn[filepath.Base(file)]; unread != want {
				t.Errorf("%v messages could not be read, want %v", unread, want)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			last := map[bgp.Peer]bgp.Update{}
			for _, u := range r.all {
				if u.At.Before(last[u.Peer].At) {
					t.Errorf("%s goes back in time after %s", line(u), line(last[u.Peer]))
				}
				last[u.Peer] = u
			}
			for p, u := range last {
				if u.Kind != bgp.Unheard && u.Kind != bgp.PeerDown {
					t.Errorf("the last word of %s is %s, though its router is gone", p, line(u))
				}
			}
			peers := make([]bgp.Peer, 0, len(last))
			for p := range last {
				peers = append(peers, p)
			}
			slices.SortFunc(peers, bgp.Peer.Compare)
			t.Logf("%v messages, %d updates, peers %v", messages, len(r.all), peers)
		})
	}
}

func sum(h bgp.Health, name string) (n float64) {
	for _, c := range h.Counts {
		if c.Name == name {
			n += c.Value
		}
	}
	return n
}

func dialRaw(t *testing.T, r *running) net.Conn {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(r.ctx, "tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A router whose session was recorded in pieces, put together again.
func TestAkvoradoRouter(t *testing.T) {
	dir := openCaptures(t)
	r := start(t, nil)
	x := &bgptest.BMPRouter{Conn: dialRaw(t, r)}
	for _, piece := range []string{"init", "peers-up", "reach", "reach-addpath", "unreach", "eor", "reach-unknown-family", "reach-vpls", "l3vpn", "peer-down", "terminate"} {
		for _, s := range capture(t, filepath.Join(dir, "akvorado", "bmp-"+piece+".pcap")) {
			must(t, x.Send(s.octets))
		}
	}
	h := r.health("end", func(h bgp.Health) bool { return count(h, "messages", "termination") == 1 && !h.Ready })
	if n := sum(h, "malformed"); n != 0 {
		t.Errorf("%v messages malformed", n)
	}
	for _, want := range []string{
		"vMX/192.0.2.1 AS65011 announce 198.51.100.0/25 65011 65011 174 1299 64476",
		"vMX/2001:db8::7 AS65017 announce 2001:db8:1::/64 65017 65013 174 174 174",
		"vMX/192.0.2.5 AS65500 announce 192.0.2.4/31 path 1", // ADD-PATH, as its OPEN messages agreed
		"vMX/192.0.2.5 AS65500 withdraw 192.0.2.4/31 path 1",
		"vMX/192.0.2.1 AS65011 withdraw 198.51.100.0/25",
		"vMX/2001:db8::7 AS65017 end-of-rib IPv6",
		"vMX/192.0.2.1 AS65011 peer-down: cease, administrative shutdown",
		"vMX/2001:db8::3 AS65013 unheard: terminated by the router: station removed from config: administratively closed",
	} {
		r.saw(want)
	}
}

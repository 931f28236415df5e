package speaker

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"depeer/bgp"
)

// counts is everything that moves.
type counts struct {
	messages   [6]atomic.Uint64 // received, by type
	announced  atomic.Uint64
	withdrawn  atomic.Uint64
	octets     atomic.Uint64
	updates    atomic.Uint64 // handed to emit
	forwarded  atomic.Uint64 // octets written to GoBGP
	beyond     atomic.Uint64
	suppressed atomic.Uint64
	injected   atomic.Uint64
	refreshes  atomic.Uint64
	warnings   atomic.Uint64
	up         atomic.Uint64
	held       atomic.Int64 // nanoseconds for which sockets were not read because emit was busy

	mu        sync.Mutex
	refused   map[string]uint64 // guarded by mu; connections, by reason
	malformed map[string]uint64 // guarded by mu; messages, by fault
	down      map[string]uint64 // guarded by mu; sessions ended, by cause
}

func (c *counts) add(m *map[string]uint64, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *m == nil {
		*m = map[string]uint64{}
	}
	(*m)[reason]++
}

var typeNames = [6]string{"", "open", "update", "notification", "keepalive", "route-refresh"}

// list gives them in order of name and reason.
func (s *Speaker) counts() []bgp.Count {
	c := &s.count
	var out []bgp.Count
	one := func(name, reason, help string, v float64) {
		out = append(out, bgp.Count{Name: name, Reason: reason, Help: help, Value: v})
	}
	many := func(name, help string, m map[string]uint64) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			one(name, k, help, float64(m[k]))
		}
	}
	one("announced", "", "Prefixes announced to us, watched or not.", float64(c.announced.Load()))
	one("beyond_table", "", "Watched routes that GoBGP's table was not given because they were too many or too long. Nothing else was kept from anybody.", float64(c.beyond.Load()))
	c.mu.Lock()
	many("down", "Established sessions that ended, by cause.", c.down)
	c.mu.Unlock()
	one("established", "", "Sessions that were established.", float64(c.up.Load()))
	one("forwarded_octets", "", "Octets of watched routes handed to GoBGP.", float64(c.forwarded.Load()))
	one("gobgp_refused", "", "UPDATEs that the front took and GoBGP did not.", float64(s.engineLog.refused.Load()))
	one("held_seconds", "", "Seconds for which sockets were not read because what they had said was not taken yet, all sessions together.", time.Duration(c.held.Load()).Seconds())
	one("keepalives_injected", "", "KEEPALIVEs that the front sent to GoBGP for a router whose UPDATEs it kept.", float64(c.injected.Load()))
	c.mu.Lock()
	many("malformed", "Messages that were not believed, by fault.", c.malformed)
	c.mu.Unlock()
	if s.signed {
		now := readMD5()
		for _, k := range slices.Sorted(maps.Keys(now)) {
			one("md5_dropped", k, "Segments that the kernel dropped for their TCP MD5 signature, those of other programs included.", float64(now[k]-s.md5[k]))
		}
	}
	for i, name := range typeNames {
		if name != "" {
			one("messages", name, "BGP messages received, by type.", float64(c.messages[i].Load()))
		}
	}
	slices.SortStableFunc(out, func(a, b bgp.Count) int { return strings.Compare(a.Name+" "+a.Reason, b.Name+" "+b.Reason) })
	one("octets", "", "Octets received.", float64(c.octets.Load()))
	one("prefix_warnings", "", "Sessions that came near their max_prefixes.", float64(c.warnings.Load()))
	one("refreshes", "", "Requests for a family's routes sent to routers (ROUTE-REFRESH).", float64(c.refreshes.Load()))
	c.mu.Lock()
	many("refused", "Connections that were refused, by reason.", c.refused)
	c.mu.Unlock()
	one("suppressed", "", "UPDATEs that were kept from a router. Anything but 0 is an error in this program.", float64(c.suppressed.Load()))
	one("updates", "", "Updates given out.", float64(c.updates.Load()))
	one("withdrawn", "", "Prefixes withdrawn, watched or not.", float64(c.withdrawn.Load()))
	return out
}

// readMD5 reads what Linux says about dropped signatures in this network
// namespace; nil where it says nothing.
func readMD5() map[string]uint64 {
	b, err := os.ReadFile("/proc/self/net/netstat")
	if err != nil {
		return nil
	}
	names := map[string]string{"TCPMD5NotFound": "missing", "TCPMD5Unexpected": "unexpected", "TCPMD5Failure": "wrong"}
	out := map[string]uint64{}
	lines := strings.Split(string(b), "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		keys, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		for j, k := range keys {
			if n := names[k]; n != "" && j < len(values) {
				out[n], _ = strconv.ParseUint(values[j], 10, 64)
			}
		}
	}
	return out
}

// rareLog writes lines of which a stranger decides how many there are: one in
// ten seconds, with the number of those left out.
type rareLog struct {
	mu   sync.Mutex
	last time.Time // guarded by mu
	left int       // guarded by mu
}

const rareEvery = 10 * time.Second

func (r *rareLog) warn(l *slog.Logger, now time.Time, msg string, args ...any) {
	r.mu.Lock()
	if now.Sub(r.last) < rareEvery && !r.last.IsZero() {
		r.left++
		r.mu.Unlock()
		return
	}
	left := r.left
	r.last, r.left = now, 0
	r.mu.Unlock()
	if left > 0 {
		args = append(args, "left_out", left)
	}
	l.Log(context.Background(), slog.LevelWarn, msg, args...)
}

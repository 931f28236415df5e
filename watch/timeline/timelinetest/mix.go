package timelinetest

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"depeer/bgp"
	"depeer/bgp/bgptest/realdata"
	"depeer/bgp/mrt"
	"depeer/watch/timeline"
)

// Mix makes any number of changes out of one real day of a collector: its prefixes, peers
// and paths, and its bursts. Each day after the first takes bursts of the same prefix at
// random, at a random time, mixes the peers of a burst anew and lets them speak at other
// milliseconds, so that a day is not a copy of another: what each peer does in a burst, and
// how unevenly changes fall on prefixes, is as it was.
type Mix struct {
	Start    time.Time
	Prefixes []netip.Prefix
	Hosters  map[string][]netip.Prefix // by the AS that originates them: its prefixes
	PerDay   int                       // changes of the real day

	bursts map[netip.Prefix][]burst
	random *rand.Rand
	day    int
	queue  []timeline.Change
}

// burst is changes of one prefix with no pause of more than a minute.
type burst []timeline.Change

const burstPause = time.Minute

// NewMix reads the archives of 2008-02-23 of route-views2 as far as they are there, and keeps
// of every part'th origin AS what its prefixes did. The error says where they were looked
// for.
func NewMix(part uint32, archives int) (*Mix, error) {
	folder, err := realdata.Find("mrt", "routeviews2-2008-02")
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(folder, "updates.20080223.*.bz2"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no archives of 2008-02-23 in %s", folder)
	}
	m := &Mix{Start: time.Date(2008, 2, 23, 0, 0, 0, 0, time.UTC), Hosters: map[string][]netip.Prefix{}, bursts: map[netip.Prefix][]burst{},
		random: rand.New(rand.NewPCG(2008, 2))}
	r := timeline.NewRecorder(time.Minute)
	of := map[netip.Prefix]string{}
	days := map[netip.Prefix][]timeline.Change{}
	var order []netip.Prefix
	source := mrt.NewSource(mrt.Config{Inputs: files[:min(len(files), archives)], Buffer: 1 << 20})
	err = source.Run(context.Background(), func(updates []bgp.Update) error {
		for _, u := range updates {
			if !u.Prefix.IsValid() {
				continue // the sessions of one day are not those of every day
			}
			if asn, ok := u.Path.Origin(); ok && of[u.Prefix] == "" && asn%part == 0 {
				of[u.Prefix] = bgp.ASN(asn)
			}
			if of[u.Prefix] != "" {
				r.Observe([]string{of[u.Prefix]}, u)
			}
		}
		for _, c := range r.Take() {
			if !c.Prefix.IsValid() {
				continue
			}
			if days[c.Prefix] == nil {
				order = append(order, c.Prefix)
			}
			days[c.Prefix] = append(days[c.Prefix], c)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, p := range order {
		m.Prefixes = append(m.Prefixes, p)
		m.Hosters[of[p]] = append(m.Hosters[of[p]], p)
		list := days[p]
		slices.SortStableFunc(list, func(a, b timeline.Change) int { return a.At.Compare(b.At) })
		m.PerDay += len(list)
		begin := 0
		for i := range list {
			if i+1 == len(list) || list[i+1].At.Sub(list[i].At) > burstPause {
				m.bursts[p] = append(m.bursts[p], list[begin:i+1])
				begin = i + 1
			}
		}
	}
	return m, nil
}

// Next gives the next n changes, in order of time. They are good until the next call.
func (m *Mix) Next(n int) []timeline.Change {
	for len(m.queue) < n {
		m.queue = append(m.queue, m.nextDay()...)
	}
	out := m.queue[:n]
	m.queue = m.queue[n:]
	return out
}

func (m *Mix) nextDay() []timeline.Change {
	var out []timeline.Change
	day := m.Start.AddDate(0, 0, m.day)
	m.day++
	for _, p := range m.Prefixes {
		for range m.bursts[p] {
			b := m.bursts[p][m.random.IntN(len(m.bursts[p]))]
			out = m.play(out, b, day.Add(time.Duration(m.random.Int64N(int64(24*time.Hour)))))
		}
	}
	slices.SortStableFunc(out, func(a, b timeline.Change) int { return cmp.Compare(a.At.UnixMicro(), b.At.UnixMicro()) })
	return out
}

// play lets a burst begin at a time: every peer does what it did, some seconds earlier or
// later.
func (m *Mix) play(out []timeline.Change, b burst, at time.Time) []timeline.Change {
	shift := map[bgp.Peer]time.Duration{}
	for _, c := range b {
		d, ok := shift[c.Peer]
		if !ok {
			d = time.Duration(m.random.IntN(15_000)) * time.Millisecond
			shift[c.Peer] = d
		}
		c.At = at.Add(c.At.Sub(b[0].At) + d).Truncate(time.Millisecond)
		out = append(out, c)
	}
	return out
}

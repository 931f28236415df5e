package resolve

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"depeer/watch/cnc"
)

// Source is the source of the sightings that the resolver makes.
const Source = "resolver"

// Book is the names that are resolved. Its methods may be called from any goroutine.
type Book struct {
	cfg      Config
	families *cnc.Families

	mu     sync.Mutex
	names  map[string]*entry              // guarded by mu
	at     map[netip.Addr]map[string]bool // guarded by mu; names by the address that they resolve to
	counts Counts                         // guarded by mu
}

// Counts is what moved.
type Counts struct {
	Names                           int
	Asked, Failed, Given, Unchanged uint64
	Forgotten, Overflow             uint64
}

// entry is a name, and of what it was sighted as.
type entry struct {
	name    string
	of      []target
	sighted time.Time // last
	asked   time.Time
	told    time.Time
	last    string // the last answer, in words
	addrs   []netip.Addr
}

type target struct {
	family string
	kind   cnc.Kind
	dga    bool
}

// maxTargets bounds the families that share a name: more of them, and it is nobody's.
const maxTargets = 8

// NewBook makes an empty book.
func NewBook(cfg Config, f *cnc.Families) *Book {
	return &Book{cfg: cfg, families: f, names: map[string]*entry{}, at: map[netip.Addr]map[string]bool{}}
}

// Add notes the name of a sighting. Those of the resolver itself, and names that serve everybody (dual_use), say nothing new.
func (b *Book) Add(s *cnc.Sighting) {
	if s.Name == "" || s.Resolved || s.DualUse {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.names[s.Name]
	if e == nil {
		if len(b.names) >= b.cfg.MaxNames && !b.makeRoom(s.At) {
			b.counts.Overflow++
			return
		}
		e = &entry{name: s.Name}
		b.names[s.Name] = e
	}
	if s.At.After(e.sighted) {
		e.sighted = s.At
	}
	t := target{s.Family, s.Kind, s.Generated}
	if !slices.Contains(e.of, t) && len(e.of) < maxTargets {
		e.of = append(e.of, t)
	}
}

// makeRoom drops a tenth of the names, those sighted longest ago, if what comes is younger than them.
func (b *Book) makeRoom(at time.Time) bool {
	all := make([]*entry, 0, len(b.names))
	for _, e := range b.names {
		all = append(all, e)
	}
	slices.SortFunc(all, func(x, y *entry) int { return cmp.Or(x.sighted.Compare(y.sighted), cmp.Compare(x.name, y.name)) })
	if !all[0].sighted.Before(at) {
		return false
	}
	for _, e := range all[:max(1, len(all)/10)] {
		b.drop(e)
		b.counts.Overflow++
	}
	return true
}

func (b *Book) drop(e *entry) {
	b.place(e, nil)
	delete(b.names, e.name)
}

// place notes to which addresses a name resolves now.
func (b *Book) place(e *entry, addrs []netip.Addr) {
	for _, a := range e.addrs {
		if m := b.at[a]; m != nil {
			if delete(m, e.name); len(m) == 0 {
				delete(b.at, a)
			}
		}
	}
	e.addrs = addrs
	for _, a := range addrs {
		if b.at[a] == nil {
			b.at[a] = map[string]bool{}
		}
		b.at[a][e.name] = true
	}
}

// due lists the names to ask for now, the longest waiting first, and forgets those that nobody named for long.
func (b *Book) due(now time.Time) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []*entry
	for _, e := range b.names {
		switch {
		case now.Sub(e.sighted) > b.cfg.Forget:
			b.drop(e)
			b.counts.Forgotten++
		case now.Sub(e.asked) >= b.cfg.Every:
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(x, y *entry) int { return cmp.Or(x.asked.Compare(y.asked), cmp.Compare(x.name, y.name)) })
	names := make([]string, len(out))
	for i, e := range out {
		names[i] = e.name
	}
	return names
}

// Counts gives everything that moves.
func (b *Book) Counts() Counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.counts
	c.Names = len(b.names)
	return c
}

// Lookuper asks for a name; [Resolver] does.
type Lookuper interface {
	Lookup(ctx context.Context, name string, now time.Time) (Answer, error)
}

// Ask asks for every name that is due, and hands what is new to emit, one after the other. clock gives the time of
// each answer. The first error of emit ends it.
func (b *Book) Ask(ctx context.Context, r Lookuper, clock func() time.Time, emit func(cnc.Sighting) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	names := make(chan string)
	var all sync.WaitGroup
	var told sync.Mutex // one emit at a time
	for range b.cfg.Parallel {
		all.Go(func() {
			for name := range names {
				a, err := r.Lookup(ctx, name, clock())
				if ctx.Err() != nil {
					continue
				}
				told.Lock()
				for _, s := range b.learn(name, a, err, clock()) {
					if err := emit(s); err != nil {
						b.unlearn(name)
						cancel(err)
						break
					}
				}
				told.Unlock()
			}
		})
	}
	pace := time.NewTicker(max(time.Duration(float64(2*time.Second)/b.cfg.Rate), time.Microsecond)) // two questions a name
	defer pace.Stop()
	for _, name := range b.due(clock()) {
		select {
		case <-ctx.Done():
		case <-pace.C:
		}
		select {
		case <-ctx.Done():
		case names <- name:
			continue
		}
		break
	}
	close(names)
	all.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// unlearn: what could not be told is told the next time.
func (b *Book) unlearn(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.names[name]; e != nil {
		e.told, e.asked, e.last = time.Time{}, time.Time{}, ""
	}
}

// learn takes an answer in, and gives the sightings that it makes: none where it is the one that was told.
func (b *Book) learn(name string, a Answer, err error, now time.Time) []cnc.Sighting {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts.Asked++
	e := b.names[name]
	if e == nil {
		return nil
	}
	e.asked = now
	if err != nil {
		b.counts.Failed++
		return nil
	}
	b.place(e, a.Addrs)
	words := fmt.Sprint(a.Code, a.CNAME, a.Addrs)
	if words == e.last && now.Sub(e.told) < b.cfg.Repeat {
		b.counts.Unchanged++
		return nil
	}
	e.last, e.told = words, now
	var out []cnc.Sighting
	for _, t := range e.of {
		base := cnc.Sighting{Source: Source, At: a.At.Truncate(time.Second), Family: t.family, Kind: t.kind, Name: name, Generated: t.dga, Resolved: true,
			Answers: len(a.Addrs), TTL: a.TTL, CNAME: a.CNAME, Answer: a.Code}
		usable := 0
		for _, addr := range a.Addrs {
			s := base
			s.Addr, s.Answer = addr, "A"
			if addr.Is6() {
				s.Answer = "AAAA"
			}
			s.DualUse = b.cfg.Shared > 0 && len(b.at[addr]) >= b.cfg.Shared
			if s.Accept(b.families, time.Time{}) == nil {
				usable++
				out = append(out, s)
			}
		}
		if usable == 0 {
			// 127.0.0.1 and the like: a name that was taken away from its owner, or sleeps.
			s := base
			if len(a.Addrs) > 0 {
				s.Answer, s.Note = "BOGON", strings.Trim(fmt.Sprint(a.Addrs), "[]")
			}
			if s.Accept(b.families, time.Time{}) == nil {
				out = append(out, s)
			}
		}
	}
	b.counts.Given += uint64(len(out))
	return out
}

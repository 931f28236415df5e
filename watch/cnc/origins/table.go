package origins

import (
	"net/netip"
	"slices"
	"time"

	"github.com/gaissmai/bart"

	"depeer/watch/cnc"
)

// Table is who originated what at one moment.
type Table struct {
	Name string
	At   time.Time
	t    bart.Table[uint32] // the origin, or several | index into sets
	sets [][]uint32         // prefixes with several origins share equal ones
	name map[uint32]string  // where the source has names; of ASes
	seen map[uint32]struct{}
}

// several marks a value that is an index into sets. AS numbers from 4200000000 are for private use (RFC 6996) or
// reserved, and never enter a table.
const several = 0xff00_0000

const firstPrivate = 4_200_000_000

// Len is the number of prefixes.
func (t *Table) Len() int { return t.t.Size() }

// ASes is the number of ASes that originate something.
func (t *Table) ASes() int { return len(t.seen) }

// Origins gives the longest prefix that holds an address, and who originates it, in order; false where
// there is none. The slice is shared and must not be changed.
func (t *Table) Origins(a netip.Addr) (netip.Prefix, []uint32, bool) {
	a = a.Unmap()
	p, v, ok := t.t.LookupPrefixLPM(netip.PrefixFrom(a, a.BitLen()))
	if !ok {
		return netip.Prefix{}, nil, false
	}
	return p, t.origins(v), true
}

func (t *Table) origins(v uint32) []uint32 {
	if v >= several {
		return t.sets[v-several]
	}
	return []uint32{v}
}

// Has reports whether an AS originates anything.
func (t *Table) Has(asn uint32) bool {
	_, ok := t.seen[asn]
	return ok
}

// builder fills a table.
type builder struct {
	*Table
	index map[string]uint32 // of sets
	Stats Stats
	limit int
}

// Stats is what became of the entries of a file.
type Stats struct {
	Entries  int // lines, routes, networks
	Prefixes int
	Bogon    int // private or reserved space
	Default  int // 0.0.0.0/0 and what else holds most of the Internet
	NoOrigin int // an AS_SET, AS 0, a private or reserved AS
	Bad      int // not readable
	First    string
}

func newBuilder(name string, limit int) *builder {
	if limit <= 0 {
		limit = 4_000_000
	}
	return &builder{Table: &Table{Name: name, name: map[uint32]string{}, seen: map[uint32]struct{}{}}, index: map[string]uint32{}, limit: limit}
}

func usable(asn uint32) bool {
	switch {
	case asn == 0, asn == 23456, asn >= 64496 && asn <= 131071, asn >= firstPrivate:
		return false // RFC 7607, 6793, 5398, 6996, 7300
	}
	return true
}

// add enters one origin of a prefix; several calls give it several.
func (b *builder) add(p netip.Prefix, asn uint32) bool {
	if !usable(asn) {
		b.Stats.NoOrigin++
		return true
	}
	if p.Bits() < 8 && p.Addr().Is4() || p.Bits() < 12 && p.Addr().Is6() {
		b.Stats.Default++
		return true
	}
	if cnc.Special(p.Addr()) == cnc.Bogon {
		b.Stats.Bogon++
		return true
	}
	b.seen[asn] = struct{}{}
	full := false
	b.t.Modify(p.Masked(), func(v uint32, ok bool) (uint32, bool) {
		switch {
		case !ok && b.t.Size() >= b.limit:
			full = true
			return 0, true
		case !ok:
			return asn, false
		}
		return b.merge(v, asn), false
	})
	return !full
}

// merge is the value of a prefix with one origin more.
func (b *builder) merge(v, asn uint32) uint32 {
	have := b.origins(v)
	at, ok := slices.BinarySearch(have, asn)
	if ok {
		return v
	}
	if len(have) >= 32 {
		return v // nobody shares a prefix with so many; a broken file says so
	}
	all := slices.Insert(slices.Clone(have), at, asn)
	key := make([]byte, 0, 4*len(all))
	for _, a := range all {
		key = append(key, byte(a>>24), byte(a>>16), byte(a>>8), byte(a))
	}
	i, ok := b.index[string(key)]
	if !ok {
		if len(b.sets) >= 1<<20 {
			return v
		}
		i = uint32(len(b.sets))
		b.sets = append(b.sets, all)
		b.index[string(key)] = i
	}
	return several + i
}

func (b *builder) bad(text string) {
	if b.Stats.Bad++; b.Stats.First == "" {
		b.Stats.First = text
	}
}

func (b *builder) done() *Table {
	b.Stats.Prefixes = b.t.Size()
	b.sets = slices.Clip(b.sets)
	return b.Table
}

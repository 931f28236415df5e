package table

import (
	"math"
	"net/netip"
	"slices"
	"sync"

	"depeer/watch/timeline"
	"depeer/watch/timeline/chunk"
)

// unpacked is a batch of the tail for readers, with what finds a prefix in it: a question
// about few of them does not look at the rows of all. It is never altered.
type unpacked struct {
	*chunk.Batch
	words   [][]string           // of the batch, taken apart
	places  map[netip.Prefix]int // of Prefixes, from 1 as in the rows
	mention []mention            // by place; the first are the sessions
	hosters map[string][]int     // places of those whose story they belong to

	carry    sync.Once
	carriers [2]map[uint32][]int // guarded by carry; places by the AS that originated, carried them
}

// mention is what a batch says of one prefix.
type mention struct {
	first, last int64
	hosters     []string
	rows        []int32 // in their order
}

func unpack(b *chunk.Batch) *unpacked {
	u := &unpacked{Batch: b, words: make([][]string, len(b.Words)), places: make(map[netip.Prefix]int, len(b.Prefixes)),
		mention: make([]mention, len(b.Prefixes)+1), hosters: map[string][]int{}}
	for i, w := range b.Words {
		u.words[i] = splitWords(w)
	}
	for i, p := range b.Prefixes {
		u.places[p] = i + 1
	}
	for i := range u.mention {
		u.mention[i].first, u.mention[i].last = math.MaxInt64, math.MinInt64
	}
	for i := range b.Rows {
		r := &b.Rows[i]
		m := &u.mention[r.Prefix]
		m.first, m.last = min(m.first, r.At), max(m.last, r.At)
		m.rows = append(m.rows, int32(i))
		if r.Word == 0 || r.What == uint8(timeline.Left) {
			continue
		}
		for _, h := range u.words[r.Word-1] {
			if !slices.Contains(m.hosters, h) {
				m.hosters = append(m.hosters, h)
				u.hosters[h] = append(u.hosters[h], int(r.Prefix))
			}
		}
	}
	return u
}

// carriedBy gives the places of the prefixes that an AS originated (role 0) or carried (role 1).
func (u *unpacked) carriedBy(role int, asn uint32) []int {
	u.carry.Do(func() {
		type key struct {
			asn   uint32
			place int
		}
		paths := make([]carriers, len(u.Paths)+1)
		for i, p := range u.Paths {
			paths[i+1] = carriersOf(p)
		}
		for i := range u.carriers {
			u.carriers[i] = map[uint32][]int{}
			have := map[key]bool{}
			for j := range u.Rows {
				r := &u.Rows[j]
				if r.Path == 0 {
					continue
				}
				list := paths[r.Path].all
				if i == 0 {
					list = []uint32{paths[r.Path].origin}
				}
				for _, a := range list {
					if k := (key{a, int(r.Prefix)}); a != 0 && !have[k] {
						have[k] = true
						u.carriers[i][a] = append(u.carriers[i][a], k.place)
					}
				}
			}
		}
	})
	return u.carriers[role][asn]
}

// tailCache keeps the batches of the tail that were unpacked last.
type tailCache struct {
	mu      sync.Mutex
	batches map[int64]*unpacked // guarded by mu
}

// tail reads what has not been packed into chunks, in the order of writing.
func (s *Store) tail(x *transaction) ([]*unpacked, error) {
	var ids []int64
	err := x.each("SELECT id FROM tail ORDER BY id", nil, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	s.tails.mu.Lock()
	defer s.tails.mu.Unlock()
	now := make(map[int64]*unpacked, len(ids))
	out := make([]*unpacked, len(ids))
	for i, id := range ids {
		u := s.tails.batches[id]
		if u == nil {
			b, err := readTail(x, id)
			if err != nil {
				return nil, err
			}
			u = unpack(b)
		}
		now[id], out[i] = u, u
	}
	s.tails.batches = now
	return out, nil
}

func readTail(x *transaction, id int64) (*chunk.Batch, error) {
	var body []byte
	if _, err := x.one("SELECT body FROM tail WHERE id = ?", []any{id}, &body); err != nil {
		return nil, err
	}
	b, err := chunk.DecodeBatch(body)
	if err != nil {
		return nil, damagedRow("tail", id, err)
	}
	return b, nil
}

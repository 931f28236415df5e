package table

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"depeer/bgp"
	"depeer/watch/timeline/chunk"
)

// most is how much of a dictionary a process keeps in memory.
const most = 1 << 19

// dictionary numbers things, from 1, for the writer.
type dictionary struct {
	table string
	ids   map[string]uint32 // of some
	next  uint32            // 0: not known in this transaction
}

func (d *dictionary) id(x *transaction, body []byte) (uint32, error) {
	if body == nil {
		body = []byte{} // an empty path is one, and no NULL
	}
	if id, ok := d.ids[string(body)]; ok {
		return id, nil
	}
	var id uint32
	found, err := x.one("SELECT id FROM "+d.table+" WHERE body = ?", []any{body}, &id)
	if err != nil {
		return 0, err
	}
	if !found {
		if d.next == 0 {
			if _, err := x.one("SELECT COALESCE(MAX(id), 0) + 1 FROM "+d.table, nil, &d.next); err != nil {
				return 0, err
			}
		}
		id = d.next
		d.next++
		if err := x.exec("INSERT INTO "+d.table+" (id, body) VALUES (?, ?)", int64(id), body); err != nil {
			return 0, err
		}
	}
	if len(d.ids) >= most {
		clear(d.ids)
	}
	d.ids[string(body)] = id
	return id, nil
}

// cache is what readers remember of the dictionaries: what has a number keeps it.
type cache struct {
	mu    sync.RWMutex
	peers []bgp.Peer          // guarded by mu; by number, the first is nobody
	paths map[uint32]bgp.Path // guarded by mu
	words map[uint32][]string // guarded by mu
}

// load reads the numbered things that are not in have, a hundred at a time.
func load[T any](x *transaction, mu *sync.RWMutex, have *map[uint32]T, table string, want map[uint32]T, parse func([]byte) (T, error)) error {
	var missing []uint32
	mu.RLock()
	for id := range want {
		if v, ok := (*have)[id]; ok {
			want[id] = v
		} else {
			missing = append(missing, id)
		}
	}
	mu.RUnlock()
	if len(missing) == 0 {
		return nil
	}
	const atOnce = 100
	query := "SELECT id, body FROM " + table + " WHERE id IN (?" + strings.Repeat(",?", atOnce-1) + ")"
	args := make([]any, atOnce)
	found := make(map[uint32]T, len(missing))
	for len(missing) > 0 {
		n := min(len(missing), atOnce)
		for i := range args {
			args[i] = int64(missing[min(i, n-1)])
		}
		missing = missing[n:]
		err := x.each(query, args, func(scan func(...any) error) error {
			var id uint32
			var body []byte
			if err := scan(&id, &body); err != nil {
				return err
			}
			v, err := parse(body)
			if err != nil {
				return fmt.Errorf("%s %d: %w", table, id, err)
			}
			found[id] = v
			return nil
		})
		if err != nil {
			return err
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if *have == nil || len(*have)+len(found) > most {
		*have = map[uint32]T{}
	}
	for id := range want {
		if v, ok := found[id]; ok {
			want[id] = v
			(*have)[id] = v
		}
	}
	return nil
}

// words are the ids of the hosters, or one cause.
func splitWord(b []byte) ([]string, error) { return strings.Split(string(b), wordSep), nil }

// wordSep stands between the ids of the hosters of one change.
const wordSep = "\x00"

func (s *Store) peerID(x *transaction, p bgp.Peer) (uint32, error) {
	return s.peers.id(x, chunk.AppendPeer(nil, p))
}

// loadPeers reads the peers that came since the last time. Their numbers have no holes.
func (s *Store) loadPeers(x *transaction) error {
	s.known.mu.RLock()
	have := max(len(s.known.peers), 1)
	s.known.mu.RUnlock()
	var fresh []bgp.Peer
	err := x.each("SELECT id, body FROM peer WHERE id >= ? ORDER BY id", []any{have}, func(scan func(...any) error) error {
		var id int
		var body []byte
		if err := scan(&id, &body); err != nil {
			return err
		}
		p, err := chunk.ParsePeer(body)
		if err == nil && id != have+len(fresh) {
			err = errors.New("its number does not follow")
		}
		if err != nil {
			return damagedRow("peer", id, err)
		}
		fresh = append(fresh, p)
		return nil
	})
	if err != nil {
		return err
	}
	s.known.mu.Lock()
	defer s.known.mu.Unlock()
	if len(s.known.peers) == 0 {
		s.known.peers = make([]bgp.Peer, 1)
	}
	if skip := len(s.known.peers) - have; skip < len(fresh) {
		s.known.peers = append(s.known.peers, fresh[skip:]...)
	}
	return nil
}

// peerList gives the peers by number. What is appended to it is the caller's own.
func (c *cache) peerList() []bgp.Peer {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.Clip(c.peers)
}

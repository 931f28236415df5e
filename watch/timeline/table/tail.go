package table

import (
	"net/netip"
	"strings"
	"time"

	"depeer/bgp"
	"depeer/watch/timeline"
	"depeer/watch/timeline/chunk"
)

const (
	tailRows   = 1 << 16 // the most changes in one row of the tail
	tailOctets = 1 << 24 // of paths and hosters from which on the next one begins
)

// packer makes batches of changes: it numbers what they name.
type packer struct {
	batch    chunk.Batch
	peers    map[bgp.Peer]uint32
	prefixes map[netip.Prefix]uint32
	shared   map[*bgp.Segment]uint32 // paths are shared: the same memory is the same path
	paths    map[string]uint32
	words    map[string]uint32
	one      map[*string]uint32 // likewise of the hosters
	scratch  []byte
	octets   int // of paths and words
}

func newPacker() *packer {
	return &packer{peers: map[bgp.Peer]uint32{}, prefixes: map[netip.Prefix]uint32{}, shared: map[*bgp.Segment]uint32{},
		paths: map[string]uint32{}, words: map[string]uint32{}, one: map[*string]uint32{}}
}

func number[K comparable, V any](have map[K]uint32, list *[]V, key K, value V) uint32 {
	n, ok := have[key]
	if !ok {
		*list = append(*list, value)
		n = uint32(len(*list))
		have[key] = n
	}
	return n
}

func (p *packer) add(c *timeline.Change, recorded int64) {
	b := &p.batch
	r := chunk.Row{At: micro(c.At), Recorded: recorded, PathID: c.PathID, What: uint8(c.What), Peer: number(p.peers, &b.Peers, c.Peer, c.Peer)}
	if c.Prefix.IsValid() {
		r.Prefix = number(p.prefixes, &b.Prefixes, c.Prefix, c.Prefix)
	}
	if c.Held() {
		r.Path = p.path(c.Path)
	}
	switch {
	case c.What == timeline.Left && c.Cause != "":
		p.octets += len(c.Cause)
		r.Word = number(p.words, &b.Words, c.Cause, c.Cause)
	case len(c.Hosters) > 0:
		n, ok := p.one[&c.Hosters[0]]
		if !ok || len(splitWords(b.Words[n-1])) != len(c.Hosters) {
			w := strings.Join(c.Hosters, wordSep)
			p.octets += len(w)
			n = number(p.words, &b.Words, w, w)
			p.one[&c.Hosters[0]] = n
		}
		r.Word = n
	}
	b.Rows = append(b.Rows, r)
}

func splitWords(s string) []string { return strings.Split(s, wordSep) }

func (p *packer) path(path bgp.Path) uint32 {
	if len(path) > 0 {
		if n, ok := p.shared[&path[0]]; ok && len(p.batch.Paths[n-1]) == len(path) {
			return n
		}
	}
	p.scratch = chunk.AppendPath(p.scratch[:0], path)
	n, ok := p.paths[string(p.scratch)]
	if !ok {
		p.batch.Paths = append(p.batch.Paths, path)
		n = uint32(len(p.batch.Paths))
		p.paths[string(p.scratch)] = n
		p.octets += len(p.scratch)
	}
	if len(path) > 0 {
		p.shared[&path[0]] = n
	}
	return n
}

// packed is a row of the tail.
type packed struct {
	n    int
	body []byte
}

// packTail packs the changes of a batch.
func packTail(changes []timeline.Change, recorded time.Time) []packed {
	var out []packed
	for len(changes) > 0 {
		n := 0
		p := newPacker()
		p.batch.Rows = make([]chunk.Row, 0, min(len(changes), tailRows))
		for n < len(changes) && n < tailRows && p.octets < tailOctets {
			p.add(&changes[n], micro(recorded))
			n++
		}
		out = append(out, packed{n, chunk.AppendBatch(nil, &p.batch)})
		changes = changes[n:]
	}
	return out
}

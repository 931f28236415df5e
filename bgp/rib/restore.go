package rib

import "depeer/bgp"

// Restored finds again the paths that routes share, after the table was read from a
// snapshot (see package snapshot), which leaves out what can be computed: the index
// of the paths, and every Tag. It is false where the table is no table.
func (t *Table) Restored() bool {
	if t.peers == nil || t.entries == nil || t.syncing == nil {
		return false
	}
	for _, e := range t.entries {
		if e == nil {
			return false
		}
	}
	for _, p := range t.order {
		if p == nil {
			return false
		}
	}
	t.nodes = map[string]*Node{}
	t.each(func(n *Node) { t.nodes[string(t.keyOf(n.Path))] = n })
	return true
}

// Untag drops what the table's user keeps at the paths.
func (t *Table) Untag() {
	for _, n := range t.nodes {
		n.Tag = nil
	}
}

// each calls f for every path that a route uses, some of them often.
func (t *Table) each(f func(*Node)) {
	see := func(s *Slot) {
		if s.Node != nil {
			f(s.Node)
		}
		if s.Prev != nil {
			f(s.Prev)
		}
		for _, x := range s.More {
			if x.Node != nil {
				f(x.Node)
			}
		}
	}
	for _, e := range t.entries {
		for i := range e.Slots {
			see(&e.Slots[i])
		}
	}
	for _, p := range t.order {
		for _, sync := range p.sync {
			for _, x := range sync {
				see(&x.routes)
			}
		}
	}
}

// keyOf writes a path as the key of the index. It is good until the next call.
func (t *Table) keyOf(path bgp.Path) []byte {
	k := t.key[:0]
	for _, s := range path {
		k = append(k, byte(s.Type), byte(len(s.ASNs)))
		for _, a := range s.ASNs {
			k = append(k, byte(a>>24), byte(a>>16), byte(a>>8), byte(a))
		}
	}
	t.key = k
	return k
}

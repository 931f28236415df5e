package chunk

import (
	"encoding/binary"
	"net/netip"

	"depeer/bgp"
)

// Batch is changes of any prefixes, with the dictionaries that their rows refer to: peers,
// paths and words by their place from 1 (0 is none), prefixes by their place from 1 (0 is the
// sessions).
type Batch struct {
	Peers    []bgp.Peer
	Prefixes []netip.Prefix
	Paths    []bgp.Path
	Words    []string
	Rows     []Row // in the order in which they were observed
}

// AppendBatch appends a batch.
func AppendBatch(dst []byte, b *Batch) []byte {
	raw := make([]byte, 0, 256+12*len(b.Rows))
	raw = binary.AppendUvarint(raw, uint64(len(b.Peers)))
	for _, p := range b.Peers {
		raw = appendBytes(raw, AppendPeer(nil, p))
	}
	raw = binary.AppendUvarint(raw, uint64(len(b.Prefixes)))
	for _, p := range b.Prefixes {
		raw = appendBytes(raw, AppendPrefix(nil, p))
	}
	raw = binary.AppendUvarint(raw, uint64(len(b.Paths)))
	var scratch []byte
	for _, p := range b.Paths {
		scratch = AppendPath(scratch[:0], p)
		raw = appendBytes(raw, scratch)
	}
	raw = binary.AppendUvarint(raw, uint64(len(b.Words)))
	for _, w := range b.Words {
		raw = binary.AppendUvarint(raw, uint64(len(w)))
		raw = append(raw, w...)
	}
	raw = appendColumns(raw, b.Rows, false)
	return seal(dst, raw)
}

func appendBytes(b, what []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(what)))
	return append(b, what...)
}

// DecodeBatch reads what AppendBatch wrote. Every number in its rows has its thing.
func DecodeBatch(body []byte) (*Batch, error) {
	raw, err := open(body)
	if err != nil {
		return nil, err
	}
	r := reader{rest: raw}
	b := &Batch{}
	b.Peers = list(&r, ParsePeer)
	b.Prefixes = list(&r, ParsePrefix)
	b.Paths = list(&r, ParsePath)
	b.Words = list(&r, func(w []byte) (string, error) { return string(w), nil })
	b.Rows = r.columns(nil, false)
	if r.err == nil && len(r.rest) > 0 {
		r.fail("more than was promised")
	}
	for i := range b.Rows {
		x := &b.Rows[i]
		if int64(x.Prefix) > int64(len(b.Prefixes)) || x.Peer == 0 || int64(x.Peer) > int64(len(b.Peers)) ||
			int64(x.Path) > int64(len(b.Paths)) || int64(x.Word) > int64(len(b.Words)) {
			r.fail("a change names what is not there")
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return b, nil
}

func list[T any](r *reader, parse func([]byte) (T, error)) []T {
	n := r.count()
	out := make([]T, 0, n)
	for range n {
		x, err := parse(r.octets(r.uvarint()))
		if r.err == nil && err != nil {
			r.err = err
		}
		if r.err != nil {
			return nil
		}
		out = append(out, x)
	}
	return out
}

// AppendPeer appends a peer: AS number, address, collector.
func AppendPeer(dst []byte, p bgp.Peer) []byte {
	dst = binary.AppendUvarint(dst, uint64(p.ASN))
	a := p.Addr.AsSlice()
	dst = append(dst, byte(len(a)))
	dst = append(dst, a...)
	return append(dst, p.Collector...)
}

// ParsePeer reads what AppendPeer wrote.
func ParsePeer(b []byte) (bgp.Peer, error) {
	r := reader{rest: b}
	asn := r.number()
	a := r.octets(uint64(r.octet()))
	if r.err != nil {
		return bgp.Peer{}, r.err
	}
	addr, ok := netip.AddrFromSlice(a)
	if !ok && len(a) > 0 {
		return bgp.Peer{}, damaged("an address of no family")
	}
	return bgp.Peer{ASN: asn, Addr: addr, Collector: string(r.rest)}, nil
}

// AppendPrefix appends a prefix so that the order of the octets is that of the prefixes:
// family, address, length.
func AppendPrefix(dst []byte, p netip.Prefix) []byte {
	family := byte(4)
	if p.Addr().Is6() {
		family = 6
	}
	dst = append(dst, family)
	dst = append(dst, p.Addr().AsSlice()...)
	return append(dst, byte(p.Bits()))
}

// ParsePrefix reads what AppendPrefix wrote.
func ParsePrefix(b []byte) (netip.Prefix, error) {
	if len(b) == 6 && b[0] == 4 || len(b) == 18 && b[0] == 6 {
		addr, _ := netip.AddrFromSlice(b[1 : len(b)-1])
		if p := netip.PrefixFrom(addr, int(b[len(b)-1])); p.IsValid() && p == p.Masked() {
			return p, nil
		}
	}
	return netip.Prefix{}, damaged("no prefix")
}

// AppendPath appends a path: type, length and AS numbers of every segment.
func AppendPath(dst []byte, p bgp.Path) []byte {
	for _, s := range p {
		dst = append(dst, byte(s.Type))
		dst = binary.AppendUvarint(dst, uint64(len(s.ASNs)))
		for _, a := range s.ASNs {
			dst = binary.AppendUvarint(dst, uint64(a))
		}
	}
	return dst
}

// ParsePath reads what AppendPath wrote.
func ParsePath(b []byte) (bgp.Path, error) {
	r := reader{rest: b}
	out := bgp.Path{}
	for len(r.rest) > 0 {
		s := bgp.Segment{Type: bgp.SegmentType(r.octet())}
		n := r.count()
		s.ASNs = make([]uint32, n)
		for i := range s.ASNs {
			s.ASNs[i] = r.number()
		}
		out = append(out, s)
	}
	if r.err != nil {
		return nil, r.err
	}
	return out, nil
}

package bmp

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"slices"
	"testing"

	"depeer/bgp/bgptest/realdata"
	"depeer/bgp/wire"
)

// openCaptures finds the recorded BMP sessions, which are not part of the repository.
func openCaptures(t testing.TB) string {
	t.Helper()
	dir, err := realdata.Find("bmp")
	if err != nil {
		t.Skip(err)
	}
	return dir
}

// stream is one direction of a TCP connection of a capture, in order.
type stream struct {
	src, dst netip.AddrPort
	octets   []byte
}

type segment struct {
	seq     uint32
	payload []byte
}

// capture reads the TCP streams of a classic pcap file of Ethernet frames, as they
// were sent: in order of the first packet of each, re-sent segments once.
func capture(t testing.TB, file string) (out []stream) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	order, err := byteOrder(b)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	segments := map[[2]netip.AddrPort][]segment{}
	var keys [][2]netip.AddrPort
	for b = b[24:]; len(b) >= 16; {
		n := 16 + int(order.Uint32(b[8:]))
		if n > len(b) {
			t.Fatalf("%s: a packet is cut", file)
		}
		k, s, ok := tcp(b[16:n])
		b = b[n:]
		if !ok || len(s.payload) == 0 {
			continue
		}
		if segments[k] == nil {
			keys = append(keys, k)
		}
		segments[k] = append(segments[k], s)
	}
	for _, k := range keys {
		out = append(out, stream{k[0], k[1], join(segments[k])})
	}
	return out
}

func byteOrder(b []byte) (binary.ByteOrder, error) {
	if len(b) < 24 {
		return nil, errors.New("no pcap file")
	}
	for _, o := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if m := o.Uint32(b); m == 0xa1b2c3d4 || m == 0xa1b23c4d {
			if link := o.Uint32(b[20:]); link != 1 {
				return nil, errors.New("link type is not Ethernet")
			}
			return o, nil
		}
	}
	return nil, errors.New("no pcap file")
}

func tcp(b []byte) (k [2]netip.AddrPort, s segment, ok bool) {
	for b = b[12:]; len(b) > 4 && (binary.BigEndian.Uint16(b) == 0x8100 || binary.BigEndian.Uint16(b) == 0x88a8); {
		b = b[4:]
	}
	b = b[2:]
	var src, dst netip.Addr
	switch {
	case b[0]>>4 == 4 && b[9] == 6:
		src, dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		b = b[int(b[0]&15)*4 : binary.BigEndian.Uint16(b[2:])]
	case b[0]>>4 == 6 && b[6] == 6:
		src, dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		b = b[40 : 40+int(binary.BigEndian.Uint16(b[4:]))]
	default:
		return k, s, false
	}
	k = [2]netip.AddrPort{netip.AddrPortFrom(src, binary.BigEndian.Uint16(b)), netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[2:]))}
	return k, segment{binary.BigEndian.Uint32(b[4:]), b[int(b[12]>>4)*4:]}, true
}

// join puts segments in order. Some captures were made by a program that gave all
// segments sequence numbers of its own: where they leave holes, they are in order already.
func join(s []segment) []byte {
	base := s[0].seq
	slices.SortStableFunc(s, func(a, b segment) int { return cmp.Compare(int32(a.seq-base), int32(b.seq-base)) })
	var out bytes.Buffer
	next := s[0].seq
	for _, x := range s {
		if over := int32(next - x.seq); over > 0 {
			if int(over) >= len(x.payload) {
				continue
			}
			x.payload, x.seq = x.payload[over:], next
		}
		out.Write(x.payload)
		next = x.seq + uint32(len(x.payload))
	}
	return out.Bytes()
}

// decoded is a message of a capture as the station would read it.
type decoded struct {
	m       message
	up      up
	update  wire.Update
	session wire.Session
	fault   counter    // of BMP
	wire    wire.Fault // of the UPDATE
}

// eachMessage takes a stream apart as a connection does: what a Peer Up says decides
// how the UPDATEs after it are read.
func eachMessage(t testing.TB, octets []byte, f func(*decoded)) {
	t.Helper()
	peers := map[peerKey][groups]wire.Session{}
	for at := 0; len(octets)-at >= headerLen; {
		n, err := frame(octets[at:], mostMessage)
		if err != nil {
			t.Fatalf("octet %d: %v", at, err)
		}
		if at+n > len(octets) {
			t.Logf("octet %d: the last message is cut: %d of %d octets", at, len(octets)-at, n)
			return
		}
		d := &decoded{}
		d.m, d.fault = parse(octets[at : at+n])
		at += n
		if d.fault == 0 {
			switch d.m.typ {
			case peerUp:
				if d.up, d.fault = d.m.peerUp(); d.fault != badPeerUp {
					peers[d.m.key] = sessions(&d.up.sent, &d.up.received)
				}
			case routeMonitoring:
				d.session = peers[d.m.key][d.m.view().group()]
				d.session.AS4 = d.m.as4()
				var body []byte
				if body, d.fault = d.m.update(&d.session); d.fault == 0 {
					c := &conn{s: &Station{}}
					_, d.wire = c.examine(body, d.session, d.m.view())
					d.update = c.scratch
				}
			}
		}
		f(d)
	}
}

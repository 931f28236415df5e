package mrt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"depeer/bgp"
	"depeer/bgp/wire"
)

// packets gives the frames of a pcap or pcapng file and their link type.
func packets(t *testing.T, b []byte) (link uint32, frames [][]byte) {
	t.Helper()
	var o binary.ByteOrder = binary.LittleEndian
	switch {
	case len(b) >= 24 && binary.BigEndian.Uint32(b) == 0x0A0D0D0A:
		if binary.BigEndian.Uint32(b[8:]) == 0x1A2B3C4D {
			o = binary.BigEndian
		}
		for len(b) >= 12 {
			typ, n := o.Uint32(b), int(o.Uint32(b[4:]))
			if n < 12 || n > len(b) {
				break
			}
			switch {
			case typ == 1:
				link = uint32(o.Uint16(b[8:]))
			case typ == 6 && n >= 32:
				k := int(o.Uint32(b[20:]))
				frames = append(frames, b[28:min(28+k, n-4)])
			}
			b = b[n:]
		}
		return link, frames
	case len(b) < 24:
		return 0, nil
	}
	if m := binary.BigEndian.Uint32(b); m == 0xA1B2C3D4 || m == 0xA1B23C4D {
		o = binary.BigEndian
	}
	link = o.Uint32(b[20:]) & 0xFFFF
	for b = b[24:]; len(b) >= 16; {
		n := int(o.Uint32(b[8:]))
		if n > len(b)-16 {
			n = len(b) - 16
		}
		frames = append(frames, b[16:16+n])
		b = b[16+n:]
	}
	return link, frames
}

// payload takes the TCP payload, and what tells its stream, from a frame.
func payload(link uint32, f []byte) (stream string, seq uint32, data []byte) {
	typ := 0
	switch link {
	case 1: // Ethernet
		if len(f) < 14 {
			return
		}
		typ, f = int(binary.BigEndian.Uint16(f[12:])), f[14:]
		for typ == 0x8100 && len(f) >= 4 {
			typ, f = int(binary.BigEndian.Uint16(f[2:])), f[4:]
		}
	case 9, 50, 104: // PPP and Cisco HDLC
		if len(f) < 4 {
			return
		}
		f = f[4:]
	case 0: // BSD loopback
		if len(f) < 4 {
			return
		}
		f = f[4:]
	case 113: // Linux cooked
		if len(f) < 16 {
			return
		}
		f = f[16:]
	}
	if len(f) < 20 {
		return
	}
	var ends []byte
	switch f[0] >> 4 {
	case 4:
		n := int(binary.BigEndian.Uint16(f[2:]))
		h := int(f[0]&15) * 4
		if f[9] != 6 || h > len(f) {
			return
		}
		if n >= h && n <= len(f) {
			f = f[:n]
		}
		ends, f = f[12:20], f[h:]
	case 6:
		if len(f) < 40 || f[6] != 6 {
			return
		}
		n := 40 + int(binary.BigEndian.Uint16(f[4:]))
		if n <= len(f) {
			f = f[:n]
		}
		ends, f = f[8:40], f[40:]
	default:
		return
	}
	if len(f) < 20 || int(f[12]>>4)*4 > len(f) {
		return
	}
	return fmt.Sprintf("%x%x", ends, f[:4]), binary.BigEndian.Uint32(f[4:]), f[int(f[12]>>4)*4:]
}

// verdicts reads all BGP messages of a capture, and says of each UPDATE what
// became of it: "read", or the fault for which it was refused.
func verdicts(t *testing.T, b []byte) map[string]int {
	link, frames := packets(t, b)
	streams := map[string][]byte{}
	next := map[string]uint32{}
	var order []string
	for _, f := range frames {
		key, seq, data := payload(link, f)
		if len(data) == 0 {
			continue
		}
		if want, ok := next[key]; !ok || seq != want {
			if ok && int32(seq-want) < 0 {
				continue // sent again
			}
			key += fmt.Sprint(seq) // a gap: what follows stands alone
		}
		if _, ok := streams[key]; !ok {
			order = append(order, key)
		}
		streams[key] = append(streams[key], data...)
		next[key] = seq + uint32(len(data))
	}
	out := map[string]int{}
	for _, k := range order {
		readMessages(streams[k], out)
	}
	return out
}

func readMessages(b []byte, out map[string]int) {
	marker := bytes.Repeat([]byte{0xFF}, 16)
	for {
		i := bytes.Index(b, marker)
		if i < 0 {
			return
		}
		b = b[i:]
		typ, body, f := wire.Header(b)
		if f != wire.None {
			out[f.String()]++
			b = b[min(len(b), wire.HeaderLen):]
			continue
		}
		b = b[wire.HeaderLen+len(body):]
		if typ != wire.TypeUpdate {
			continue
		}
		verdict := ""
		for _, s := range []wire.Session{{AS4: true}, {}, {AS4: true, AddPath4: true, AddPath6: true}, {AddPath4: true, AddPath6: true}} {
			var u wire.Update
			f := u.Split(body, s)
			if verdict == "" {
				verdict = f.String()
			}
			if f == wire.None {
				verdict = "read"
				u.Append(nil, bgp.Update{}.At, bgp.Peer{})
				break
			}
		}
		out[verdict]++
	}
}

// The captures that other analysers keep because they once broke something. Each
// UPDATE is read or refused for a reason. What the sessions had agreed upon is
// not in most of them, so an UPDATE counts as read if any agreement reads it.
func TestMalformedCorpus(t *testing.T) {
	dir := filepath.Join(openTestData(t), "malformed-bgp")
	var got []string
	for _, p := range []string{"tcpdump/*", "packetlife/*"} {
		files, _ := filepath.Glob(filepath.Join(dir, p))
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			v := verdicts(t, b)
			line := filepath.Base(name) + ":"
			for _, k := range slices.Sorted(maps.Keys(v)) {
				line += fmt.Sprintf(" %s %d", k, v[k])
			}
			got = append(got, line)
		}
	}
	if len(got) == 0 {
		t.Fatal("no captures in", dir)
	}
	if !slices.Equal(got, corpus) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

// Messages that a fuzzer found in another implementation: none is an UPDATE that
// stands.
func TestFuzzedMessages(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(openTestData(t), "malformed-bgp", "gobgp-fuzz", "bad-len", "*"))
	if len(files) == 0 {
		t.Fatal("no messages")
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		typ, body, f := wire.Header(b)
		if f == wire.None && typ == wire.TypeUpdate {
			var u wire.Update
			if f = u.Split(body, wire.Session{AS4: true}); f == wire.None {
				t.Errorf("%s is read", filepath.Base(name))
			}
		}
	}
}

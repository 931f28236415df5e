package rislive

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"depeer/bgp"
	"depeer/bgp/wire"
)

func seeds(f *testing.F) {
	for _, s := range []string{
		`{"type":"ris_message","data":{"timestamp":1700000000.25,"peer":"192.0.2.1","peer_asn":"64500","host":"rrc00","type":"UPDATE","path":[1,[2,3]],"origin":"igp","announcements":[{"next_hop":"x","prefixes":["10.0.0.0/8","::/0"]}],"withdrawals":["10.0.0.0/9"],"raw":"FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00170200000000"}}`,
		`{"type":"ris_message","data":{"timestamp":1700000000.25,"peer":"2001:db8::1","peer_asn":64500,"host":"rrc00.ripe.net","type":"STATE","state":"down"}}`,
		` { "data" : {"message":"a\u00e9\ud83d\ude00\"" , "x":[-0.5e+3,true,false,null,{}]} , "type":"ris_error"}`,
		`{"type":"pong","data":null}`, `{"a":01}`, `{"a":"` + "\x01" + `"}`, `[]`, `{"type":1,"type":"x","data":[],"data":{"type":{},"raw":5}}`,
	} {
		f.Add([]byte(s))
	}
}

// The scanner takes what encoding/json takes, and reads of it what that reads.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, line []byte) {
		var m message
		ok := m.parse(line)
		depth, deepest := 0, 0
		for _, c := range line {
			switch c {
			case '{', '[':
				depth++
				deepest = max(deepest, depth)
			case '}', ']':
				depth--
			}
		}
		if deepest > 16 {
			return // refused, or brackets in strings
		}
		var object map[string]json.RawMessage
		valid := json.Unmarshal(line, &object) == nil && object != nil
		if ok != valid {
			t.Fatalf("%q: taken %v, by encoding/json %v", line, ok, valid)
		}
		if !ok || !utf8.Valid(line) {
			return
		}
		text := func(v json.RawMessage) (out []byte) {
			var s string
			if len(v) > 0 && v[0] == '"' && json.Unmarshal(v, &s) == nil {
				return []byte(s)
			}
			return nil
		}
		number := func(v json.RawMessage) []byte {
			if len(v) > 0 && strings.IndexByte("-0123456789", v[0]) >= 0 {
				return v
			}
			return nil
		}
		check := func(name string, got, want []byte) {
			if !bytes.Equal(got, want) {
				t.Fatalf("%q: %s is %q, by encoding/json %q", line, name, got, want)
			}
		}
		check("type", m.kind, text(object["type"]))
		var data map[string]json.RawMessage
		if v := object["data"]; len(v) == 0 || v[0] != '{' || json.Unmarshal(v, &data) != nil {
			return
		}
		if bytes.Count(line, []byte("data")) > 1 || bytes.Contains(line, []byte(`\`)) {
			return // two of them may be read together
		}
		asn := number(data["peer_asn"])
		if asn == nil {
			asn = text(data["peer_asn"])
		}
		check("peer_asn", m.asn, asn)
		check("timestamp", m.stamp, number(data["timestamp"]))
		for name, got := range map[string][]byte{"type": m.typ, "host": m.host, "peer": m.peer, "state": m.state, "raw": m.raw, "direction": m.direction, "message": m.text} {
			check(name, got, text(data[name]))
		}
		for name, got := range map[string][]byte{"path": m.path, "origin": m.origin, "announcements": m.announcements, "withdrawals": m.withdrawals} {
			check(name, got, data[name])
		}
	})
}

// Whatever comes, nothing panics, and no update is without a peer, a time and, where
// it has one, a masked prefix.
func FuzzTake(f *testing.F) {
	seeds(f)
	watch := wire.NewShared(wire.List{ASNs: []uint32{3}, Prefixes: everything.Prefixes})
	f.Fuzz(func(t *testing.T, line []byte) {
		in := newIntake(DefaultConfig(), Deps{Watch: watch}, &counts{}, newBoard(time.Now, nil))
		in.take(line, 1_700_000_000_000_000)
		in.take(line, 1_700_000_001_000_000)
		in.missed(gap{messages: 1, first: line, arrived: 1_700_000_002_000_000})
		for _, u := range in.out {
			if u.At.Unix() < minStamp || u.At.Unix() > maxStamp || !u.Peer.Addr.IsValid() || u.Peer.Collector == "" || u.Kind == 0 {
				t.Fatalf("%q: %+v", line, u)
			}
			if (u.Kind == bgp.Announce || u.Kind == bgp.Withdraw) && (!u.Prefix.IsValid() || u.Prefix != u.Prefix.Masked()) {
				t.Fatalf("%q: %+v", line, u)
			}
		}
	})
}

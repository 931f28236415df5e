package bus

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestToken(t *testing.T) {
	long := strings.Repeat("a", 100)
	for in, want := range map[string]string{
		"mccolo":                   "mccolo",
		"route-views2.saopaulo":    "route-views2-saopaulo",
		"upstream-lost":            "upstream-lost",
		"a b*>c":                   "a-b--c",
		"192.0.2.1:179":            "192-0-2-1-179",
		"naïve":                    "na-ve",
		"":                         "unknown",
		strings.Repeat("x", 64):    strings.Repeat("x", 64),
		"line\r\nNats-Msg-Id: own": "line--Nats-Msg-Id--own",
	} {
		if got := token(in); got != want {
			t.Errorf("token(%q) = %q, want %q", in, got, want)
		}
	}
	if a, b := token(long+"1"), token(long+"2"); a == b || len(a) > maxToken || len(b) > maxToken {
		t.Errorf("two long texts: %q and %q", a, b)
	}
}

func TestHeaderEncoding(t *testing.T) {
	// The example of the binding, section 3.1.3.2.
	if got, want := encodeHeader("Euro € 😀"), "Euro%20%E2%82%AC%20%F0%9F%98%80"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzToken(f *testing.F) {
	f.Add("rrc00.ripe.net")
	f.Add("> *\x00\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := token(s)
		if got == "" || len(got) > maxToken {
			t.Fatalf("token(%q) = %q", s, got)
		}
		if i := strings.IndexFunc(got, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(".*>", r) }); i >= 0 {
			t.Fatalf("token(%q) = %q", s, got)
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add("Euro € 😀 100 %41 \"\r\n")
	f.Add("%zz")
	f.Fuzz(func(t *testing.T, s string) {
		got := encodeHeader(s)
		if i := strings.IndexFunc(got, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' }); i >= 0 {
			t.Fatalf("encodeHeader(%q) = %q", s, got)
		}
		if back := decodeHeader(got); utf8.ValidString(s) && back != s {
			t.Fatalf("%q came back as %q", s, back)
		}
	})
}

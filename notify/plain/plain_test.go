package plain

import (
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"depeer/notify"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"a\x00b\x1b[31m":       "ab[31m",
		"a\r\nb\rc\td":         "a\nb\nc\td",
		"evil\u202egpj.exe":    "evilgpj.exe",
		"שלום":                 "שלום",
		"bad\xff\xfeutf":       "badutf",
		"👨\u200d👩\u200d👧 fine": "👨\u200d👩\u200d👧 fine",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
	if got := Line(" a\r\nBcc: x\n\n b "); got != "a Bcc: x b" {
		t.Errorf("%q", got)
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{
		{"abcdef", 6, "abcdef"}, {"abcdef", 5, "abcd…"}, {"äöü", 3, "äöü"}, {"äöü", 2, "ä…"},
		{"😀😀😀", 6, "😀😀😀"}, {"😀😀😀", 5, "😀😀…"}, {"😀😀😀", 4, "😀…"}, {"abc", 1, "…"}, {"abc", 0, ""},
	} {
		if got := Cut(c.in, c.n); got != c.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
	}
}

func FuzzCut(f *testing.F) {
	f.Add("😀äb", 3)
	f.Add("\xff\xff", 1)
	f.Fuzz(func(t *testing.T, s string, n int) {
		n = max(0, min(n, 1000))
		s = Clean(s)
		if got := Cut(s, n); len(utf16.Encode([]rune(got))) > n || !utf8.ValidString(got) {
			t.Errorf("Cut(%q, %d) = %q", s, n, got)
		}
		if got := CutBytes(s, n); len(got) > n || !utf8.ValidString(got) {
			t.Errorf("CutBytes(%q, %d) = %q", s, n, got)
		}
	})
}

func TestCopyRefusesALinkThatIsNone(t *testing.T) {
	for _, l := range []string{"javascript:alert(1)", "https://x/|<!channel>", "https://x/\r\nBcc: y", "data:text/html,x"} {
		if got := Copy(&notify.Message{Link: l}).Link; got != "" {
			t.Errorf("%q stays %q", l, got)
		}
	}
	if Copy(&notify.Message{Link: "https://board/incidents/1"}).Link == "" {
		t.Error("a good link is gone")
	}
}

func TestBodyEndsWithTheTime(t *testing.T) {
	b := Body(&notify.Message{Text: "x", Facts: []notify.Fact{{Name: "Lost", Value: "AS6939"}}, Changes: []string{"c"}, Next: "n"})
	if !strings.HasPrefix(b, "x\n\nNew:\n- c\n\nLost: AS6939\n\nNext: n\n\n") || !strings.HasSuffix(b, " UTC") {
		t.Errorf("%q", b)
	}
}

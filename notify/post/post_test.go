package post

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		after, date string
		want        time.Duration
	}{
		{"", "", 0},
		{"7", "", 7 * time.Second},
		{"0.5", "", 500 * time.Millisecond},
		{"-3", "", 0},
		{"NaN", "", 0},
		{"1e300", "", time.Hour},
		{"soon", "", 0},
		{"Fri, 02 Jan 2026 03:04:35 GMT", "", 30 * time.Second},
		{"Fri, 02 Jan 2026 03:04:35 GMT", "Fri, 02 Jan 2026 03:04:30 GMT", 5 * time.Second},
		{"Thu, 01 Jan 2026 03:04:35 GMT", "", 0},
		{"Fri, 02 Jan 2027 03:04:35 GMT", "", time.Hour},
	} {
		h := http.Header{"Retry-After": {c.after}, "Date": {c.date}}
		if got := After(h, now); got != c.want {
			t.Errorf("Retry-After: %q with Date: %q is %v, want %v", c.after, c.date, got, c.want)
		}
	}
}

func TestSecretsInDisguise(t *testing.T) {
	s := NewSecrets(`p@ss "word"/+`).URL("https://user:hunter22@hooks.example/services/T00/B11/longsecretpart?key=abcd1234")
	for _, text := range []string{
		`p@ss "word"/+`, "p%40ss+%22word%22%2F%2B", "p%40ss%20", `p@ss \"word\"/+`, "cEBzcyAid29yZCIvKw==",
		"https://user:hunter22@hooks.example/services/T00/B11/longsecretpart?key=abcd1234",
		"/services/T00/B11/longsecretpart", "longsecretpart", "hunter22", "abcd1234",
	} {
		if text == "p%40ss%20" {
			continue // half of it is not it
		}
		if got := s.Hide("a " + text + " b"); got != "a <secret> b" {
			t.Errorf("%q is shown as %q", text, got)
		}
	}
	if got := s.Hide("hooks.example"); got != "hooks.example" {
		t.Errorf("the host became %q", got)
	}
	if NewSecrets("", "abc").Hide("abc") != "abc" {
		t.Error("what is too short to be a secret is hidden")
	}
}

func FuzzAfter(f *testing.F) {
	f.Add("7", "")
	f.Add("Fri, 02 Jan 2026 03:04:35 GMT", "Fri, 02 Jan 2026 03:04:30 GMT")
	f.Fuzz(func(t *testing.T, after, date string) {
		got := After(http.Header{"Retry-After": {after}, "Date": {date}}, time.Unix(0, 0))
		if got < 0 || got > time.Hour {
			t.Errorf("%v", got)
		}
	})
}

func TestRefusedIsOneLine(t *testing.T) {
	r := &Refused{Act: "publish", Status: 400, body: []byte("a\r\nb" + strings.Repeat("x", 1000))}
	if got := r.Error(); strings.ContainsAny(got, "\r\n") || len(got) > 300 {
		t.Errorf("%q", got)
	}
}

package cnc

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)

func TestAccept(t *testing.T) {
	zone := time.FixedZone("", 3600)
	s := Sighting{Source: "x", At: noon.In(zone), First: noon.Add(-time.Hour), Family: "Qbot", Addr: netip.MustParseAddr("::ffff:5.6.7.8"), Port: 443}
	if err := s.Accept(DefaultFamilies(), noon); err != nil {
		t.Fatal(err)
	}
	if s.Family != "QakBot" || s.Label != "Qbot" || s.Addr != netip.MustParseAddr("5.6.7.8") || s.Kind != CNC || s.Type != "sighting" || s.At != noon || len(s.ID) != 32 {
		t.Errorf("%+v", s)
	}
	again := s
	if err := again.Accept(DefaultFamilies(), noon); err != nil || again != s {
		t.Errorf("accepted again it is another: %v\n%+v\n%+v", err, s, again)
	}
	u := Sighting{Source: "x", At: noon, URL: "http://Evil.Example.com.:8080/a?b", Family: "GoPhish"}
	if err := u.Accept(DefaultFamilies(), noon); err != nil || u.Name != "evil.example.com" || u.Port != 8080 || u.Kind != Phishing || u.ID == s.ID {
		t.Errorf("%v %+v", err, u)
	}
	v := Sighting{Source: "x", At: noon, URL: "http://5.6.7.8/%zz", Family: "y"}
	if err := v.Accept(DefaultFamilies(), noon); err != nil || v.Addr != netip.MustParseAddr("5.6.7.8") || v.Name != "" {
		t.Errorf("%v %+v", err, v)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		why  Reason
		edit func(*Sighting)
	}{
		{NoHost, func(s *Sighting) { s.Addr = netip.Addr{} }},
		{NoTime, func(s *Sighting) { s.At = time.Time{} }},
		{NoSource, func(s *Sighting) { s.Source = "" }},
		{BadTime, func(s *Sighting) { s.At = time.Unix(0, 0) }},
		{Future, func(s *Sighting) { s.At = noon.Add(27 * time.Hour) }},
		{Future, func(s *Sighting) { s.Reported = noon.Add(27 * time.Hour) }},
		{BadKind, func(s *Sighting) { s.Kind = "nice" }},
		{LongText, func(s *Sighting) { s.Family = strings.Repeat("x ", 300) }},
		{LongText, func(s *Sighting) { s.URL = "http://a.example/" + strings.Repeat("x", 5000) }},
		{BadHost, func(s *Sighting) { s.Addr = netip.Addr{}; s.Name = "nodots" }},
		{BadHost, func(s *Sighting) { s.Addr = netip.Addr{}; s.Name = "a..b" }},
		{BadHost, func(s *Sighting) { s.Addr = netip.Addr{}; s.Name = "1.2.3.999" }},
		{BadHost, func(s *Sighting) { s.Addr = netip.Addr{}; s.Name = "a b.com" }},
		{BadHost, func(s *Sighting) { s.Name = "9.8.7.6" }}, // and the address is another
		{BadPort, func(s *Sighting) { s.URL = "http://a.com:70000/" }},
		{Bogon, func(s *Sighting) { s.Addr = netip.Addr{}; s.Name = "10.1.2.3" }},
	} {
		s := Sighting{Source: "x", At: noon, Family: "y", Addr: netip.MustParseAddr("5.6.7.8")}
		c.edit(&s)
		err := s.Accept(DefaultFamilies(), noon)
		if r, ok := errors.AsType[*Refused](err); !ok || r.Reason != c.why {
			t.Errorf("%v, want %q", err, c.why)
		}
	}
	for text, why := range map[string]Reason{
		"10.0.0.1": Bogon, "192.168.3.4": Bogon, "127.0.0.1": Bogon, "100.64.0.1": Bogon, "203.0.113.5": Bogon, "240.1.1.1": Bogon, "224.0.0.5": Bogon,
		"0.0.0.0": Bogon, "::1": Bogon, "fe80::1": Bogon, "fd00::1": Bogon, "2001:db8::1": Bogon, "2002:102:304::1": Bogon, "::ffff:10.0.0.1": Bogon,
		"1.1.1.1": WellKnown, "8.8.8.8": WellKnown, "198.41.0.4": WellKnown, "2001:4860:4860::8888": WellKnown, "2001:7fd::1": WellKnown,
		"208.66.194.22": "", "5.6.7.8": "", "2a03:2880::1": "", "1.1.1.4": "", "100.128.0.1": "",
	} {
		if got := Special(netip.MustParseAddr(text)); got != why {
			t.Errorf("%s: %q, want %q", text, got, why)
		}
	}
}

// TestIdentity: the same observation has the same id, whoever reads it; another has another.
func TestIdentity(t *testing.T) {
	base := Sighting{Source: "x", At: noon, Family: "Rustock", Addr: netip.MustParseAddr("5.6.7.8")}
	seen := map[string]string{}
	for name, edit := range map[string]func(*Sighting){
		"": func(*Sighting) {}, "source": func(s *Sighting) { s.Source = "y" }, "at": func(s *Sighting) { s.At = noon.Add(1) }, "family": func(s *Sighting) { s.Family = "Srizbi" },
		"kind": func(s *Sighting) { s.Kind = Spam }, "port": func(s *Sighting) { s.Port = 1 }, "addr": func(s *Sighting) { s.Addr = s.Addr.Next() }, "name": func(s *Sighting) { s.Name = "a.example.com" },
		"resolved": func(s *Sighting) { s.Resolved, s.Answer = true, "A" },
	} {
		s := base
		edit(&s)
		if err := s.Accept(DefaultFamilies(), time.Time{}); err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[s.ID]; ok {
			t.Errorf("%q and %q have one id", name, other)
		}
		seen[s.ID] = name
	}
	s := base
	s.Family, s.Note, s.Confidence = "Costrat", "n", 7
	if err := s.Accept(DefaultFamilies(), noon); err != nil || seen[s.ID] != "" {
		t.Errorf("another id by another alias: %v", err)
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back Sighting
	if err := json.Unmarshal(text, &back); err != nil || back != s {
		t.Errorf("%v\n%s", err, text)
	}
}

func FuzzAccept(f *testing.F) {
	f.Add("http://a.example:80/", "a.example", "5.6.7.8", "Qbot")
	f.Add("x://[::1%25eth0]/", "[::1]", "", "")
	f.Add("http:///", "xn--a.b", "fe80::1%1", "x/y")
	f.Fuzz(func(t *testing.T, url, name, addr, family string) {
		s := Sighting{Source: "fuzz", At: noon, URL: url, Name: name, Family: family}
		s.Addr, _ = netip.ParseAddr(addr)
		if err := s.Accept(DefaultFamilies(), noon); err != nil {
			return
		}
		if s.Addr.IsValid() && Special(s.Addr) != "" || s.Host() == "" {
			t.Fatalf("%+v", s)
		}
		again := s
		if err := again.Accept(DefaultFamilies(), noon); err != nil || again.ID != s.ID {
			t.Fatalf("%v\n%+v\n%+v", err, s, again)
		}
	})
}

package access

import (
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestClientBehindProxies(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28"), netip.MustParsePrefix("2001:db8::1/128")}
	for _, x := range []struct {
		remote    string
		forwarded []string
		want      string
		proxied   bool
	}{
		{"198.51.100.7:1", nil, "198.51.100.7", false},
		{"198.51.100.7:1", []string{"203.0.113.9"}, "198.51.100.7", false}, // it says so of itself
		{"192.0.2.1:1", []string{"203.0.113.9"}, "203.0.113.9", true},
		{"192.0.2.1:1", []string{"10.1.1.1, 203.0.113.9"}, "203.0.113.9", true}, // what stands before may be made up
		{"192.0.2.1:1", []string{"203.0.113.9, 192.0.2.2"}, "203.0.113.9", true},
		{"192.0.2.1:1", []string{"203.0.113.9", "192.0.2.2"}, "203.0.113.9", true},
		{"192.0.2.1:1", []string{"nonsense"}, "192.0.2.1", true},
		{"192.0.2.1:1", nil, "192.0.2.1", true},
		{"[2001:db8::1]:1", []string{"2001:db8:5::6"}, "2001:db8:5::6", true},
		{"[::ffff:192.0.2.1]:1", []string{"203.0.113.9"}, "203.0.113.9", true},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = x.remote
		for _, f := range x.forwarded {
			r.Header.Add("X-Forwarded-For", f)
		}
		if got, proxied := client(r, proxies); got.String() != x.want || proxied != x.proxied {
			t.Errorf("%s %q: %s %t", x.remote, x.forwarded, got, proxied)
		}
	}
}

func FuzzForwardedFor(f *testing.F) {
	f.Add("203.0.113.9, 192.0.2.2")
	f.Add(",,")
	f.Add("[::1]:80, fe80::1%eth0")
	proxies := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28")}
	f.Fuzz(func(t *testing.T, s string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "192.0.2.1:1"
		r.Header["X-Forwarded-For"] = []string{s}
		got, proxied := client(r, proxies)
		if !proxied || !got.IsValid() || got.Zone() != "" || got.Is4In6() {
			t.Errorf("%q: %v %t", s, got, proxied)
		}
	})
}

package access

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestLimiter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := newLimiter(10, 20)
	for i := range 20 {
		if _, ok := l.allow("a", now, 1); !ok {
			t.Fatalf("request %d of the burst is refused", i)
		}
	}
	wait, ok := l.allow("a", now, 1)
	if ok || wait != 100*time.Millisecond {
		t.Errorf("%t, wait %s", ok, wait)
	}
	if _, ok := l.allow("b", now, 1); !ok {
		t.Error("another client pays")
	}
	if _, ok := l.allow("a", now.Add(wait), 1); !ok {
		t.Error("after the wait it is refused")
	}
	if _, ok := newLimiter(0, 0).allow("a", now, 1); !ok {
		t.Error("without a limit it is refused")
	}
}

func TestLimiterIsBounded(t *testing.T) {
	now := time.Now()
	l := newLimiter(1, 10)
	for i := range 3 * maxClients {
		l.allow(fmt.Sprint(i), now, 1)
	}
	if len(l.clients) != maxClients || l.order.Len() != maxClients {
		t.Errorf("%d clients, %d in order", len(l.clients), l.order.Len())
	}
	if _, ok := l.clients[fmt.Sprint(3*maxClients-1)]; !ok {
		t.Error("the last one is forgotten")
	}
}

func TestClientKey(t *testing.T) {
	for a, want := range map[string]string{"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64"} {
		if got := clientKey(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: %s, want %s", a, got, want)
		}
	}
}

func TestRememberedIsBoundedAndEnds(t *testing.T) {
	now := time.Now()
	r := newRemembered[int](3)
	var names []string
	for i := range 5 {
		names = append(names, r.put(i, now.Add(time.Minute)))
	}
	for i, name := range names {
		if got, ok := r.get(name, now); ok != (i >= 2) || ok && got != i {
			t.Errorf("%d: %d %t", i, got, ok)
		}
	}
	if _, ok := r.get(names[4], now.Add(time.Minute)); ok {
		t.Error("it does not end")
	}
	if got, ok := r.take(names[3], now); !ok || got != 3 {
		t.Error("not there")
	}
	if _, ok := r.take(names[3], now); ok {
		t.Error("it can be taken twice")
	}
}

func TestLocalPath(t *testing.T) {
	for path, want := range map[string]string{"/": "/", "/hosters/mccolo?at=x": "/hosters/mccolo?at=x", "": "/", "//evil.example": "/", `/\evil.example`: "/", "https://evil.example": "/",
		"/login": "/", "/logout": "/", "/a\r\nSet-Cookie: x": "/", "/\tx": "/"} {
		if got := localPath(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

package access

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxClients bounds what is remembered of clients. A client that was forgotten begins
// with a full burst: who has ten thousand addresses is not held up by counting.
const maxClients = 10_000

// limiter gives each client so many requests a second.
type limiter struct {
	rate  rate.Limit
	burst int

	mu      sync.Mutex
	clients map[string]*list.Element // guarded by mu
	order   list.List                // guarded by mu; the one that asked last is in front
}

type bucket struct {
	key string
	*rate.Limiter
}

func newLimiter(perSecond float64, burst int) *limiter {
	return &limiter{rate: rate.Limit(perSecond), burst: burst, clients: map[string]*list.Element{}}
}

// allow takes n from the client's bucket; where there is not so much in it, the time
// until there is.
func (l *limiter) allow(key string, now time.Time, n int) (time.Duration, bool) {
	if l.rate <= 0 {
		return 0, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.clients[key]
	if e == nil {
		e = l.order.PushFront(&bucket{key, rate.NewLimiter(l.rate, l.burst)})
		l.clients[key] = e
		if l.order.Len() > maxClients {
			last := l.order.Back()
			delete(l.clients, l.order.Remove(last).(*bucket).key)
		}
	} else {
		l.order.MoveToFront(e)
	}
	b := e.Value.(*bucket)
	if b.AllowN(now, min(n, l.burst)) {
		return 0, true
	}
	missing := float64(n) - b.TokensAt(now)
	return max(time.Duration(missing/float64(l.rate)*float64(time.Second)), time.Millisecond), false
}

// clientKey is what one client is counted as: an IPv4 address, or an IPv6 /64, which is
// what one customer has.
func clientKey(a netip.Addr) string {
	if a = a.Unmap(); a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

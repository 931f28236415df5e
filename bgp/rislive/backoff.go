package rislive

import (
	"net/http"
	"strconv"
	"time"
)

// backOff spreads the attempts to connect: the pause doubles, and half of it is
// left to chance, so that all who lost the server at the same moment do not come
// back at the same moment.
type backOff struct {
	min, max time.Duration
	random   func() float64
	pause    time.Duration // the last one, before chance
}

// next gives the pause after a connection that lasted so long, 0 where there was
// none. Only one that held as long as the longest pause makes the pause short
// again: a server that takes everybody in and throws them out is not to be hammered.
func (b *backOff) next(lasted time.Duration) time.Duration {
	switch {
	case b.pause == 0 || lasted >= b.max:
		b.pause = b.min
	default:
		b.pause = min(2*b.pause, b.max)
	}
	return b.pause/2 + time.Duration(b.random()*float64(b.pause-b.pause/2))
}

// maxRetryAfter bounds what a server may ask for: one that says "next year" has a
// fault, and is not to make us blind until then.
const maxRetryAfter = 15 * time.Minute

// retryAfter reads the header of that name (RFC 9110 section 10.2.3), 0 without.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil {
		return min(max(time.Duration(n), 0), maxRetryAfter/time.Second) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return min(max(t.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

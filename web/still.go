package web

import (
	"context"
	"net/http"
	"sync"
	"time"

	"depeer/watch/timeline"
)

// stillBoard is by whom all hosters are still routed now. It is read from the past of all of them: with
// many hosters who asks at a moment shares an answer, and the next one is made while the last one is given.
type stillBoard struct {
	mu   sync.Mutex
	last *stillAnswer   // guarded by mu; nil until it was asked for
	next *stillAnswer   // guarded by mu; is being made; nil: none is
	over bool           // guarded by mu; nothing is begun any more
	all  sync.WaitGroup // of what is being made

	life context.Context
	stop context.CancelFunc
}

// stillAnswer is one, or will be.
type stillAnswer struct {
	at   time.Time     // the moment that it is about
	done chan struct{} // closed when the rest is there
	took time.Duration
	page *page
	err  error
}

// An answer that took a while to make is given for longer, so that making it takes a small part of the
// time. All in times of how long it took.
const (
	stillFresh = 20  // so long it is given as it is;
	stillStale = 100 // so long it is given while the next one is made,
	stillMost  = time.Minute
)

func newStillBoard() *stillBoard {
	b := &stillBoard{}
	b.life, b.stop = context.WithCancel(context.Background())
	return b
}

// end waits until nothing is made any more.
func (b *stillBoard) end() {
	b.mu.Lock()
	b.over = true
	b.mu.Unlock()
	b.stop()
	b.all.Wait()
}

type stillWork func(ctx context.Context, at time.Time) ([]timeline.Still, error)

// now gives the answer of a moment, or of a little before.
func (b *stillBoard) now(ctx context.Context, at time.Time, work stillWork) (*page, error) {
	b.mu.Lock()
	last, next := b.last, b.next
	var age, given, fresh time.Duration
	if last != nil {
		age = at.Sub(last.at) // by the clock of the answers, which a playback winds back and forth
		given, fresh = min(stillStale*last.took, stillMost), min(stillFresh*last.took, stillMost/2)
	}
	if (age < 0 || age >= fresh) && (next == nil || at.Sub(next.at).Abs() > stillMost) && !b.over {
		next = &stillAnswer{at: at, done: make(chan struct{})}
		b.next = next
		b.all.Go(func() { b.make(next, work) })
	}
	b.mu.Unlock()
	if age >= 0 && age < given {
		return last.page, nil
	}
	if next == nil {
		return nil, ErrLater
	}
	select {
	case <-next.done:
		return next.page, next.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (b *stillBoard) make(x *stillAnswer, work stillWork) {
	began := time.Now()
	var list []timeline.Still
	if list, x.err = work(b.life, x.at); x.err == nil {
		x.page, x.err = pageOfJSON(list)
	}
	x.took = time.Since(began)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == x {
		if b.next = nil; x.err == nil {
			b.last = x
		}
	}
	close(x.done)
}

// stillInput is the question by whom hosters are still routed.
type stillInput struct {
	Believing
	At string `query:"at" doc:"the moment; now where it is missing"`
}

// addStill lets ask what a NOC asks first of a hoster that everybody complains about.
func (s *Server) addStill() {
	o := reading("/still", "still", tagHistory, "By whom every hoster is still routed, and for how many days it has been known",
		"Each entry says of which moment it is: with many hosters that may be up to a minute ago, unless `at` asks for another.")
	streamed(s, o, []timeline.Still{}, func(ctx context.Context, in *stillInput) (func(http.ResponseWriter, *http.Request), error) {
		at, err := parseTime("at", in.At, true)
		if err != nil {
			return nil, err
		}
		believed, err := parseTime("believed", in.Believed, true)
		if err != nil {
			return nil, err
		}
		if s.deps.Still == nil {
			return nil, absent(noTimeline)
		}
		work := func(ctx context.Context, at time.Time) ([]timeline.Still, error) {
			list, err := busy(ctx, s, func() (*[]timeline.Still, error) {
				x, err := s.deps.Still(ctx, at, believed)
				return &x, err
			})
			if err != nil {
				return nil, err
			}
			return *list, nil
		}
		var p *page
		if at.IsZero() && believed.IsZero() {
			p, err = s.still.now(ctx, s.world().UTC(), work)
		} else {
			if at.IsZero() {
				at = s.world().UTC()
			}
			var list []timeline.Still
			if list, err = work(ctx, at); err == nil {
				p, err = pageOfJSON(list)
			}
		}
		if err != nil {
			return nil, err
		}
		return p.write, nil
	})
}

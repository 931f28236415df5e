package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"depeer/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cabinet is a Store in memory: the smallest that compares before it sets and forgets.
type cabinet struct {
	keep time.Duration

	mu       sync.Mutex
	values   map[string]Entry     // guarded by mu
	written  map[string]time.Time // guarded by mu
	revision uint64               // guarded by mu
	watchers []chan Entry         // guarded by mu
	broken   error                // guarded by mu
}

func newCabinet(keep time.Duration) *cabinet {
	return &cabinet{keep: keep, values: map[string]Entry{}, written: map[string]time.Time{}}
}

// at wants mu.
func (c *cabinet) at(key string) Entry {
	if c.keep > 0 && time.Since(c.written[key]) > c.keep {
		delete(c.values, key)
	}
	e := c.values[key]
	e.Key = key
	return e
}

func (c *cabinet) Get(_ context.Context, key string) (Entry, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at(key), c.broken
}

func (c *cabinet) Put(_ context.Context, key string, value []byte, revision uint64) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return 0, c.broken
	}
	if have := c.at(key).Revision; have != revision {
		return 0, fmt.Errorf("%s is at %d: %w", key, have, ErrChanged)
	}
	c.revision++
	e := Entry{Key: key, Value: value, Revision: c.revision}
	c.values[key], c.written[key] = e, time.Now()
	if value == nil {
		delete(c.values, key)
	}
	for _, w := range c.watchers {
		w <- e
	}
	return c.revision, nil
}

func (c *cabinet) Watch(ctx context.Context, _ string, each func(Entry) error) error {
	c.mu.Lock()
	w := make(chan Entry, 1000)
	for _, key := range slices.Sorted(maps.Keys(c.values)) {
		w <- c.values[key]
	}
	w <- Entry{}
	c.watchers = append(c.watchers, w)
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.watchers = slices.DeleteFunc(c.watchers, func(x chan Entry) bool { return x == w })
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-w:
			if err := each(e); err != nil {
				return err
			}
		}
	}
}

// newsroom is a Log in memory: what is not handled is handed over again.
type newsroom struct {
	incidents chan watch.Incident
	events    chan []byte

	mu         sync.Mutex
	deliveries []Delivery // guarded by mu
}

func newNewsroom() *newsroom {
	return &newsroom{incidents: make(chan watch.Incident, 1000), events: make(chan []byte, 1000)}
}

func (n *newsroom) Incidents(ctx context.Context, handle func(context.Context, watch.Incident, uint64) error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case i := <-n.incidents:
			if handle(ctx, i, uint64(len(n.incidents))) != nil {
				n.incidents <- i
			}
		}
	}
}

func (n *newsroom) Events(ctx context.Context, handle func(context.Context, []byte) error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-n.events:
			if handle(ctx, e) != nil {
				n.events <- e
			}
		}
	}
}

func (n *newsroom) Delivered(_ context.Context, d Delivery) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deliveries = append(n.deliveries, d)
	return nil
}

// outcomes are those of a receiver, in order, each once.
func (n *newsroom) outcomes(receiver string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []string
	seen := map[string]bool{}
	for _, d := range n.deliveries {
		if d.Receiver == receiver && !seen[d.ID] {
			seen[d.ID] = true
			out = append(out, string(d.Outcome))
		}
	}
	return strings.Join(out, " ")
}

// wall is a receiver that keeps what it is sent.
type wall struct {
	mu   sync.Mutex
	got  []Message                            // guarded by mu
	does func(n int, m *Message) error        // guarded by mu; what happens to the n-th call, from 1
	slow func(ctx context.Context, n int) any // outside of mu
}

func (w *wall) Send(ctx context.Context, m *Message) (Receipt, error) {
	w.mu.Lock()
	w.got = append(w.got, *m)
	n, does := len(w.got), w.does
	w.mu.Unlock()
	if w.slow != nil {
		w.slow(ctx, n)
	}
	if does != nil {
		if err := does(n, m); err != nil {
			return nil, err
		}
	}
	return Receipt{"ts": m.Key[:4]}, nil
}

func (w *wall) messages() []Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.got)
}

func (w *wall) let(does func(int, *Message) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.does = does
}

// office is a notifier with all that it needs, within a bubble of synctest.
type office struct {
	t       *testing.T
	cfg     Config
	deps    Deps
	news    *newsroom
	threads *cabinet
	ledger  *Ledger
	walls   map[string]*wall
	n       *Notifier
}

func newOffice(t *testing.T, receivers ...string) *office {
	o := &office{t: t, cfg: DefaultConfig(), news: newNewsroom(), threads: newCabinet(0), walls: map[string]*wall{}}
	ledger := newCabinet(0)
	o.ledger = NewLedger(ledger)
	o.deps = Deps{Log: o.news, Threads: o.threads, Ledger: ledger, Leases: newCabinet(o.cfg.Lease), Receivers: map[string]Receiver{}, Owner: "a", Logger: slog.New(slog.DiscardHandler)}
	for _, name := range receivers {
		o.walls[name] = &wall{}
		o.deps.Receivers[name] = o.walls[name]
	}
	o.cfg.Subscriptions = []Subscription{{Name: "all", To: receivers}}
	return o
}

// start runs a notifier; what it gives stops it, and waits for that.
func (o *office) start() (stop func()) {
	o.t.Helper()
	n, err := New(o.cfg, o.deps)
	if err != nil {
		o.t.Fatal(err)
	}
	o.n = n
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			o.t.Error(err)
		}
	}
}

// after lets time pass, and gives what a receiver has got by then.
func (o *office) after(d time.Duration, receiver string) []Message {
	time.Sleep(d)
	synctest.Wait()
	return o.walls[receiver].messages()
}

func (o *office) incident(hoster string, revision int, phase watch.Phase) {
	i := watch.Incident{Type: "incident", ID: "incident-" + hoster, Hoster: hoster, Revision: revision, At: time.Now(), Phase: phase, Class: watch.Depeered,
		Severity: watch.Critical, Opened: time.Now(), Lost: []uint32{174}, Summary: fmt.Sprintf("%s: revision %d", hoster, revision)}
	o.news.incidents <- i
}

func TestTellsEditsAndGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "slack")
		stop := o.start()
		o.incident("bad", 1, watch.Open)
		got := o.after(time.Second, "slack")
		if len(got) != 1 || got[0].Reason != Opened || !got[0].Loud || got[0].Before != nil || got[0].Unsure || got[0].Incident.ID != "incident-bad" {
			t.Fatalf("%+v", got)
		}
		o.incident("bad", 2, watch.Open)
		o.incident("bad", 3, watch.Open)
		o.incident("bad", 2, watch.Open) // delivered again
		got = o.after(time.Minute, "slack")
		if len(got) != 2 || got[1].Reason != Changed || got[1].Before["ts"] != got[0].Key[:4] || got[1].Key != got[0].Key || got[1].ID == got[0].ID ||
			got[1].Incident.Revision != 3 || len(got[1].Thread) != 2 {
			t.Fatalf("%d messages, %+v", len(got), got[len(got)-1])
		}
		stop()

		// Another process goes on: nothing is told twice, and the end is told as an edit.
		o.deps.Owner = "b"
		stop = o.start()
		defer stop()
		o.incident("bad", 3, watch.Open)
		o.incident("bad", 4, watch.Resolved)
		got = o.after(time.Minute, "slack")
		if len(got) != 3 || got[2].Reason != Resolved || !got[2].Resolved || got[2].Before["ts"] == "" {
			t.Fatalf("%d messages, %+v", len(got), got[len(got)-1])
		}
		if s := o.news.outcomes("slack"); s != "sent sent sent" {
			t.Errorf("deliveries: %s", s)
		}
	})
}

// Whoever does not know whether a message arrived says so with the next one.
func TestUnsureAfterDeathAndAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "slack")
		o.walls["slack"].let(func(n int, _ *Message) error {
			if n == 1 {
				return Temporary(0, "no answer in time")
			}
			return nil
		})
		stop := o.start()
		o.incident("bad", 1, watch.Open)
		got := o.after(time.Minute, "slack")
		if len(got) != 2 || got[0].Unsure || !got[1].Unsure || got[0].ID != got[1].ID {
			t.Fatalf("%+v", got)
		}
		if s := o.news.outcomes("slack"); s != "failed sent" {
			t.Errorf("deliveries: %s", s)
		}
		stop()

		// The claim of one that was killed: it is in the store, and nothing says that it arrived.
		e, _ := o.threads.Get(t.Context(), place("slack", got[0].Key))
		var th Thread
		if err := json.Unmarshal(e.Value, &th); err != nil {
			t.Fatal(err)
		}
		claim := th.Told
		th.Told, th.Receipt, th.Claim, th.Subs = Told{}, nil, &claim, nil
		text, _ := json.Marshal(th)
		if _, err := o.threads.Put(t.Context(), e.Key, text, e.Revision); err != nil {
			t.Fatal(err)
		}
		stop = o.start()
		defer stop()
		got = o.after(time.Minute, "slack")
		if len(got) != 3 || !got[2].Unsure || got[2].ID != got[0].ID {
			t.Fatalf("%d messages, %+v", len(got), got[len(got)-1])
		}
	})
}

// A receiver that is dead, and one that hangs, hold up nobody; what cannot be delivered
// is listed, and sent when somebody asks for it.
func TestOneDeadReceiverHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "dead", "good", "hangs", "wrong", "panics")
		o.walls["dead"].let(func(int, *Message) error { return errors.New("connection refused") })
		o.walls["wrong"].let(func(int, *Message) error { return Permanent("channel_not_found") })
		o.walls["panics"].let(func(int, *Message) error { panic("oh") })
		o.walls["hangs"].slow = func(ctx context.Context, _ int) any { <-ctx.Done(); return nil }
		o.walls["hangs"].let(func(int, *Message) error { return Temporary(0, "no answer in time") })
		stop := o.start()
		defer func() { stop() }()
		for i := range 20 {
			o.incident(fmt.Sprintf("h%d", i), 1, watch.Open)
		}
		if got := o.after(time.Second, "good"); len(got) != 20 {
			t.Errorf("the good one got %d", len(got))
		}
		if got := o.after(time.Hour, "dead"); len(got) < 5 || len(got) > 60 {
			t.Errorf("the dead one was tried %d times in an hour: the breaker is for that", len(got))
		}
		if c := o.n.Stats()["dead"]; !c.Paused || c.Waiting == 0 || c.Sent != 0 || c.Failed == 0 {
			t.Errorf("dead: %+v", c)
		}
		letters, err := Dead(t.Context(), o.threads)
		if err != nil || len(letters) != 40 || letters[0].Receiver != "panics" || !strings.Contains(letters[0].Error, "panic: oh") || letters[39].Error != "channel_not_found" {
			t.Fatalf("%d letters, %v: %+v", len(letters), err, letters)
		}
		// It comes back: all is told, in its latest state.
		o.incident("h0", 2, watch.Open)
		o.walls["dead"].let(nil)
		if got := o.after(time.Hour, "dead"); !slices.ContainsFunc(got, func(m Message) bool { return m.Incident.Revision == 2 }) {
			t.Error("the latest state was not told")
		}
		if c := o.n.Stats()["dead"]; c.Sent != 20 || c.Waiting != 0 || c.Paused {
			t.Errorf("dead, and back: %+v", c)
		}
		// Somebody mends the wrong one, and asks for one letter, also after a restart.
		before := len(o.walls["wrong"].messages())
		o.walls["wrong"].let(nil)
		stop()
		stop = o.start()
		if got := o.after(time.Hour, "wrong"); len(got) != before {
			t.Errorf("%d dead letters were sent without being asked for", len(got)-before)
		}
		if err := o.ledger.Resend(t.Context(), letters[39].Place); err != nil {
			t.Fatal(err)
		}
		if got := o.after(time.Minute, "wrong"); len(got) != before+1 {
			t.Errorf("%d were sent again", len(got)-before)
		}
		if letters, _ := Dead(t.Context(), o.threads); slices.ContainsFunc(letters, func(l Letter) bool { return l.Place == letters[len(letters)-1].Place && l.Error == "" }) || len(letters) != 39 {
			t.Errorf("%d letters are left", len(letters))
		}
	})
}

func TestRetryAfterIsRespectedAndGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "slack")
		began := time.Now()
		var second time.Duration
		o.walls["slack"].let(func(n int, _ *Message) error {
			if n == 1 {
				return Temporary(10*time.Minute, "429")
			}
			second = time.Since(began)
			return nil
		})
		stop := o.start()
		o.incident("bad", 1, watch.Open)
		if got := o.after(9*time.Minute, "slack"); len(got) != 1 {
			t.Errorf("%d attempts before the time that was asked for", len(got))
		}
		if got := o.after(2*time.Minute, "slack"); len(got) != 2 || second < 10*time.Minute {
			t.Errorf("%d attempts, the second after %s", len(got), second)
		}
		o.walls["slack"].let(func(int, *Message) error { return Temporary(0, "500") })
		o.incident("bad", 2, watch.Open)
		o.after(30*time.Hour, "slack")
		letters, err := Dead(t.Context(), o.threads)
		if err != nil || len(letters) != 1 || !strings.HasPrefix(letters[0].Error, "given up after 24 hours") {
			t.Errorf("%v %+v", err, letters)
		}
		stop()
	})
}

// Of two processes one tells. When it dies without a word the other takes over.
func TestOneTellsAndAnotherTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "slack")
		stop := o.start()
		time.Sleep(time.Second)
		first := o.n
		o.deps.Owner = "b"
		stop2 := o.start()
		defer stop2()
		o.incident("bad", 1, watch.Open)
		if got := o.after(time.Minute, "slack"); len(got) != 1 || !first.Leads() || o.n.Leads() {
			t.Errorf("%d messages; leads: %t, %t", len(got), first.Leads(), o.n.Leads())
		}
		stop()
		o.incident("bad", 2, watch.Open)
		if got := o.after(time.Minute, "slack"); len(got) != 2 || !o.n.Leads() {
			t.Errorf("%d messages; the other leads: %t", len(got), o.n.Leads())
		}
		// Somebody else writes a thread, who believes that he leads: this one gives way, reads
		// what is there, and doubles nothing.
		key := place("slack", o.walls["slack"].messages()[0].Key)
		e, _ := o.threads.Get(t.Context(), key)
		if _, err := o.threads.Put(t.Context(), key, e.Value, e.Revision); err != nil {
			t.Fatal(err)
		}
		o.incident("bad", 3, watch.Open)
		if got := o.after(time.Minute, "slack"); len(got) != 3 || got[2].Incident.Revision != 3 {
			t.Errorf("%d messages", len(got))
		}
	})
}

// What people say and ask for at run time holds at once.
func TestPeopleAreHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "slack", "mail")
		o.cfg.Subscriptions = []Subscription{{Name: "noc", To: []string{"slack"}, Repeat: Span(time.Hour)}}
		stop := o.start()
		defer stop()
		ctx := t.Context()
		o.incident("bad", 1, watch.Open)
		o.after(time.Second, "slack")
		if err := o.ledger.Ack(ctx, "incident-bad", "alice", "on it", time.Now()); err != nil {
			t.Fatal(err)
		}
		got := o.after(24*time.Hour, "slack")
		if len(got) != 2 || got[1].Reason != Acked || got[1].Loud || !slices.Contains(got[1].Changes, "acknowledged by alice: on it") {
			t.Fatalf("%d messages, %+v", len(got), got[len(got)-1])
		}
		// A subscription that is made now tells of what is open, when it moves.
		if err := o.ledger.Subscribe(ctx, Subscription{Name: "mine", To: []string{"mail"}, By: "bob"}, false); err != nil {
			t.Fatal(err)
		}
		if err := o.ledger.Subscribe(ctx, Subscription{Name: "mine", To: []string{"mail"}}, false); !errors.Is(err, ErrTaken) {
			t.Errorf("a name twice: %v", err)
		}
		o.after(time.Second, "mail")
		o.incident("bad", 2, watch.Open)
		if got := o.after(time.Minute, "mail"); len(got) != 1 || got[0].Reason != Opened {
			t.Errorf("%+v", got)
		}
		if err := o.ledger.SilenceIncident(ctx, "incident-bad", "bob", time.Now(), time.Hour, "enough"); err != nil {
			t.Fatal(err)
		}
		o.after(time.Second, "mail")
		o.incident("bad", 3, watch.Open)
		if got := o.after(30*time.Minute, "mail"); len(got) != 1 {
			t.Errorf("%d messages in the silence", len(got))
		}
		if got := o.after(time.Hour, "mail"); len(got) != 2 || got[1].Incident.Revision != 3 {
			t.Errorf("%d messages after it", len(got))
		}
		if err := o.ledger.Unsubscribe(ctx, "mine"); err != nil {
			t.Fatal(err)
		}
		o.after(time.Second, "mail")
		o.incident("bad", 4, watch.Resolved)
		if got := o.after(time.Hour, "mail"); len(got) != 2 {
			t.Errorf("%d messages to who wants none any more", len(got))
		}
		if s := o.news.outcomes("mail"); s != "sent held sent" {
			t.Errorf("deliveries: %s", s)
		}
		for id, err := range map[string]error{"a b": o.ledger.Ack(ctx, "a b", "x", "", time.Now()), "": o.ledger.Comment(ctx, "x", "x", " ", time.Now())} {
			if err == nil {
				t.Errorf("%q was taken", id)
			}
		}
	})
}

// A picture that takes long, fails or panics does not hold up its message.
func TestMessageGoesWithoutItsPicture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "slack")
		o.deps.Picture = func(ctx context.Context, i watch.Incident) (*Picture, error) {
			switch i.Hoster {
			case "slow":
				<-ctx.Done()
				return nil, ctx.Err()
			case "bad":
				return nil, errors.New("no disk")
			case "worse":
				panic("oh")
			}
			return &Picture{PNG: []byte("png")}, nil
		}
		stop := o.start()
		defer stop()
		began := time.Now()
		for _, h := range []string{"good", "bad", "worse", "slow"} {
			o.incident(h, 1, watch.Open)
		}
		got := o.after(4*time.Second, "slack")
		if len(got) != 4 {
			t.Fatalf("%d messages after %s", len(got), time.Since(began))
		}
		for _, m := range got {
			if (m.Picture != nil) != (m.Incident.Hoster == "good") {
				t.Errorf("%s: picture %v", m.Incident.Hoster, m.Picture)
			}
		}
	})
}

// While nothing can be kept nothing is sent, and afterwards all is.
func TestNothingIsSentThatCannotBeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "slack")
		stop := o.start()
		defer stop()
		time.Sleep(time.Second)
		o.threads.mu.Lock()
		o.threads.broken = errors.New("no server")
		o.threads.mu.Unlock()
		o.incident("bad", 1, watch.Open)
		if got := o.after(30*time.Second, "slack"); len(got) != 0 {
			t.Errorf("%d messages that nobody could note", len(got))
		}
		o.threads.mu.Lock()
		o.threads.broken = nil
		o.threads.mu.Unlock()
		if got := o.after(30*time.Second, "slack"); len(got) != 1 {
			t.Errorf("%d messages", len(got))
		}
	})
}

// A digest is told once, however often it is asked for, and by whomever.
func TestDigestIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // midnight UTC, 2000-01-01
		o := newOffice(t, "mail")
		o.cfg.Subscriptions = []Subscription{{Name: "daily", To: []string{"mail"}, Digest: DigestTimes{Every: "daily", At: "08:00"}}}
		gather := func(context.Context, time.Time, time.Time) ([]Story, []Routed, error) { return nil, nil, nil }
		for range 2 {
			stop := o.start()
			time.Sleep(8*time.Hour + time.Minute - time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)))
			time.Sleep(2 * time.Second)
			for range 3 {
				if err := o.n.Digests(t.Context(), time.Now(), gather); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			stop()
		}
		if got := o.walls["mail"].messages(); len(got) != 1 || got[0].Reason != Digest || got[0].Loud || got[0].Incident != nil {
			t.Errorf("%d messages", len(got))
		}
	})
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"depeer/bus"
	"depeer/notify"
	"depeer/watch"
)

// notifyVictim is a program that is there to be killed: see victim.
const notifyVictim = "depeer-notify-victim"

// boards are five places to which messages are posted, like chat channels: a message is made by
// POST, which knows no idempotency, and edited by PUT. They outlive their posters.
type boards struct {
	*httptest.Server
	mu     sync.Mutex
	byID   map[string]*posted // guarded by mu
	byKey  map[string][]*posted
	done   chan struct{} // closed when every message says what it must
	next   int           // of the calls, at which enough is told
	enough chan struct{}
	want   int
	last   int
	right  int
	calls  int
	doomed string // the board that fails half the time
}

type posted struct {
	Board    string `json:"board"`
	ID       string `json:"id"`
	Key      string `json:"key"`
	Incident string `json:"incident"`
	Revision int    `json:"revision"`
	Message  string `json:"message"`
	right    bool
	edits    map[string]int
}

func newBoards(t *testing.T, want, last int) *boards {
	b := &boards{byID: map[string]*posted{}, byKey: map[string][]*posted{}, done: make(chan struct{}), want: want, last: last, doomed: "board5"}
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Close)
	return b
}

// after gives a channel that is closed after so many more calls.
func (b *boards) after(n int) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next, b.enough = b.calls+n, make(chan struct{})
	return b.enough
}

func (b *boards) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var in posted
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil && r.Method != http.MethodGet {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	place := r.URL.Query().Get("board") + " " + r.URL.Query().Get("key")
	if r.Method != http.MethodGet {
		if b.calls++; b.calls == b.next {
			close(b.enough)
		}
		place = in.Board + " " + in.Key
	}
	// Half of the failures come before anything is done, and half after it.
	fails := in.Board == b.doomed && rand.IntN(2) == 0
	if fails && rand.IntN(2) == 0 {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	var p *posted
	switch r.Method {
	case http.MethodGet:
		if all := b.byKey[place]; len(all) > 0 {
			p = all[0]
		}
	case http.MethodPost:
		p = &posted{Board: in.Board, Key: in.Key, ID: fmt.Sprint(len(b.byID) + 1), edits: map[string]int{}}
		b.byID[p.ID] = p
		b.byKey[place] = append(b.byKey[place], p)
		b.write(p, in)
	case http.MethodPut:
		if p = b.byID[in.ID]; p != nil {
			b.write(p, in)
		}
	}
	if p == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if fails {
		w.WriteHeader(http.StatusGatewayTimeout)
		return
	}
	_ = json.NewEncoder(w).Encode(p)
}

func (b *boards) write(p *posted, in posted) {
	p.Incident, p.Revision, p.Message = in.Incident, in.Revision, in.Message
	p.edits[in.Message]++
	if right := p.Revision == b.last; right != p.right {
		p.right = right
		if right {
			b.right++
		} else {
			b.right--
		}
		if b.right == b.want {
			select {
			case <-b.done:
			default:
				close(b.done)
			}
		}
	}
}

// poster is a receiver that posts to a board as a chat receiver does.
type poster struct{ url, board string }

var _ notify.Receiver = poster{}

func (p poster) Send(ctx context.Context, m *notify.Message) (notify.Receipt, error) {
	x := posted{Board: p.board, Key: m.Key, ID: m.Before["id"], Message: m.ID, Incident: m.Incident.ID, Revision: m.Incident.Revision}
	if x.ID == "" && m.Unsure {
		old, code, err := p.call(ctx, http.MethodGet, x)
		if err != nil {
			return nil, err
		}
		if code == http.StatusOK {
			x.ID = old.ID
		}
	}
	method := http.MethodPost
	if x.ID != "" {
		method = http.MethodPut
	}
	out, code, err := p.call(ctx, method, x)
	if err == nil && code != http.StatusOK {
		err = notify.Permanent("%s: %d", method, code)
	}
	if err != nil {
		return nil, err
	}
	return notify.Receipt{"id": out.ID}, nil
}

func (p poster) call(ctx context.Context, method string, x posted) (out posted, code int, err error) {
	body, err := json.Marshal(x)
	if err != nil {
		return out, 0, err
	}
	req, err := http.NewRequestWithContext(ctx, method, p.url+"/?board="+x.Board+"&key="+x.Key, bytes.NewReader(body))
	if err != nil {
		return out, 0, err
	}
	resp, err := notify.Do(http.DefaultClient, req)
	if err != nil {
		return out, 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 500 {
		return out, 0, notify.CheckStatus(resp, time.Now(), "")
	}
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode == http.StatusOK {
		err = json.Unmarshal(text, &out)
	}
	return out, resp.StatusCode, err
}

const victimRevisions = 3

// victim publishes incidents, again and again the same ones, and tells five boards. Its
// arguments are the folder in which it lives, the address of the boards, how many
// incidents there are, and how many revisions of each.
func victim() {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	err := func() error {
		ctx := context.Background()
		var n, revisions int
		if _, err := fmt.Sscan(os.Args[3]+" "+os.Args[4], &n, &revisions); err != nil {
			return err
		}
		cfg := bus.DefaultConfig()
		cfg.Embedded.Dir = os.Args[1]
		b, err := bus.Open(ctx, cfg, bus.Deps{Logger: log})
		if err != nil {
			return err
		}
		defer b.Close()
		nc := notify.DefaultConfig()
		nc.Every, nc.Retry.First, nc.Retry.Most, nc.Breaker.Pause = 100*time.Millisecond, 10*time.Millisecond, 50*time.Millisecond, 20*time.Millisecond
		nc.Subscriptions = []notify.Subscription{{Name: "all"}}
		receivers := map[string]notify.Receiver{}
		for i := range 5 {
			name := fmt.Sprintf("board%d", i+1)
			receivers[name] = poster{os.Args[2], name}
			nc.Subscriptions[0].To = append(nc.Subscriptions[0].To, name)
		}
		nt, err := newTestNotifier(ctx, b, nc, receivers, "victim", log)
		if err != nil {
			return err
		}
		ended := make(chan error, 1)
		go func() { ended <- nt.Run(ctx) }()
		for revision := 1; revision <= revisions; revision++ {
			for i := range n {
				if err := b.PublishIncident(ctx, victimIncident(i, revision)); err != nil {
					return err
				}
			}
		}
		return <-ended
	}()
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func victimIncident(i, revision int) watch.Incident {
	at := time.Date(2026, 3, 1, 10, 0, i, 0, time.UTC)
	x := watch.Incident{Type: "incident", ID: fmt.Sprintf("incident-%d", i), Hoster: fmt.Sprintf("hoster-%d", i), Revision: revision, At: at.Add(time.Duration(revision) * time.Minute), Phase: watch.Open,
		Class: watch.Depeered, Severity: watch.Critical, Opened: at, Confirmed: at, Lost: []uint32{174}, Remaining: []uint32{3356}, Summary: fmt.Sprintf("Hoster %d: AS174 dropped it (%d)", i, revision)}
	if revision == victimRevisions {
		how := watch.Recovered
		x.Phase, x.Resolved, x.Resolution = watch.Resolved, &x.At, &how
	}
	return x
}

// newTestNotifier makes a notifier over a bus.
func newTestNotifier(ctx context.Context, b *bus.Bus, cfg notify.Config, receivers map[string]notify.Receiver, owner string, log *slog.Logger) (*notify.Notifier, error) {
	var stores [3]notify.Store
	err := rememberNotify(ctx, b)
	if err != nil {
		return nil, err
	}
	for i, x := range []struct {
		name string
		keep time.Duration
	}{{bucketThreads, keepThreads}, {bucketLedger, 0}, {bucketLease, cfg.Lease}} {
		if stores[i], err = openStore(ctx, b, x.name, x.keep); err != nil {
			return nil, err
		}
	}
	return notify.New(cfg, notify.Deps{Log: notifyLog{bus: b, log: log}, Threads: stores[0], Ledger: stores[1], Leases: stores[2], Receivers: receivers, Owner: owner, Logger: log})
}

// TestKilledWhileTelling: a thousand incidents are told to five places, of which one fails
// half the time, by a process that is killed again and again. Each place ends with the
// last state of each incident, in one message.
func TestKilledWhileTelling(t *testing.T) {
	t.Parallel()
	incidents, places := 1000, 5
	if raceEnabled {
		incidents = 100 // the detector makes it ten times as slow
	}
	b := newBoards(t, incidents*places, victimRevisions)
	dir := t.TempDir()
	kills := 0
	deadline := time.After(10 * time.Minute) // of the whole, only for a failure
	for told := false; !told; {
		cmd := exec.Command(notifyVictim, dir, b.URL, fmt.Sprint(incidents), fmt.Sprint(min(1+kills/2, victimRevisions)))
		var out lockedBuffer
		cmd.Stderr = &out
		enough := b.after(1 + rand.IntN(incidents*places/4))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		died := make(chan error, 1)
		go func() { died <- cmd.Wait() }()
		select {
		case <-b.done:
			told = true
		case <-enough:
			kills++
		case err := <-died:
			t.Fatalf("it died by itself: %v\n%s", err, out.String())
		case <-deadline:
			_ = cmd.Process.Kill()
			t.Fatalf("%d of %d messages say what they must\n%s", b.right, b.want, out.String())
		}
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		<-died
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.byKey) != b.want {
		t.Errorf("%d places with a message, want %d", len(b.byKey), b.want)
	}
	again := 0
	for place, all := range b.byKey {
		if len(all) != 1 {
			t.Errorf("%s has %d messages", place, len(all))
		}
		if all[0].Revision != victimRevisions {
			t.Errorf("%s ends with revision %d", place, all[0].Revision)
		}
		for _, n := range all[0].edits {
			again += n - 1
		}
	}
	t.Logf("killed %d times; %d messages, %d calls, %d edits were made again", kills, len(b.byID), b.calls, again)
}

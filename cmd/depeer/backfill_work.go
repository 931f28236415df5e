package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"depeer/bgp"
	"depeer/bgp/mrt"
	"depeer/bgp/wire"
	"depeer/watch"
	"depeer/watch/timeline"
)

// backfiller judges recordings and stores what a running depeer would have.
//
// Its position is the number of updates that it took in. What they gave rise to is
// stored together with it; an errand that is begun again takes in the same updates in the
// same order, and stores nothing up to the position that the store knows.
type backfiller struct {
	store    timeline.Store
	now      func() time.Time
	plan     *plan
	detector *watch.Detector
	recorder *timeline.Recorder
	watch    *wire.Watch
	roll     *roll
	policy   watch.Policy
	weight   int // of a batch; see backfillWeight

	collectors map[string]bool // that were heard

	n      uint64 // updates taken in
	stored uint64 // the store's position
	second int64  // of the last update
	first  time.Time
	last   time.Time
	sum    sum
	mark   []byte // the sum at the store's position
	batch  timeline.Batch
	ended  bool // all was stored,
	before bool // by an earlier call
	done   backfilled
}

// backfilled is what an errand stored.
type backfilled struct {
	Type      string    `json:"type"` // "backfill"
	Files     int       `json:"files"`
	Updates   uint64    `json:"updates"`   // of watched routes and sessions, read
	Changes   int       `json:"changes"`   // stored, of routes
	Events    int       `json:"events"`    // stored
	Incidents int       `json:"incidents"` // stored, revisions
	Gaps      int       `json:"gaps"`      // stored, revisions
	Batches   int       `json:"batches"`
	First     time.Time `json:"first,omitzero"`
	Last      time.Time `json:"last,omitzero"`
	Finished  bool      `json:"finished"`
}

const (
	backfillWeight = 20_000  // changes and records in a batch
	backfillEnd    = 1 << 62 // position of an errand that is finished
)

func newBackfiller(cfg *Config, store timeline.Store, p *plan, now func() time.Time) *backfiller {
	r := newReplayer(cfg)
	return &backfiller{store: store, now: now, plan: p, detector: r.detector, watch: r.watch, roll: newRoll(cfg.Hosters),
		recorder: timeline.NewRecorder(cfg.Policy.SyncQuiet), policy: cfg.Policy, weight: backfillWeight, collectors: map[string]bool{}, done: backfilled{Type: "backfill"}}
}

// run reads, judges and stores. What precedes a fault of a recording is stored, and what
// follows it too: the fault is returned at the end.
func (b *backfiller) run(ctx context.Context, p *progress) error {
	defer p.end()
	cursors, err := b.store.Cursors(ctx)
	if err != nil {
		return err
	}
	if b.stored = cursors[b.plan.name]; b.stored == backfillEnd {
		b.ended, b.before = true, true
		return nil
	}
	if b.mark, err = b.store.Kept(ctx, b.plan.name); err != nil {
		return err
	}
	sessions := mrt.NewSessions()
	var faults []error
	for _, x := range b.plan.Parts {
		fault, err := b.part(ctx, x, sessions, p)
		if err != nil {
			return errors.Join(err, errors.Join(faults...))
		}
		faults = append(faults, fault)
	}
	fault := errors.Join(faults...)
	return errors.Join(fault, b.finish(ctx, fault == nil))
}

// part reads one part. fault is what could not be read of it; an error ends the errand.
func (b *backfiller) part(ctx context.Context, x part, sessions *mrt.Sessions, p *progress) (fault, err error) {
	inputs, seeds, release, err := b.plan.ready(ctx, x)
	if err != nil {
		return nil, err
	}
	defer release()
	s := mrt.NewSource(mrt.Config{Inputs: inputs, Seeds: seeds, From: b.plan.From, To: b.plan.To, Watch: b.watch, Sessions: sessions,
		Buffer: replayBuffer, Progress: p.show})
	var refused error
	err = ahead(func(emit func([]bgp.Update) error) error { return s.Run(ctx, emit) }, func(batch []bgp.Update) error {
		refused = b.observe(ctx, batch)
		return refused
	})
	b.add(s.Stats())
	switch {
	case refused != nil:
		return nil, refused
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return err, nil
}

func (b *backfiller) add(s mrt.Stats) {
	b.done.Files += s.Files
	if b.done.First.IsZero() || !s.First.IsZero() && s.First.Before(b.done.First) {
		b.done.First = s.First
	}
	if s.Last.After(b.done.Last) {
		b.done.Last = s.Last
	}
}

// observe takes in updates. What is found is taken where a second ends, which depends on
// the updates alone: revisions count how often they were taken.
func (b *backfiller) observe(ctx context.Context, batch []bgp.Update) error {
	for i := range batch {
		u := &batch[i]
		if sec := u.At.Unix(); sec > b.second {
			b.second = sec
			if err := b.take(); err != nil {
				return err
			}
			if err := b.full(ctx); err != nil {
				return err
			}
		}
		if b.first.IsZero() || u.At.Before(b.first) {
			b.first = u.At
		}
		if u.At.After(b.last) {
			b.last = u.At
		}
		b.collectors[u.Peer.Collector] = true
		if err := b.events(b.detector.Observe(*u)); err != nil {
			return err
		}
		var hosters []string
		if u.Prefix.IsValid() {
			if hosters = b.roll.of(u); slices.Equal(hosters, b.roll.everyone) {
				hosters = nil
			}
		}
		b.recorder.Observe(hosters, *u)
		b.n++
		b.sum.take(u)
		if b.n == b.stored && b.mark != nil && !bytes.Equal(b.mark, b.sum.mark()) {
			return fmt.Errorf("up to %s the recordings are not those that an earlier call stored: a file was incomplete then, or is now. Nothing more was stored", when(u.At))
		}
	}
	return nil
}

func (b *backfiller) events(list []watch.Event) error {
	for i := range list {
		if err := b.record(timeline.OfEvent(&list[i])); err != nil {
			return err
		}
	}
	return nil
}

// take gathers what was found since it was last asked.
func (b *backfiller) take() error {
	for _, i := range b.detector.Revisions() {
		if err := b.record(timeline.OfIncident(&i)); err != nil {
			return err
		}
	}
	for _, g := range b.detector.Gaps() {
		if err := b.record(timeline.OfGap(&g)); err != nil {
			return err
		}
	}
	b.batch.Changes = append(b.batch.Changes, b.recorder.Take()...)
	return nil
}

func (b *backfiller) record(r timeline.Record, err error) error {
	if err != nil {
		return err
	}
	b.batch.Records = append(b.batch.Records, r)
	return nil
}

// sum tells whether two sequences of updates are the same.
type sum struct{ state uint64 }

func (s *sum) take(u *bgp.Update) {
	s.number(uint64(u.At.UnixNano()))
	s.number(uint64(u.Kind))
	s.text(u.Peer.Collector)
	s.addr(u.Peer.Addr)
	if u.Prefix.IsValid() {
		s.addr(u.Prefix.Addr())
		s.number(uint64(u.Prefix.Bits())<<32 | uint64(u.PathID))
	}
	for _, x := range u.Path {
		for _, a := range x.ASNs {
			s.number(uint64(a))
		}
	}
}

// number mixes as FNV-1a does, by words.
func (s *sum) number(n uint64) { s.state = (s.state ^ n) * 0x100000001b3 }

func (s *sum) addr(a netip.Addr) {
	b := a.As16()
	s.number(binary.BigEndian.Uint64(b[:8]))
	s.number(binary.BigEndian.Uint64(b[8:]))
}

func (s *sum) text(t string) {
	for i := range len(t) {
		s.number(uint64(t[i]))
	}
}

func (s *sum) mark() []byte { return binary.BigEndian.AppendUint64(nil, s.state) }

// full stores what was gathered where that is enough. It is asked between two updates.
func (b *backfiller) full(ctx context.Context) error {
	if b.n <= b.stored {
		b.batch = timeline.Batch{} // an earlier call stored it
		return nil
	}
	if len(b.batch.Changes)+len(b.batch.Records) < b.weight {
		return nil
	}
	return b.write(ctx, b.n)
}

// write stores what was gathered up to a position.
func (b *backfiller) write(ctx context.Context, position uint64) error {
	if position <= b.stored {
		b.batch = timeline.Batch{}
		return nil
	}
	batch := b.batch
	b.batch = timeline.Batch{}
	batch.Recorded = b.now().UTC().Truncate(time.Microsecond)
	batch.Cursors = map[string]uint64{b.plan.name: position}
	covered, err := timeline.EncodeCoverage(b.covered(batch.Recorded))
	if err != nil {
		return err
	}
	batch.Kept = map[string][]byte{b.plan.name: b.sum.mark(), timeline.KeptCoverage + b.plan.name: covered}
	if err := b.store.Write(ctx, &batch); err != nil {
		return fmt.Errorf("store what was read up to %s: %w", b.last.UTC().Format(time.RFC3339), err)
	}
	b.stored = position
	b.done.Batches++
	b.done.Changes += len(batch.Changes)
	for i := range batch.Records {
		switch batch.Records[i].Kind {
		case timeline.Event:
			b.done.Events++
		case timeline.Incident:
			b.done.Incidents++
		case timeline.Gap:
			b.done.Gaps++
		}
	}
	return nil
}

// covered is what was read so far, of an errand that stops half-way too: between it and other
// recordings nobody listened.
func (b *backfiller) covered(now time.Time) (out []timeline.Coverage) {
	from, to := b.first, b.last
	if first := b.done.First; !first.IsZero() && first.Before(from) {
		from = first
	}
	if b.done.Last.After(to) {
		to = b.done.Last
	}
	for _, name := range slices.Sorted(maps.Keys(b.collectors)) {
		out = append(out, timeline.Coverage{Collector: name, From: from.UTC(), To: to.UTC(), Recorded: now})
	}
	return out
}

// finish lets the hold times end that run at the end of the recordings, as replay does. An
// errand is over where all of them could be read: what could not may be mended.
func (b *backfiller) finish(ctx context.Context, whole bool) error {
	if !b.last.IsZero() {
		end := b.last.Add(b.policy.Hold + time.Second)
		if err := b.events(b.detector.Advance(end)); err != nil {
			return err
		}
		b.recorder.Advance(end)
		if err := b.take(); err != nil {
			return err
		}
	}
	position := b.n
	if whole {
		position = backfillEnd
	}
	if err := b.write(ctx, position); err != nil {
		return err
	}
	b.ended = whole
	return nil
}

// report tells what was stored.
func (b *backfiller) report(w io.Writer, asJSON bool) error {
	d := b.done
	d.Updates, d.Finished = b.n, b.ended
	if asJSON {
		return json.NewEncoder(w).Encode(d)
	}
	if b.before {
		_, err := fmt.Fprintln(w, "All of this is in the memory already: an earlier call stored it.")
		return err
	}
	_, err := fmt.Fprintf(w, "%s, %s to %s: stored %s changes of watched routes, %s, %s of incidents and %s of gaps\n", plural(d.Files, "file"),
		cmp.Or(timeText(d.First), "-"), cmp.Or(timeText(d.Last), "-"), thousands(uint64(d.Changes)), plural(d.Events, "event"), plural(d.Incidents, "revision"), strconv.Itoa(d.Gaps))
	if !b.ended {
		fmt.Fprintln(w, "Not all of it could be read and stored: the same call goes on where this one stopped.")
	}
	return err
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return when(t)
}

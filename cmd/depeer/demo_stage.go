package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"depeer/bgp"
	"depeer/bus"
	"depeer/watch"
	"depeer/watch/cnc"
	"depeer/watch/timeline"
	"depeer/web"
)

// stage is what the pages of a demo look at: the detector of a replay, and a timeline that
// remembers what it hears and says. Its time is the story's, and passes only as it is told.
type stage struct {
	ctx   context.Context
	bus   *bus.Bus
	store timeline.Store
	cfg   *Config
	began time.Time // of the process

	mu       sync.Mutex
	replay   *replayer          // guarded by mu: what it knows
	moves    *migrationSink     // guarded by mu
	recorder *timeline.Recorder // guarded by mu
	roll     *roll              // guarded by mu
	batch    timeline.Batch     // guarded by mu; not stored yet
	written  uint64             // guarded by mu; batches
	covered  timeline.Coverage  // guarded by mu; when somebody listened
	seen     []cnc.Sighting     // guarded by mu; those that nobody has been told, in order of time
	desk     *rehearsedDesk     // guarded by mu; who would be told; nil: nobody
	pulse    pulse              // guarded by mu
	news     []web.Headline     // guarded by mu; what was said last, newest first
	spoken   int                // guarded by mu; headlines in all

	playing func() web.Playing // where the story is; nil: it is not played
	clock   atomic.Int64       // the time of the story, in Unix nanoseconds: it may be read by whoever holds whatever
}

var (
	_ web.Monitor  = (*stage)(nil)
	_ web.Families = (*stage)(nil)
	_ sink         = (*stage)(nil)
	_ movedSink    = (*stage)(nil)
)

const (
	stageWeight = 1000 // changes that wait to be stored, at most
	mostNews    = 8
)

func newStage(ctx context.Context, cfg *Config, b *bus.Bus, store timeline.Store, r *replayer, seen []cnc.Sighting) *stage {
	return &stage{ctx: ctx, bus: b, store: store, cfg: cfg, began: time.Now().UTC(), replay: r, recorder: timeline.NewRecorder(cfg.Policy.SyncQuiet),
		roll: newRoll(cfg.Hosters), seen: slices.Clone(seen)}
}

// Now is the time of the story.
func (s *stage) Now() time.Time { return time.Unix(0, s.clock.Load()).UTC() }

// perform plays recordings, and what was seen after them, to the end.
func (s *stage) perform(ctx context.Context, p *player, recordings string) error {
	if _, err := s.advance(p.from); err != nil {
		return err
	}
	s.replay.judge = func(batch []bgp.Update) error {
		for i := range batch {
			if err := p.pass(ctx, batch[i].At); err != nil {
				return err
			}
			said, err := s.observe(batch[i])
			if err != nil {
				return err
			}
			if said {
				p.said()
			}
		}
		return nil
	}
	if err := s.replay.run(ctx, []string{recordings}, nil, time.Time{}, time.Time{}, &progress{}); err != nil {
		return err
	}
	s.mu.Lock()
	s.pulse.from = s.replay.last
	s.mu.Unlock()
	if err := p.pass(ctx, p.to); err != nil {
		return err
	}
	defer p.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.replay.finish()
	if at := s.replay.detector.Now(); at.After(s.Now()) {
		s.clock.Store(at.UnixNano()) // the hold times that were running have ended
	}
	return errors.Join(err, s.write())
}

// suggestions are what to watch next.
func (s *stage) suggestions() []cnc.Suggestion {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.moves.judge.Suggest()
}

// observe lets a peer speak. The time of the story is there already.
func (s *stage) observe(u bgp.Update) (said bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hear(u)
}

// hear is observe; mu is held.
func (s *stage) hear(u bgp.Update) (said bool, err error) {
	var hosters []string
	if u.Prefix.IsValid() {
		if hosters = s.roll.of(&u); slices.Equal(hosters, s.roll.everyone) {
			hosters = nil
		}
	}
	s.recorder.Observe(hosters, u)
	s.pulse.hear(&u)
	before := s.spoken
	err = s.replay.observe([]bgp.Update{u})
	return s.spoken != before, err
}

// advance lets time pass, and reports whether anything was said.
func (s *stage) advance(now time.Time) (said bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.spoken
	for _, u := range s.pulse.until(now) {
		if _, err := s.hear(u); err != nil {
			return false, err
		}
	}
	s.clock.Store(now.UnixNano())
	if err := s.sightings(now); err != nil {
		return false, err
	}
	if err := s.replay.found(s.replay.detector.Advance(now)); err != nil {
		return false, err
	}
	if err := s.moves.until(now); err != nil {
		return false, err
	}
	s.recorder.Advance(now)
	if s.desk != nil {
		s.desk.advance(now)
	}
	if err := s.gaps(); err != nil {
		return false, err
	}
	if s.spoken != before || len(s.batch.Changes) > stageWeight {
		err = s.write()
	}
	return s.spoken != before, err
}

// sightings stores what was seen of C&C up to a moment; the judge hears it by itself.
func (s *stage) sightings(now time.Time) error {
	for len(s.seen) > 0 && !s.seen[0].At.After(now) {
		x := s.seen[0]
		s.seen = s.seen[1:]
		if x.Place == nil {
			x.Place = s.place(x)
		}
		if err := s.keep(x, x.ID, sightingRecord); err != nil {
			return err
		}
	}
	return nil
}

// place is where a sighting was, as far as the watchlist says it.
func (s *stage) place(x cnc.Sighting) *cnc.Place {
	for i := range s.cfg.Hosters {
		h := &s.cfg.Hosters[i]
		for _, p := range h.Prefixes {
			if x.Addr.IsValid() && p.Contains(x.Addr) {
				return &cnc.Place{Hoster: h.ID, Prefix: p, Origins: h.ASNs}
			}
		}
	}
	return nil
}

// Housed is what all hosters house and housed.
func (s *stage) Housed(context.Context) ([]cnc.Housed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.moves.judge.Housed(s.Now()), nil
}

// Residences is where a family was seen.
func (s *stage) Residences(_ context.Context, family string) ([]cnc.Residence, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, ok := s.moves.judge.Residences(family, s.Now())
	if !ok {
		return nil, fmt.Errorf("%w: %s was not seen anywhere", web.ErrUnknown, family)
	}
	return list, nil
}

// Names is the table of families.
func (s *stage) Names() *cnc.Families { return cnc.DefaultFamilies() }

// keep puts a record of x into the batch, as the streams would carry it; mu is held.
func (s *stage) keep(x any, id string, record func(bus.Message) (timeline.Record, error)) error {
	body, err := json.Marshal(x)
	if err != nil {
		return err
	}
	r, err := record(bus.Message{ID: id, Body: body})
	if err != nil {
		return err
	}
	s.batch.Records = append(s.batch.Records, r)
	return nil
}

func (s *stage) record(r timeline.Record, err error) error {
	if err != nil {
		return err
	}
	s.batch.Records = append(s.batch.Records, r)
	return nil
}

// found is called by the replay, with mu held, before the streams carry what was found: who
// hears of it there, and asks, finds it.
func (s *stage) found(events []watch.Event, revisions []watch.Incident) error {
	for i := range events {
		if err := s.record(timeline.OfEvent(&events[i])); err != nil {
			return err
		}
	}
	for i := range revisions {
		x := &revisions[i]
		if err := s.record(timeline.OfIncident(x)); err != nil {
			return err
		}
		s.headline(web.Headline{At: x.At, Kind: "incident", Word: string(x.Class), Severity: x.Severity, Text: x.Summary, Incident: x.ID, Hoster: x.Hoster})
	}
	if s.desk != nil {
		s.desk.found(events, revisions)
	}
	return s.write()
}

// moved is called by the judgement of migrations, with mu held.
func (s *stage) moved(list []cnc.Migration) error {
	for i := range list {
		x := &list[i]
		if err := s.keep(x, x.ID, func(m bus.Message) (timeline.Record, error) { return migrationRecord(m) }); err != nil {
			return err
		}
		s.headline(web.Headline{At: x.At, Kind: "migration", Word: x.Kind, Severity: watch.Severity(x.Severity), Text: x.Summary, Incident: x.Incident, Hoster: x.Hoster, Family: x.Family})
	}
	if s.desk != nil {
		s.desk.moved(list)
	}
	return s.write()
}

// end is called when all is told.
func (s *stage) end(*replayer) error { return s.write() }

func (s *stage) headline(h web.Headline) {
	s.spoken++
	s.news = slices.Insert(s.news, 0, h)
	s.news = s.news[:min(len(s.news), mostNews)]
}

// gaps stores and publishes the holes in what is seen; mu is held.
func (s *stage) gaps() error {
	for _, g := range s.replay.detector.Gaps() {
		if err := s.record(timeline.OfGap(&g)); err != nil {
			return err
		}
		if err := s.bus.PublishGap(s.ctx, g); err != nil {
			return err
		}
	}
	return nil
}

// stageCovers is for how long the store does not hear that somebody listens and hears nothing.
const stageCovers = 10 * time.Minute

// write stores what was gathered, as of the time of the story; mu is held.
func (s *stage) write() error {
	if s.desk != nil && s.desk.failed != nil {
		return s.desk.failed
	}
	s.batch.Changes = append(s.batch.Changes, s.recorder.Take()...)
	now := s.Now().Truncate(time.Microsecond)
	if len(s.batch.Changes)+len(s.batch.Records) == 0 && now.Sub(s.covered.To) < stageCovers {
		return nil
	}
	if s.covered.From.IsZero() {
		s.covered.From, s.covered.Recorded = now, now
	}
	s.covered.To = now
	covered, err := timeline.EncodeCoverage([]timeline.Coverage{s.covered})
	if err != nil {
		return err
	}
	b := s.batch
	s.batch = timeline.Batch{}
	s.written++
	b.Recorded = now
	b.Kept = map[string][]byte{keptCoverage: covered}
	b.Cursors = map[string]uint64{"demo": s.written}
	return s.store.Write(s.ctx, &b)
}

// Status is the board at the moment of the story.
func (s *stage) Status() web.Status {
	x := s.board()
	if s.playing != nil {
		x.Playback = new(s.playing())
	}
	return x
}

func (s *stage) board() web.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, now := s.replay.detector, s.Now()
	x := web.Status{Version: thisBuild().Version, Started: s.began, Now: now, Judged: d.Now(), Ready: true, Reasons: []string{}, Hosters: d.Board(),
		Feeds: []web.Feed{}, Peers: []web.Peer{}, Incidents: d.Open(), Gaps: d.GapsTouching(now.Add(-24*time.Hour), time.Time{})}
	for _, p := range d.Peers() {
		x.Peers = append(x.Peers, web.Peer{Collector: p.Collector, Address: p.Addr, ASN: p.ASN, State: p.State, Since: p.Since, Heard: p.Heard, Cause: p.Cause, Table: p.Table})
		i := slices.IndexFunc(x.Feeds, func(f web.Feed) bool { return f.Name == p.Collector })
		if i < 0 {
			i = len(x.Feeds)
			x.Feeds = append(x.Feeds, web.Feed{Name: p.Collector, Type: "reconstruction", Ready: true, Collectors: []string{p.Collector}, Sessions: []web.Session{}})
		}
		f := &x.Feeds[i]
		f.Peers++
		if p.State == "up" {
			f.Up++
		}
		if p.Heard.After(f.Heard) {
			f.Heard = p.Heard
		}
	}
	return x
}

// headlines are what was said last, newest first.
func (s *stage) headlines() []web.Headline {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.news)
}

// Explain explains a hoster, or what is followed inside a prefix or around an address.
func (s *stage) Explain(word string) ([]watch.Explanation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return explanations(s.replay.detector, word)
}

// Gaps lists the holes in what was seen.
func (s *stage) Gaps(from, to time.Time) []watch.Gap {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replay.detector.GapsTouching(from, to)
}

// dossier is what is known of the C&C servers of a hoster.
func (s *stage) dossier(_ context.Context, hoster string) (*cnc.Dossier, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.moves.judge.Dossier(hoster, s.Now())
	if !ok {
		return nil, fmt.Errorf("%w: no hoster has the id %s", web.ErrUnknown, hoster)
	}
	return &d, nil
}

// pulse keeps the peers of a recording speaking after its end: every minute one of each
// collector says something that concerns nobody here. Without it all would be silent then,
// and depeer would rightly say that it sees nothing.
type pulse struct {
	peers map[string][]bgp.Peer // by collector, in order of their first word
	count map[bgp.Peer]bgp.Traffic
	from  time.Time // the recording has ended; zero: it has not
	turn  int
}

const pulsePause = time.Minute

func (p *pulse) hear(u *bgp.Update) {
	if p.count == nil {
		p.peers, p.count = map[string][]bgp.Peer{}, map[bgp.Peer]bgp.Traffic{}
	}
	if _, ok := p.count[u.Peer]; !ok {
		p.peers[u.Peer.Collector] = append(p.peers[u.Peer.Collector], u.Peer)
		p.count[u.Peer] = bgp.Traffic{}
	}
	if u.Kind == bgp.Heard {
		p.count[u.Peer] = u.Heard
	}
}

// until gives what is said up to a moment.
func (p *pulse) until(now time.Time) (out []bgp.Update) {
	if p.from.IsZero() {
		return nil
	}
	for t := p.from.Add(pulsePause); !t.After(now); t = t.Add(pulsePause) {
		p.from = t
		for _, c := range slices.Sorted(maps.Keys(p.peers)) {
			x := p.peers[c][p.turn%len(p.peers[c])]
			n := p.count[x]
			n.Announced++
			p.count[x] = n
			out = append(out, bgp.Update{At: t, Peer: x, Kind: bgp.Heard, Heard: n})
		}
		p.turn++
	}
	return out
}

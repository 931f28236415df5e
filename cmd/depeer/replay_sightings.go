package main

import (
	"fmt"
	"os"
	"time"

	"depeer/watch"
	"depeer/watch/cnc"
)

// movedSink is a sink that also wants to hear where families went.
type movedSink interface {
	moved([]cnc.Migration) error
}

// migrationSink hears what a replay finds, lets sightings come in between in order of
// time, and passes on what follows from the two: to its sinks, which hear the rest from it as
// well, so that all is in one order.
type migrationSink struct {
	judge *cnc.Judge
	list  []cnc.Sighting // in order of time; those that were told are cut off
	where cnc.Where      // joins sightings without a place; nil: nothing to join them with
	sinks []sink
	said  int
	now   time.Time
}

func (s *migrationSink) found(events []watch.Event, revisions []watch.Incident) error {
	at := s.now
	for i := range events {
		if events[i].At.After(at) {
			at = events[i].At
		}
	}
	for i := range revisions {
		if revisions[i].At.After(at) {
			at = revisions[i].At
		}
	}
	if err := s.until(at); err != nil {
		return err
	}
	for i := range events {
		s.judge.Event(events[i])
	}
	for i := range revisions {
		s.judge.Incident(revisions[i])
	}
	for _, x := range s.sinks {
		if err := x.found(events, revisions); err != nil {
			return err
		}
	}
	return nil
}

// until tells the sightings up to a moment.
func (s *migrationSink) until(at time.Time) error {
	for len(s.list) > 0 && !s.list[0].At.After(at) {
		if err := s.advance(s.list[0].At); err != nil {
			return err
		}
		s.observe()
	}
	return s.advance(at)
}

// observe tells the first sighting.
func (s *migrationSink) observe() {
	x := s.list[0]
	s.list = s.list[1:]
	if x.Place == nil && x.Addr.IsValid() && s.where != nil {
		if p, ok := s.where.Place(x.Addr, x.At); ok {
			x.Place = &p
		}
	}
	s.judge.Observe(x)
}

func (s *migrationSink) advance(at time.Time) error {
	s.now = at
	return s.tell(s.judge.Advance(at))
}

func (s *migrationSink) tell(list []cnc.Migration) error {
	if len(list) == 0 {
		return nil
	}
	s.said += len(list)
	for _, x := range s.sinks {
		if m, ok := x.(movedSink); ok {
			if err := m.moved(list); err != nil {
				return err
			}
		}
	}
	return nil
}

// end tells what is left: what was seen after the last change of routes.
func (s *migrationSink) end(r *replayer) error {
	if n := len(s.list); n > 0 {
		if err := s.until(s.list[n-1].At); err != nil {
			return err
		}
	}
	if !s.now.IsZero() {
		if err := s.advance(s.now.Add(time.Minute)); err != nil {
			return err
		}
	}
	for _, x := range s.sinks {
		if err := x.end(r); err != nil {
			return err
		}
	}
	return nil
}

// hearSightings puts the judgement of migrations before the sinks.
func (r *replayer) hearSightings(cfg *Config, list []cnc.Sighting, where cnc.Where, register cnc.Register) *migrationSink {
	m := &migrationSink{judge: cnc.NewJudge(cfg.Migration, *cfg.Watchlist(), register), list: list, where: where, sinks: r.sinks}
	r.sinks = []sink{m}
	return m
}

// readSightings reads files of sightings, in order of time.
func readSightings(files []string) ([]cnc.Sighting, error) {
	var all []cnc.Sighting
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, usageError{err}
		}
		list, err := parseSightings(name, string(text))
		if err != nil {
			return nil, usagef("%v", err)
		}
		if len(list) == 0 {
			return nil, usagef("%s: no sighting", name)
		}
		all = append(all, list...)
	}
	sortSightings(all)
	return all, nil
}

// moved prints migrations among the events.
func (s *jsonSink) moved(list []cnc.Migration) error {
	for i := range list {
		if err := s.enc.Encode(&list[i]); err != nil {
			return err
		}
	}
	return nil
}

// moved tells migrations as a part of the story.
func (s *storySink) moved(list []cnc.Migration) error {
	if s.before != nil {
		s.before()
	}
	s.flush()
	for i := range list {
		s.migration(&list[i])
	}
	return s.out.fault()
}

func (s *storyteller) migration(m *cnc.Migration) {
	mark, label := "➔", "C&C MOVED"
	switch m.Kind {
	case cnc.KindWatch:
		label = "C&C, worth a look"
	case cnc.KindGone:
		mark, label = "◌", "C&C GONE"
	case cnc.KindNoGap:
		mark, label = "═", "C&C, NO GAP"
	}
	if m.Brief != nil {
		mark, label = "◌", "C&C, GONE AGAIN"
	} else if m.Kind == cnc.KindMoved {
		label = s.ink.severity(watch.Warning, label)
	}
	text := label + "  " + s.ink.bold(m.Summary)
	if m.Kind == cnc.KindMoved || m.Kind == cnc.KindWatch {
		text += s.ink.faint(fmt.Sprintf(" [score %.1f: routes %.1f, C&C %.1f]", m.Score, m.Routing, m.CNC))
	}
	s.line(m.At, m.At, mark, text)
}

// moved publishes migrations.
func (s *busSink) moved(list []cnc.Migration) error {
	for i := range list {
		if err := s.bus.PublishMigration(s.ctx, list[i]); err != nil {
			return err
		}
		s.k++
	}
	return nil
}

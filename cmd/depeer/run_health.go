package main

import (
	"errors"
	"time"

	"depeer/watch"
	"depeer/web"
)

var _ web.Monitor = (*monitor)(nil)

// Status is the whole board at one moment.
func (m *monitor) Status() web.Status {
	now := time.Now().UTC()
	s := web.Status{Version: thisBuild().Version, Started: m.began, Now: now, Reasons: []string{}, Hosters: []watch.Standing{},
		Feeds: []web.Feed{}, Peers: []web.Peer{}, Incidents: []watch.Incident{}, Gaps: []watch.Gap{}}
	eyes := map[string]watch.Eyes{}
	if m.judge != nil { // else another process judges (--roles): this one is ready when its feeds are
		m.judge.ask(func(i *watch.Intake) {
			d := i.Detector()
			s.Judged, s.Hosters, s.Incidents = i.Now(), d.Board(), d.Open()
			s.Gaps = d.GapsTouching(now.Add(-24*time.Hour), time.Time{})
			for _, p := range d.Peers() {
				s.Peers = append(s.Peers, web.Peer{Collector: p.Collector, Address: p.Addr, ASN: p.ASN, State: p.State,
					Since: p.Since, Heard: p.Heard, Cause: p.Cause, Table: p.Table})
			}
			for _, e := range i.Eyes() {
				eyes[e.Source] = e
			}
		})
		if !m.judge.upToDate() {
			s.Reasons = append(s.Reasons, "the log of what was heard before the start is still being judged")
		}
	}
	s.Feeds = m.feedStatus(now, eyes)
	for _, f := range s.Feeds {
		if !f.Ready {
			s.Reasons = append(s.Reasons, "feed "+f.Name+": "+f.Reason)
		}
	}
	if m.has(roleCollect) && m.collect.Load() == nil {
		s.Reasons = append(s.Reasons, "the feeds have not begun")
	}
	if why := m.memoryTrouble(); why != "" {
		s.Reasons = append(s.Reasons, "the timeline cannot be written: "+why)
	}
	s.Ready = len(s.Reasons) == 0
	return s
}

// feedStatus joins what the feeds of this process say of themselves with what the
// judgement knows of those, and of the feeds of other processes.
func (m *monitor) feedStatus(now time.Time, eyes map[string]watch.Eyes) []web.Feed {
	out := []web.Feed{}
	add := func(f web.Feed) {
		e := eyes[f.Name]
		f.Collectors, f.Peers, f.Up = e.Collectors, e.Peers, e.Up
		if f.Collectors == nil {
			f.Collectors = []string{}
		}
		out = append(out, f)
		delete(eyes, f.Name)
	}
	if m.collect.Load() != nil {
		for _, f := range m.collect.Load().feeds {
			h := f.health(now)
			x := web.Feed{Name: f.name, Type: f.kind, Ready: h.Ready, Reason: h.Reason, Since: h.Since, Heard: h.Heard, Lag: h.Lag.Seconds(), Sessions: []web.Session{}}
			for _, s := range h.Sessions {
				x.Sessions = append(x.Sessions, web.Session(s))
			}
			add(x)
		}
	}
	for _, e := range sortedEyes(eyes) {
		if now.Sub(e.Until) > 24*time.Hour {
			continue // of a process that is no more
		}
		add(web.Feed{Name: e.Source, Type: "elsewhere", Ready: e.Ready, Reason: e.Reason, Since: e.Since, Heard: e.Until, Sessions: []web.Session{}})
	}
	return out
}

// Explain explains a hoster, or what is followed inside a prefix or around an address.
func (m *monitor) Explain(word string) (out []watch.Explanation, err error) {
	if m.judge == nil {
		return nil, errors.New("this process does not judge (--roles)")
	}
	m.judge.ask(func(i *watch.Intake) { out, err = explanations(i.Detector(), word) })
	return out, err
}

// Gaps lists the holes in what was seen.
func (m *monitor) Gaps(from, to time.Time) (out []watch.Gap) {
	out = []watch.Gap{}
	if m.judge != nil {
		m.judge.ask(func(i *watch.Intake) { out = i.Detector().GapsTouching(from, to) })
	}
	return out
}

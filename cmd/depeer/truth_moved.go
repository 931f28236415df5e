package main

import (
	"fmt"
	"strings"
	"time"

	"depeer/watch"
	"depeer/watch/cnc"
)

// aboutMoves reports whether the fact is one of C&C, not of routes.
func (f *fact) aboutMoves() bool { return strings.HasPrefix(string(f.kind), "cnc.") }

// fitsMove reports whether a migration is what the fact says, its time aside. A move that was
// first only worth a look is found when it is called a move.
func (f *fact) fitsMove(m *cnc.Migration) bool {
	return string(f.kind) == m.Kind && (f.subject == "" || f.subject == m.Hoster) && (f.malware == "" || f.malware == m.Family) &&
		(f.number == 0 || f.number == m.To.ASN)
}

// withinMove reports whether the family was first seen in the new place inside the fact's
// window; a short stay may be a quarter longer or shorter than the truth.
func (f *fact) withinMove(m *cnc.Migration) bool {
	if !f.from.IsZero() && (m.Seen.Before(f.from) || m.Seen.After(f.to)) {
		return false
	}
	if f.brief == 0 {
		return true
	}
	return m.Brief != nil && (time.Duration(*m.Brief)-f.brief).Abs() <= f.brief/4
}

// compareMoves scores the last revision of each migration.
func (t *truth) compareMoves(s score, moves []cnc.Migration) score {
	facts, never := moveFacts(t.facts), moveFacts(t.never)
	s.MoveFacts = len(facts)
	for i := range facts {
		f := &facts[i]
		found := false
		for k := range moves {
			if f.fitsMove(&moves[k]) && f.withinMove(&moves[k]) {
				found = true
				s.Lags = append(s.Lags, time.Duration(moves[k].Lag))
				break
			}
		}
		if found {
			s.MovesFound++
		} else {
			s.Faults = append(s.Faults, "not found: "+f.text)
		}
	}
	for k := range moves {
		m := &moves[k]
		for i := range never {
			if f := &never[i]; f.fitsMove(m) && f.withinMove(m) {
				s.Faults = append(s.Faults, "must not be said: "+moveLine(m))
			}
		}
		if m.Kind != cnc.KindMoved && m.Kind != cnc.KindWatch {
			continue
		}
		right := false
		for _, f := range facts {
			if f.kind == watch.EventKind(cnc.KindMoved) {
				f.kind, f.brief = watch.EventKind(m.Kind), 0
				right = right || f.fitsMove(m) && f.withinMove(m)
			}
		}
		s.Scored = append(s.Scored, scored{m.Score, m.Routing, m.CNC, right, m.How == cnc.HowLabel})
		if m.Kind == cnc.KindMoved {
			s.MovesSaid++
			if !right {
				s.MovesFalse++
				s.Faults = append(s.Faults, "not in the truth: "+moveLine(m))
			}
		}
	}
	return s
}

func moveLine(m *cnc.Migration) string {
	return fmt.Sprintf("%s %s %s %d seen %s, lag %s, score %.2f (routes %.2f, C&C %.2f)", m.Kind, m.Hoster, m.Family, m.To.ASN, m.Seen.Format(time.RFC3339),
		time.Duration(m.Lag), m.Score, m.Routing, m.CNC)
}

func moveFacts(all []fact) []fact {
	var out []fact
	for _, f := range all {
		if f.aboutMoves() {
			out = append(out, f)
		}
	}
	return out
}

// scored is a migration with its points, and whether the truth has it.
type scored struct {
	Score, Routing, CNC float64
	Right               bool
	Label               bool // prefixes moved as they were
}

package cnc

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Suggestion is an AS that the data suggests to watch, and why.
type Suggestion struct {
	ASN     uint32    `json:"asn"`
	Name    string    `json:"name"`
	Hosters []string  `json:"hosters"` // whose families or prefixes it has
	Since   time.Time `json:"since"`   // first of it
	Score   float64   `json:"score"`   // the best of a migration, and one for each more
	Reasons []string  `json:"reasons"` // sentences
}

// Suggest lists the ASes that took in what watched hosters lost, best reasons first. Large
// clouds and fronts are never among them: everybody is there. Nor is who is watched already, or who only had
// them for a while.
func (j *Judge) Suggest() []Suggestion {
	moves := make([]Migration, 0, len(j.Said))
	for _, v := range j.Said {
		moves = append(moves, v.M)
	}
	return suggest(moves, func(asn uint32) bool {
		return j.front(asn) || slices.Contains(j.Cfg.Clouds, asn) || slices.ContainsFunc(j.Hosters, func(h *hoster) bool { return slices.Contains(h.ASNs, asn) })
	})
}

// SuggestFrom is [Judge.Suggest] over migrations that were said, latest revisions.
func SuggestFrom(cfg Config, watched []uint32, moves []Migration) []Suggestion {
	return suggest(moves, func(asn uint32) bool {
		return slices.Contains(cfg.Fronts, asn) || slices.Contains(cfg.Clouds, asn) || slices.Contains(watched, asn)
	})
}

func suggest(moves []Migration, never func(uint32) bool) []Suggestion {
	slices.SortFunc(moves, func(a, b Migration) int { return cmp.Or(a.Seen.Compare(b.Seen), cmp.Compare(a.ID, b.ID)) })
	by := map[uint32]*Suggestion{}
	for i := range moves {
		m := &moves[i]
		if m.To.ASN == 0 || group(m.Kind) != KindMoved || never(m.To.ASN) {
			continue
		}
		s := by[m.To.ASN]
		if s == nil {
			s = &Suggestion{ASN: m.To.ASN, Name: m.To.Name, Since: m.Seen}
			by[m.To.ASN] = s
		} else {
			s.Score++
		}
		s.Name = cmp.Or(s.Name, m.To.Name)
		if !slices.Contains(s.Hosters, m.Hoster) {
			s.Hosters = append(s.Hosters, m.Hoster)
		}
		best := m.Score
		if m.Kind == KindWatch {
			best /= 2
		}
		s.Score = max(s.Score, best)
		s.Reasons = append(s.Reasons, fmt.Sprintf("%s (score %.1f)", m.Summary, m.Score))
	}
	var out []Suggestion
	for _, s := range by {
		s.Score = round(s.Score)
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b Suggestion) int { return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ASN, b.ASN)) })
	return out
}

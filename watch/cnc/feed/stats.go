package feed

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"depeer/watch/cnc"
)

// Stats is what became of the entries of a file: Accepted and the sum of Refused are Entries.
type Stats struct {
	Entries  int                // lines, objects, attributes: whatever might have been a sighting
	Accepted int                //
	Refused  map[cnc.Reason]int //
	Families map[string]int     // accepted, by canonical name
	First    time.Time          // earliest At, of the accepted
	Last     time.Time          // latest
	Dated    time.Time          // when the source made the file, where it says so
	Faults   []Fault            // the first of the refused, at most [maxFaults]
}

// Fault is an entry that was refused.
type Fault struct {
	Entry int // from 1; of a text, the line
	Err   error
}

func (f Fault) String() string { return fmt.Sprintf("entry %d: %v", f.Entry, f.Err) }

const maxFaults = 10

func (s *Stats) refuse(entry int, why cnc.Reason, err error) {
	if s.Refused == nil {
		s.Refused = map[cnc.Reason]int{}
	}
	s.Refused[why]++
	// Entries that are no hosts by nature would hide those with a fault.
	if len(s.Faults) < maxFaults && why != cnc.NotASource && why != cnc.Ordinary && why != cnc.Repeated {
		s.Faults = append(s.Faults, Fault{entry, err})
	}
}

func (s *Stats) accept(x *cnc.Sighting) {
	if s.Families == nil {
		s.Families = map[string]int{}
	}
	s.Accepted++
	s.Families[x.Family]++
	if s.First.IsZero() || x.At.Before(s.First) {
		s.First = x.At
	}
	if x.At.After(s.Last) {
		s.Last = x.At
	}
}

// RefusedInAll is the number of entries that were refused.
func (s *Stats) RefusedInAll() (n int) {
	for _, k := range s.Refused {
		n += k
	}
	return n
}

// Add takes in the stats of another file.
func (s *Stats) Add(o Stats) {
	s.Entries += o.Entries
	s.Accepted += o.Accepted
	for why, n := range o.Refused {
		if s.Refused == nil {
			s.Refused = map[cnc.Reason]int{}
		}
		s.Refused[why] += n
	}
	for f, n := range o.Families {
		if s.Families == nil {
			s.Families = map[string]int{}
		}
		s.Families[f] += n
	}
	if !o.First.IsZero() && (s.First.IsZero() || o.First.Before(s.First)) {
		s.First = o.First
	}
	if o.Last.After(s.Last) {
		s.Last = o.Last
	}
	if o.Dated.After(s.Dated) {
		s.Dated = o.Dated
	}
	s.Faults = append(s.Faults, o.Faults[:min(len(o.Faults), maxFaults-min(maxFaults, len(s.Faults)))]...)
}

// Reasons lists what was refused, most first: "bogon 3, no host 2".
func (s *Stats) Reasons() string {
	keys := slices.SortedFunc(maps.Keys(s.Refused), func(a, b cnc.Reason) int {
		if d := s.Refused[b] - s.Refused[a]; d != 0 {
			return d
		}
		return strings.Compare(string(a), string(b))
	})
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = fmt.Sprintf("%s %d", k, s.Refused[k])
	}
	return strings.Join(parts, ", ")
}

// Doubt is the error of a file that as a whole is not what it should be.
type Doubt struct{ Why string }

func (d *Doubt) Error() string { return d.Why }

func doubt(format string, args ...any) error { return &Doubt{fmt.Sprintf(format, args...)} }

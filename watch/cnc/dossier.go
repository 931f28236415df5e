package cnc

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Dossier is what is known of the families at a hoster.
type Dossier struct {
	Type     string          `json:"type"` // "dossier"
	Hoster   string          `json:"hoster"`
	Name     string          `json:"name"`
	At       time.Time       `json:"at"`
	Since    time.Time       `json:"since,omitzero"` // first sighting of any family there
	Cut      time.Time       `json:"cut,omitzero"`   // onset of the last cut
	Dark     bool            `json:"dark"`           // no route leads there
	Families []DossierFamily `json:"families"`
}

// Fate is what became of a family at a hoster.
type Fate string

// The fates.
const (
	There      Fate = "there"        // seen there lately
	Moved      Fate = "moved"        // cnc.moved was said
	NeverPause Fate = "never paused" // it was elsewhere too, and went on
	Gone       Fate = "gone"         // seen there no more, and nowhere new
	Silent     Fate = "not known"    // whoever saw it there says nothing any more
)

// DossierFamily is one family at a hoster.
type DossierFamily struct {
	Family string      `json:"family"`
	Since  time.Time   `json:"since"` // first seen there
	Last   time.Time   `json:"last"`  // last seen there
	Hosts  int         `json:"hosts"` // addresses ever seen there, as far as they are kept
	Fate   Fate        `json:"fate"`
	Moves  []Migration `json:"moves"` // in order; latest revisions
}

// Dossier says which families were seen at a hoster, since when, and what became of each;
// false where it is not watched.
func (j *Judge) Dossier(hoster string, now time.Time) (Dossier, bool) {
	h := j.hoster(hoster)
	if h == nil {
		return Dossier{}, false
	}
	d := Dossier{Type: "dossier", Hoster: h.ID, Name: h.Name, At: now.UTC(), Families: []DossierFamily{}}
	if chains := h.chains(j.Cfg.Chain); len(chains) > 0 {
		c := &chains[len(chains)-1]
		d.Cut, d.Dark = time.Unix(c.start, 0).UTC(), c.darkAt(now.Unix())
	}
	moves := j.movesByHome()
	for name, f := range j.Families {
		hosts := f.Homes[h.ID]
		if len(hosts) == 0 {
			continue
		}
		x := stay(name, hosts)
		if said := moves[household{h.ID, name}]; said != nil {
			x.Moves = said
		}
		x.Fate = j.fate(f, &x, d.Dark, now)
		if d.Since.IsZero() || x.Since.Before(d.Since) {
			d.Since = x.Since
		}
		d.Families = append(d.Families, x)
	}
	slices.SortFunc(d.Families, func(a, b DossierFamily) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Family, b.Family))
	})
	return d, true
}

func (j *Judge) fate(f *family, x *DossierFamily, dark bool, now time.Time) Fate {
	has := func(kind string) bool {
		return slices.ContainsFunc(x.Moves, func(m Migration) bool { return m.Kind == kind })
	}
	switch {
	case has(KindMoved):
		return Moved
	case has(KindNoGap):
		return NeverPause
	case has(KindGone) || dark:
		return Gone
	case now.Sub(x.Last) < j.Cfg.Alive:
		return There
	case f.LastSeen > x.Last.Unix()+int64(j.Cfg.Quiet/time.Second):
		return Gone
	}
	return Silent
}

// String is a few lines that a person can read.
func (d *Dossier) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", d.Name, count(len(d.Families), "1 family", "%d families"))
	if !d.Since.IsZero() {
		fmt.Fprintf(&b, "; first sighting %s", d.Since.Format(time.DateOnly))
	}
	if !d.Cut.IsZero() {
		fmt.Fprintf(&b, "; cut off from %s on", d.Cut.Format("2006-01-02 15:04"))
		if days := int(d.Cut.Sub(d.Since).Hours() / 24); !d.Since.IsZero() && days > 0 {
			fmt.Fprintf(&b, ", %s after it", count(days, "1 day", "%d days"))
		}
	}
	b.WriteByte('\n')
	for _, f := range d.Families {
		fmt.Fprintf(&b, "  %-16s %s, seen %s to %s: %s\n", f.Family, count(f.Hosts, "1 host", "%d hosts"), f.Since.Format(time.DateOnly), f.Last.Format(time.DateOnly), f.Fate)
		for i := range f.Moves {
			fmt.Fprintf(&b, "      %s\n", f.Moves[i].Summary)
		}
	}
	return b.String()
}

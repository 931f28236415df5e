package web

import (
	"cmp"
	"context"
	"slices"
	"time"

	"depeer/watch/cnc"
)

// Families answers what is known of C&C families.
type Families interface {
	// Housed lists what every watched hoster houses and housed.
	Housed(ctx context.Context) ([]cnc.Housed, error)
	// Residences lists where a family was seen, last seen first; the error wraps ErrUnknown where it never was.
	Residences(ctx context.Context, family string) ([]cnc.Residence, error)
	// Names is the table of names and aliases.
	Names() *cnc.Families
}

const noFamilies = "no sightings are configured: nothing is known of C&C servers (configuration: sightings, timeline)"

// Family is one family and everywhere it was seen.
type Family struct {
	Family  string          `json:"family"`  // the name under which all of it is kept
	Aliases []string        `json:"aliases"` // what others call it
	Kind    cnc.Kind        `json:"kind"`    // what its hosts do, where a source does not say
	Tool    bool            `json:"tool"`    // anybody may run it: its servers are of many owners
	Since   time.Time       `json:"since"`   // first seen anywhere
	Last    time.Time       `json:"last"`    // last seen anywhere
	Housed  []cnc.Housed    `json:"housed"`  // at watched hosters, and what became of it there
	Places  []cnc.Residence `json:"places"`  // everywhere, last seen first; the first five hundred
	More    int             `json:"more"`    // places beyond those
}

const mostPlaces = 500

func (s *Server) addFamilies() {
	register(s, reading("/families", "families", tagHistory, "Which C&C families every hoster houses and housed, and what became of them",
		"In order of hoster and family. A family may be asked for by any name that it has."), s.families)
	register(s, reading("/families/{family}", "family", tagHistory, "One C&C family, and where it was seen", "By any name that it has."), s.family)
}

func (s *Server) families(ctx context.Context, in *struct {
	PageInput
	Hoster []string `query:"hoster" doc:"ids of hosters" example:"mccolo"`
	Family []string `query:"family" doc:"families" example:"Rustock"`
}) (*list[cnc.Housed], error) {
	if s.deps.Families == nil {
		return nil, absent(noFamilies)
	}
	all, err := s.deps.Families.Housed(ctx)
	if err != nil {
		return nil, err
	}
	var wanted []string
	for _, name := range in.Family {
		wanted = append(wanted, s.deps.Families.Names().Canonical(name))
	}
	part := []cnc.Housed{}
	for i := range all {
		if (len(in.Hoster) == 0 || slices.Contains(in.Hoster, all[i].Hoster)) && (len(wanted) == 0 || slices.Contains(wanted, all[i].Family)) {
			part = append(part, all[i])
		}
	}
	return listed(&in.PageInput, "families", part)
}

func (s *Server) family(ctx context.Context, in *struct {
	Family string `path:"family" maxLength:"200" doc:"name or alias" example:"rustock"`
}) (*body[Family], error) {
	if s.deps.Families == nil {
		return nil, absent(noFamilies)
	}
	names := s.deps.Families.Names()
	x := Family{Family: names.Canonical(in.Family), Aliases: []string{}, Kind: cnc.CNC, Housed: []cnc.Housed{}}
	if known, ok := names.Of(in.Family); ok {
		x.Kind, x.Tool = cmp.Or(known.Kind, cnc.CNC), known.Tool
		x.Aliases = append(x.Aliases, known.Aliases...)
	}
	var err error
	if x.Places, err = s.deps.Families.Residences(ctx, x.Family); err != nil {
		return nil, err
	}
	all, err := s.deps.Families.Housed(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Family == x.Family {
			x.Housed = append(x.Housed, all[i])
		}
	}
	for i := range x.Places {
		if p := &x.Places[i]; x.Since.IsZero() || p.Since.Before(x.Since) {
			x.Since = p.Since
		}
	}
	if len(x.Places) > 0 {
		x.Last = x.Places[0].Last
	}
	if n := len(x.Places) - mostPlaces; n > 0 {
		x.Places, x.More = x.Places[:mostPlaces], n
	}
	return &body[Family]{x}, nil
}

// familyNames adds to the names of families those under which they are kept.
func (s *Server) familyNames(asked []string) []string {
	out := slices.Clone(asked)
	names := cnc.DefaultFamilies()
	if s.deps.Families != nil {
		names = s.deps.Families.Names()
	}
	for _, name := range asked {
		if kept := names.Canonical(name); !slices.Contains(out, kept) {
			out = append(out, kept)
		}
	}
	return out
}

package web

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"depeer/watch"
	"depeer/watch/timeline"
)

// AboutPrefix is what is known of a prefix or an address.
type AboutPrefix struct {
	Prefix  netip.Prefix    `json:"prefix"` // of an address: its longest prefix that is known, or else the address alone
	Watched []WatchedPrefix `json:"watched"`
	Hosters []NamedHoster   `json:"hosters"` // to whose story it belongs, or belonged
	Origins []KnownOrigin   `json:"origins"` // of the routes that are remembered of that moment
	Memory  *timeline.About `json:"memory"`  // null where no timeline is configured
	Missing []string        `json:"missing"` // what could not be said, in sentences
}

// WatchedPrefix is how the judgement sees a prefix now.
type WatchedPrefix struct {
	Hoster   string    `json:"hoster"`
	State    string    `json:"state"` // "steady", "falling", "lost"; "never seen"
	Since    time.Time `json:"since,omitzero"`
	Eligible int       `json:"eligible"` // peers that count
	Holding  int       `json:"holding"`  // of these, those that hold it
	Baseline float64   `json:"baseline"` // peers that usually do
	Verdict  string    `json:"verdict"`
}

// NamedHoster is a hoster, and how it stands now.
type NamedHoster struct {
	Hoster string   `json:"hoster"`
	Name   string   `json:"name"`
	State  string   `json:"state,omitempty"` // missing where it is not watched any more
	ASNs   []uint32 `json:"asns"`
}

// KnownOrigin is an AS that originates a prefix.
type KnownOrigin struct {
	ASN    uint32 `json:"asn"`
	Hoster string `json:"hoster,omitempty"` // whose AS it is
	RPKI   string `json:"rpki"`             // what the RPKI says of it today: "valid", "invalid", "not-found", "unknown"
}

// AboutAS is what is known of an AS.
type AboutAS struct {
	ASN     uint32          `json:"asn"`
	Hosters []NamedHoster   `json:"hosters"` // whose AS it is
	Carries []Carried       `json:"carries"` // hosters of which it is an upstream now, or was within the baseline
	Memory  *timeline.About `json:"memory"`  // null where no timeline is configured
	Missing []string        `json:"missing"` // what could not be said, in sentences
}

func (s *Server) addAbout() {
	register(s, reading("/prefixes/{cidr}", "prefix", tagHistory, "What is known of a prefix or an address: whose it is, who originates it, what is around it", "How it stands now, and how it stood at a moment."), func(ctx context.Context, in *struct {
		PrefixPath
		Moment
	}) (*body[AboutPrefix], error) {
		q, err := questionOf(in)
		if err != nil {
			return nil, err
		}
		return s.aboutPrefix(ctx, q)
	})
	register(s, reading("/asns/{asn}", "asn", tagHistory, "What is known of an AS: whose it is, what it originates, whom it carries", "Nothing is an answer too: `missing` says why."), func(ctx context.Context, in *struct {
		ASNPath
		Moment
	}) (*body[AboutAS], error) {
		q, err := questionOf(in)
		if err != nil {
			return nil, err
		}
		out := AboutAS{ASN: q.ASN, Hosters: []NamedHoster{}, Carries: s.carries(q.ASN), Missing: []string{}}
		for _, h := range s.board.now().Hosters {
			if slices.Contains(h.ASNs, q.ASN) {
				out.Hosters = append(out.Hosters, NamedHoster{h.Hoster, h.Name, h.State, h.ASNs})
			}
		}
		out.Memory, out.Missing, err = s.about(ctx, q)
		return &body[AboutAS]{out}, err
	})
}

// about asks the memory, and says what it cannot.
func (s *Server) about(ctx context.Context, q timeline.Asking) (*timeline.About, []string, error) {
	if s.deps.About == nil {
		return nil, []string{noTimeline}, nil
	}
	out, err := busy(ctx, s, func() (*timeline.About, error) { return s.deps.About(ctx, q) })
	if err != nil {
		return nil, []string{}, err
	}
	return out, out.Missing, nil
}

func (s *Server) aboutPrefix(ctx context.Context, q timeline.Asking) (*body[AboutPrefix], error) {
	out := AboutPrefix{Prefix: q.Prefix, Watched: []WatchedPrefix{}, Hosters: []NamedHoster{}, Origins: []KnownOrigin{}}
	var err error
	if out.Memory, out.Missing, err = s.about(ctx, q); err != nil {
		return nil, err
	}
	if q.Addr.IsValid() {
		out.Prefix = netip.PrefixFrom(q.Addr, q.Addr.BitLen())
		if m := out.Memory; m != nil && m.Longest.IsValid() {
			out.Prefix = m.Longest
		}
	}
	standing := map[string]*watch.Standing{}
	all := s.board.now().Hosters
	for i := range all {
		standing[all[i].Hoster] = &all[i]
	}
	belongs := func(id string) {
		if id == "" || slices.ContainsFunc(out.Hosters, func(h NamedHoster) bool { return h.Hoster == id }) {
			return
		}
		x := NamedHoster{Hoster: id, Name: id, ASNs: []uint32{}}
		if h := standing[id]; h != nil {
			x.Name, x.State, x.ASNs = h.Name, h.State, h.ASNs
		}
		out.Hosters = append(out.Hosters, x)
	}
	if list, err := s.deps.Monitor.Explain(out.Prefix.String()); err == nil { // it is none that is watched, otherwise
		for i := range list {
			if x := &list[i]; x.Prefix == out.Prefix {
				out.Watched = append(out.Watched, WatchedPrefix{x.Hoster, x.State, x.Since, x.Eligible, x.Holding, x.Baseline, x.Verdict})
				belongs(x.Hoster)
			}
		}
	}
	if out.Memory != nil {
		for _, x := range out.Memory.Prefixes {
			for _, id := range x.Hosters {
				belongs(id)
			}
			for _, asn := range x.Origins {
				out.Origins = append(out.Origins, s.origin(x.Prefix, asn, all))
			}
		}
	}
	return &body[AboutPrefix]{out}, nil
}

// origin says what is known of an origin of a prefix.
func (s *Server) origin(p netip.Prefix, asn uint32, hosters []watch.Standing) KnownOrigin {
	out := KnownOrigin{ASN: asn, RPKI: "unknown"}
	if i := slices.IndexFunc(hosters, func(h watch.Standing) bool { return slices.Contains(h.ASNs, asn) }); i >= 0 {
		out.Hoster = hosters[i].Hoster
	}
	if s.deps.RPKI != nil {
		if word := s.deps.RPKI(p, asn); word != "" {
			out.RPKI = word
		}
	}
	return out
}

// carries are the hosters of which the AS is an upstream now, or was within the baseline.
func (s *Server) carries(asn uint32) []Carried {
	out := []Carried{}
	for _, h := range s.board.now().Hosters {
		for _, u := range h.Upstreams {
			if u.ASN == asn {
				out = append(out, Carried{h.Hoster, h.Name, u})
			}
		}
	}
	return out
}

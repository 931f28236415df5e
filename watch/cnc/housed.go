package cnc

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Housed is one family at one watched hoster, and what became of it.
type Housed struct {
	Hoster  string    `json:"hoster"`
	Name    string    `json:"name"` // of the hoster
	Family  string    `json:"family"`
	Since   time.Time `json:"since"` // first seen there
	Last    time.Time `json:"last"`  // last seen there
	Hosts   int       `json:"hosts"` // addresses ever seen there, as far as they are kept
	Fate    Fate      `json:"fate"`
	MovedTo []Network `json:"moved_to"` // where it was seen to move (cnc.moved), in order of time
}

// Network is an AS with its name, "" where nobody knows it.
type Network struct {
	ASN  uint32 `json:"asn"`
	Name string `json:"name"`
}

// Residence is where a family was seen: an AS, or where nobody knows it the block around
// its addresses.
type Residence struct {
	ASN    uint32       `json:"asn"`              // 0 where it is not known
	Prefix netip.Prefix `json:"prefix,omitzero"`  // only where it is not: /24, IPv6 /48
	Name   string       `json:"name"`             // of the AS, "" where nobody knows it
	Hoster string       `json:"hoster,omitempty"` // the watched hoster that it is
	Since  time.Time    `json:"since"`            // first seen there
	Last   time.Time    `json:"last"`             // last seen there
	Hosts  int          `json:"hosts"`            // addresses ever seen there, as far as they are kept
	Alive  bool         `json:"alive"`            // seen within Config.Alive
}

// Housed says which families were seen at which watched hosters, and what became of each:
// what Judge.Dossier says, of all hosters at once and short. In order of hoster and family.
func (j *Judge) Housed(now time.Time) []Housed {
	moves := j.movesByHome()
	hosters := map[string]*hoster{}
	dark := map[string]bool{}
	for _, h := range j.Hosters {
		hosters[h.ID] = h
		if chains := h.chains(j.Cfg.Chain); len(chains) > 0 {
			dark[h.ID] = chains[len(chains)-1].darkAt(now.Unix())
		}
	}
	out := []Housed{}
	for name, f := range j.Families {
		for id, hosts := range f.Homes {
			h := hosters[id]
			if h == nil || len(hosts) == 0 {
				continue // watched no more
			}
			x := stay(name, hosts)
			x.Moves = moves[household{id, name}]
			out = append(out, Housed{Hoster: id, Name: h.Name, Family: name, Since: x.Since, Last: x.Last, Hosts: x.Hosts,
				Fate: j.fate(f, &x, dark[id], now), MovedTo: movedTo(x.Moves)})
		}
	}
	slices.SortFunc(out, func(a, b Housed) int {
		return cmp.Or(cmp.Compare(a.Hoster, b.Hoster), cmp.Compare(a.Family, b.Family))
	})
	return out
}

// household is a family at a hoster.
type household struct{ hoster, family string }

func (j *Judge) movesByHome() map[household][]Migration {
	out := map[household][]Migration{}
	for _, v := range j.Said {
		k := household{v.M.Hoster, v.M.Family}
		out[k] = append(out[k], v.M)
	}
	for _, list := range out {
		slices.SortFunc(list, bySeen)
	}
	return out
}

func bySeen(a, b Migration) int { return cmp.Or(a.Seen.Compare(b.Seen), cmp.Compare(a.ID, b.ID)) }

// stay is since when and until when a family was seen on some hosts.
func stay(family string, hosts []*host) DossierFamily {
	x := DossierFamily{Family: family, Hosts: len(hosts), Moves: []Migration{}}
	for _, o := range hosts {
		if first := time.Unix(o.First, 0).UTC(); x.Since.IsZero() || first.Before(x.Since) {
			x.Since = first
		}
		if last := time.Unix(o.Last, 0).UTC(); last.After(x.Last) {
			x.Last = last
		}
	}
	return x
}

func movedTo(moves []Migration) []Network {
	out := []Network{}
	for i := range moves {
		m := &moves[i]
		if m.Kind != KindMoved || m.To.ASN == 0 || slices.ContainsFunc(out, func(n Network) bool { return n.ASN == m.To.ASN }) {
			continue
		}
		out = append(out, Network{m.To.ASN, m.To.Name})
	}
	return out
}

// Residences says where a family (its canonical name) was seen, as far as that is kept, last
// seen first; false where it was never seen.
func (j *Judge) Residences(family string, now time.Time) ([]Residence, bool) {
	f := j.Families[family]
	if f == nil {
		return nil, false
	}
	out := []Residence{}
	for p, at := range f.Places {
		if len(at.Hosts) == 0 {
			continue
		}
		x := stay(family, at.Hosts)
		r := Residence{ASN: p.ASN, Prefix: p.Prefix, Since: x.Since, Last: x.Last, Hosts: x.Hosts, Alive: now.Sub(x.Last) < j.Cfg.Alive}
		for _, o := range at.Hosts {
			r.Hoster, r.Name = cmp.Or(r.Hoster, o.Hoster), cmp.Or(r.Name, o.PlaceName)
		}
		if h := j.hoster(r.Hoster); h != nil {
			r.Name = h.Name
		}
		if r.Name == "" && p.ASN != 0 {
			r.Name = j.facts(p.ASN, x.Last).Name
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Residence) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.ASN, b.ASN), a.Prefix.Compare(b.Prefix))
	})
	return out, true
}

package feed

import (
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"

	"depeer/watch/cnc"
)

// stixObject is what is read of the STIX objects that matter here (OASIS STIX 2.1 sections 4, 5, 6).
type stixObject struct {
	Type        string   `json:"type"`
	ID          string   `json:"id"`
	Created     string   `json:"created"`
	Modified    string   `json:"modified"`
	Name        string   `json:"name"`
	Revoked     bool     `json:"revoked"`
	Labels      []string `json:"labels"`
	Confidence  int      `json:"confidence"`
	Pattern     string   `json:"pattern"`
	PatternType string   `json:"pattern_type"`
	Kinds       []string `json:"indicator_types"`
	ValidFrom   string   `json:"valid_from"`
	Phases      []struct {
		Name string `json:"phase_name"`
	} `json:"kill_chain_phases"`
	InfraKinds    []string                   `json:"infrastructure_types"`
	Relation      string                     `json:"relationship_type"`
	Source        string                     `json:"source_ref"`
	Target        string                     `json:"target_ref"`
	Start         string                     `json:"start_time"`
	Stop          string                     `json:"stop_time"`
	FirstSeen     string                     `json:"first_seen"`
	LastSeen      string                     `json:"last_seen"`
	Of            string                     `json:"sighting_of_ref"`
	Observed      []string                   `json:"observed_data_refs"`
	FirstObserved string                     `json:"first_observed"`
	LastObserved  string                     `json:"last_observed"`
	Objects       map[string]json.RawMessage `json:"objects"` // 2.0: within observed-data
	ObjectRefs    []string                   `json:"object_refs"`
	Value         string                     `json:"value"`
	Dst           string                     `json:"dst_ref"`
	DstPort       int                        `json:"dst_port"`
}

// stix is a collection while it is read: relationships may come before what they relate.
type stix struct {
	in      *intake
	objects map[string]*stixObject
	order   []*stixObject
	edges   map[string][]stixEdge
}

type stixEdge struct{ to, relation, start, stop string }

// parseSTIX reads a bundle or a TAXII envelope: indicators, sightings, observed data, and addresses and names that
// a relationship ties to malware or infrastructure. The family is that of the nearest malware or tool, at most three steps away.
func parseSTIX(in *intake, r io.Reader) error {
	x := &stix{in: in, objects: map[string]*stixObject{}, edges: map[string][]stixEdge{}}
	err := newStream(r).values(func(raw json.RawMessage) error { return x.read(raw) }, func(own map[string]json.RawMessage) error {
		if raw, ok := own["pattern"]; ok && raw != nil { // one object a line
			whole, err := json.Marshal(own)
			if err != nil {
				return err
			}
			return x.read(whole)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, o := range x.order {
		if err := x.take(o); err != nil {
			return err
		}
	}
	return nil
}

func (x *stix) read(raw json.RawMessage) error {
	if len(x.order) >= x.in.o.MaxEntries {
		return doubt("holds more than %d objects", x.in.o.MaxEntries)
	}
	o := &stixObject{}
	if err := json.Unmarshal(raw, o); err != nil {
		if err := x.in.entry(); err != nil {
			return err
		}
		x.in.drop(cnc.Malformed, "%v", err)
		return nil
	}
	// A later version of an object takes its place.
	if old := x.objects[o.ID]; old != nil && o.ID != "" {
		if o.Modified >= old.Modified {
			*old = *o
		}
		return nil
	}
	if o.ID != "" {
		x.objects[o.ID] = o
	}
	x.order = append(x.order, o)
	if o.Type == "relationship" && !o.Revoked {
		x.edges[o.Source] = append(x.edges[o.Source], stixEdge{o.Target, o.Relation, o.Start, o.Stop})
		x.edges[o.Target] = append(x.edges[o.Target], stixEdge{o.Source, o.Relation, o.Start, o.Stop})
	}
	return nil
}

// take makes sightings of one object. What is no host by nature is an entry that is left.
func (x *stix) take(o *stixObject) error {
	switch o.Type {
	case "indicator":
		return x.indicator(o, o.ValidFrom, "", o)
	case "sighting":
		return x.sighting(o)
	case "observed-data":
		return x.observed(o, "")
	case "ipv4-addr", "ipv6-addr", "domain-name", "url":
		return x.related(o)
	case "relationship", "malware", "tool", "infrastructure", "identity", "marking-definition", "extension-definition":
		return nil // they tie the others together
	}
	if err := x.in.entry(); err != nil {
		return err
	}
	x.in.drop(cnc.NotASource, "%.40s", o.Type)
	return nil
}

// indicator takes the hosts of a pattern, seen from first (to last); by says how sure and when it was told.
func (x *stix) indicator(o *stixObject, from, last string, by *stixObject) error {
	if err := x.in.entry(); err != nil {
		return err
	}
	switch {
	case o.Revoked || by.Revoked:
		x.in.drop(cnc.Doubtful, "%.80s was revoked", o.ID)
		return nil
	case slices.Contains(o.Kinds, "benign"):
		x.in.drop(cnc.Doubtful, "%.80s is benign", o.ID)
		return nil
	case o.PatternType != "" && o.PatternType != "stix":
		x.in.drop(cnc.Unmatched, "a pattern of %.40s", o.PatternType)
		return nil
	}
	hosts, err := patternHosts(o.Pattern)
	if err != nil {
		x.in.drop(cnc.Unmatched, "%.80q %v", o.Pattern, err)
		return nil
	}
	for i, s := range hosts {
		if i > 0 {
			if err := x.in.entry(); err != nil {
				return err
			}
		}
		x.host(s, o, from, last, by)
	}
	return nil
}

// host takes one host of an object.
func (x *stix) host(s cnc.Sighting, o *stixObject, from, last string, by *stixObject) {
	if !span(&s, from, last) {
		x.in.drop(cnc.BadTime, "%.40q, %.40q", from, last)
		return
	}
	if t, _, ok := when(first(by.Modified, by.Created)); ok {
		s.Reported = t
	}
	s.Family, s.Kind = x.family(o.ID)
	if s.Family == "" {
		s.Family, _ = x.in.o.Families.In(o.Name)
	}
	if k := stixKind(o); k != "" {
		s.Kind = k
	}
	s.Confidence = max(by.Confidence, o.Confidence)
	s.Note = o.Name
	x.in.take(s)
}

func stixKind(o *stixObject) cnc.Kind {
	for _, p := range o.Phases {
		switch strings.ToLower(p.Name) {
		case "command-and-control":
			return cnc.CNC
		case "delivery":
			return cnc.Malware
		}
	}
	for _, l := range append(slices.Clone(o.Labels), o.InfraKinds...) {
		switch l = strings.ToLower(l); {
		case strings.Contains(l, "phish"):
			return cnc.Phishing
		case l == "command-and-control" || l == "c2":
			return cnc.CNC
		case l == "hosting-malware":
			return cnc.Malware
		case l == "anonymization":
			return cnc.Proxy
		}
	}
	return ""
}

// family finds the nearest malware or tool, and what its tie says that the host does.
func (x *stix) family(id string) (string, cnc.Kind) {
	kind := cnc.Kind("")
	seen := map[string]bool{id: true}
	for layer, depth := []string{id}, 0; depth < 3 && len(layer) > 0; depth++ {
		var next []string
		for _, at := range layer {
			for _, e := range x.edges[at] {
				if seen[e.to] || len(seen) > 10000 {
					continue
				}
				seen[e.to] = true
				switch e.relation {
				case "delivers", "downloads", "drops":
					kind = cnc.Malware
				case "hosts", "controls", "communicates-with", "beacons-to", "exfiltrates-to", "indicates", "based-on", "consists-of", "uses", "related-to", "derived-from", "resolves-to", "belongs-to":
				default:
					continue // an actor's targets, mitigations
				}
				o := x.objects[e.to]
				if o == nil {
					continue
				}
				if o.Type == "malware" || o.Type == "tool" {
					return o.Name, kind
				}
				if o.Type == "infrastructure" && kind == "" {
					kind = stixKind(o)
				}
				next = append(next, e.to)
			}
		}
		layer = next
	}
	return "", kind
}

// sighting: an indicator, or the observed data beside it, was seen from first_seen to last_seen.
func (x *stix) sighting(o *stixObject) error {
	found := false
	from, last := first(o.FirstSeen, o.LastSeen, o.Created), o.LastSeen
	if of := x.objects[o.Of]; of != nil && of.Type == "indicator" {
		found = true
		if err := x.indicator(of, from, last, o); err != nil {
			return err
		}
	}
	for _, id := range o.Observed {
		if d := x.objects[id]; d != nil {
			found = true
			if err := x.observed(d, o.Of); err != nil {
				return err
			}
		}
	}
	if found {
		return nil
	}
	if err := x.in.entry(); err != nil {
		return err
	}
	x.in.drop(cnc.NoHost, "a sighting of %.80s, which is not here", o.Of)
	return nil
}

// observed takes the hosts of observed data. of is what it was a sighting of, "" where it stands alone.
func (x *stix) observed(o *stixObject, of string) error {
	var hosts []cnc.Sighting
	ids := []string{}
	add := func(y *stixObject, all func(string) *stixObject) {
		switch y.Type {
		case "ipv4-addr", "ipv6-addr", "domain-name", "url":
			if s, ok := hostIn(y.Value); ok {
				hosts, ids = append(hosts, s), append(ids, y.ID)
			}
		case "network-traffic":
			if d := all(y.Dst); d != nil {
				if s, ok := hostIn(d.Value); ok {
					s.Port = uint16(max(0, min(65535, y.DstPort)))
					hosts, ids = append(hosts, s), append(ids, d.ID)
				}
			}
		}
	}
	inner := map[string]*stixObject{}
	for _, key := range sortedKeys(o.Objects) {
		y := &stixObject{}
		if json.Unmarshal(o.Objects[key], y) == nil {
			inner[key] = y
		}
	}
	for _, key := range sortedKeys(inner) {
		add(inner[key], func(k string) *stixObject { return inner[k] })
	}
	for _, id := range o.ObjectRefs {
		if y := x.objects[id]; y != nil {
			add(y, func(k string) *stixObject { return x.objects[k] })
		}
	}
	if len(hosts) == 0 {
		if err := x.in.entry(); err != nil {
			return err
		}
		x.in.drop(cnc.NoHost, "observed data %.80s", o.ID)
		return nil
	}
	for i, s := range hosts {
		if err := x.in.entry(); err != nil {
			return err
		}
		about := *o
		for _, id := range []string{of, o.ID, ids[i]} {
			if y := x.objects[id]; y != nil && (y.Type == "malware" || y.Type == "tool") {
				s.Family = y.Name
			} else if name, _ := x.family(id); name != "" && id != "" {
				about.ID = id
			} else {
				continue
			}
			break
		}
		if s.Family == "" && about.ID == o.ID && of == "" {
			// Data that nobody calls malicious are an observation of anything.
			x.in.drop(cnc.Unmatched, "observed data %.80s are tied to no malware", o.ID)
			continue
		}
		family := s.Family
		y := about
		x.hostOfFamily(s, &y, family, first(o.FirstObserved, o.Created), o.LastObserved)
	}
	return nil
}

func (x *stix) hostOfFamily(s cnc.Sighting, o *stixObject, family, from, last string) {
	if family == "" {
		x.host(s, o, from, last, o)
		return
	}
	if !span(&s, from, last) {
		x.in.drop(cnc.BadTime, "%.40q, %.40q", from, last)
		return
	}
	s.Family, s.Confidence = family, o.Confidence
	x.in.take(s)
}

// related takes an address or name that a relationship ties to malware or infrastructure: seen in the
// relationship's time. One that stands alone is a part of something else.
func (x *stix) related(o *stixObject) error {
	family, _ := x.family(o.ID)
	if family == "" {
		return nil
	}
	if err := x.in.entry(); err != nil {
		return err
	}
	s, ok := hostIn(o.Value)
	if !ok {
		x.in.drop(cnc.BadHost, "%.80q is no host", o.Value)
		return nil
	}
	from, last := "", ""
	for _, e := range x.edges[o.ID] {
		from, last = first(e.start, from), first(e.stop, last)
		if y := x.objects[e.to]; y != nil && from == "" {
			from = first(y.FirstSeen, y.Created)
		}
	}
	x.host(s, o, from, last, o)
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		n, errN := strconv.Atoi(a)
		k, errK := strconv.Atoi(b)
		if errN == nil && errK == nil {
			return n - k
		}
		return strings.Compare(a, b)
	})
	return keys
}

package main

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"depeer/watch"
)

// incidentFile is a collection of documented incidents: who lost which upstream
// when, how precisely that is known, and from where. What it holds beside this is
// for people.
type incidentFile struct {
	Incidents []struct {
		ID     string `yaml:"id"`
		Hoster string `yaml:"hoster"`
		ASNs   []struct {
			ASN  *uint32 `yaml:"asn"`
			Role string  `yaml:"role"`
		} `yaml:"asns"`
		Prefixes []struct {
			Prefix string `yaml:"prefix"`
			Origin uint32 `yaml:"origin_asn"`
		} `yaml:"prefixes"`
		Events []struct {
			Type     string   `yaml:"type"`
			Window   []string `yaml:"window"`
			ASN      *uint32  `yaml:"asn"`
			Peer     *uint32  `yaml:"peer_asn"`
			Prefixes any      `yaml:"prefixes"` // "all", or a list
			Evidence string   `yaml:"evidence"`
		} `yaml:"events"`
	} `yaml:"incidents"`
}

// readTruth reads a ground truth: a file of documented incidents (YAML), or one
// fact a line (see truth). The first brings its own watchlist.
func readTruth(path string) (*truth, []watch.Hoster, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, usageError{err}
	}
	if !strings.Contains("\n"+string(text), "\nincidents:") {
		t, err := parseTruth(string(text))
		if err != nil {
			return nil, nil, usagef("%s: %v", path, err)
		}
		return t, nil, nil
	}
	var f incidentFile
	if err := yaml.Unmarshal(text, &f); err != nil {
		return nil, nil, usagef("%s: %v", path, err)
	}
	t, hosters, err := f.truth()
	if err != nil {
		return nil, nil, usagef("%s: %v", path, err)
	}
	if len(t.facts) == 0 {
		return nil, nil, usagef("%s: no event of it can be tested: each needs an AS number and a window", path)
	}
	return t, hosters, nil
}

// truth makes facts of the events that routes can show, and hosters of the AS
// numbers that they are about.
func (f *incidentFile) truth() (*truth, []watch.Hoster, error) {
	t := &truth{incidents: -1}
	var hosters []watch.Hoster
	taken := map[uint32]string{}
	add := func(id, name string, asns []uint32, prefixes []netip.Prefix) {
		asns = slices.DeleteFunc(asns, func(a uint32) bool { return taken[a] != "" })
		if len(asns) == 0 {
			return
		}
		for _, a := range asns {
			taken[a] = id
		}
		hosters = append(hosters, watch.Hoster{ID: id, Name: name, ASNs: asns, Prefixes: prefixes})
	}
	for _, in := range f.Incidents {
		var own []uint32
		for _, a := range in.ASNs {
			if a.ASN != nil && (a.Role == "origin" || a.Role == "customer") {
				own = append(own, *a.ASN)
			}
		}
		// The prefixes are learned from the recordings: the lists of some incidents
		// are end states, with the prefixes at their new owners.
		add(in.ID, in.Hoster, own, nil)
		for _, a := range in.ASNs {
			if a.ASN != nil && a.Role == "successor" {
				add(fmt.Sprintf("as%d", *a.ASN), fmt.Sprintf("AS%d", *a.ASN), []uint32{*a.ASN}, nil)
			}
		}
		for _, e := range in.Events {
			if e.ASN == nil || len(e.Window) != 2 || e.Evidence == "memory" {
				continue
			}
			x := fact{subject: taken[*e.ASN], text: in.ID + ": " + e.Type + " " + fmt.Sprint(*e.ASN)}
			var err error
			if x.from, err = parseMoment(e.Window[0]); err == nil {
				x.to, err = parseMoment(e.Window[1])
			}
			if err != nil {
				return nil, nil, fmt.Errorf("incident %s: window: %w", in.ID, err)
			}
			if e.Peer != nil {
				x.number = *e.Peer
				x.text += fmt.Sprintf(" %d", x.number)
			}
			x.text += fmt.Sprintf(" between %s and %s", x.from.Format(time.RFC3339), x.to.Format(time.RFC3339))
			if list, ok := e.Prefixes.([]any); ok && len(list) == 0 && e.Type == "new_origin" && e.Peer != nil {
				// Which prefixes is not known: that the other AS has any is what can be seen.
				x.kind, x.subject, x.number = watch.PrefixNew, taken[*e.Peer], 0
				t.facts = append(t.facts, x)
			} else if x.kindOf(e.Type, *e.ASN, in.ID) {
				t.facts = append(t.facts, x)
			}
		}
	}
	return t, hosters, nil
}

// parseMoment reads a time as YAML 1.1 and RFC 3339 write it.
func parseMoment(s string) (t time.Time, err error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05Z07:00", time.DateTime, time.DateOnly} {
		if t, err = time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return t, fmt.Errorf("%q is no time", s)
}

// kindOf gives the fact the kind that depeer has for the type; false where routes
// do not show it.
func (f *fact) kindOf(kind string, asn uint32, incident string) bool {
	switch kind {
	case "upstream_lost":
		f.kind = watch.UpstreamLost
		if f.subject == "" { // the AS is an upstream of the hoster: the cut is one level up
			f.kind, f.subject, f.via, f.number = watch.TransitLost, incident, f.number, asn
		}
		return f.number != 0
	case "upstream_gained":
		f.kind = watch.UpstreamGained
		return f.number != 0
	case "withdrawn":
		f.kind, f.number = watch.HosterDark, 0
	case "reannounced":
		f.kind, f.number = watch.HosterReturned, 0
	case "new_origin":
		f.kind = watch.OriginNew
		return f.number != 0
	default:
		return false
	}
	return f.subject != ""
}

package export

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"

	"depeer/watch"
	"depeer/watch/cnc"
)

// object is a STIX object. Its properties are few and differ by type: a map says them
// with less than a struct each.
type object map[string]any

// The namespace of ids of cyber-observable objects (STIX 2.1 section 2.9), and ours.
var (
	observableSpace = uuid.MustParse("00abedb4-aa42-466c-9c01-fed23315a9b7")
	ownSpace        = uuid.MustParse("6a1f5a0e-3f0c-5b39-9a52-1f0b3a8f2c11")
)

// bundle writes a STIX bundle.
type bundle[T Item] struct {
	*array[T]
	seen map[string]struct{} // of what many items refer to
}

// maxSeen bounds what is remembered: beyond it an object may stand in the bundle twice,
// alike, which STIX allows.
const maxSeen = 100_000

func newSTIX[T Item](w io.Writer) *bundle[T] {
	b := &bundle[T]{seen: map[string]struct{}{}}
	id := "bundle--" + uuid.NewString()
	b.array = newArray(w, `{"type":"bundle","id":"`+id+`","objects":[`, "]}\n", func(x *T) ([]any, error) {
		var out []any
		for _, o := range append([]object{producer()}, stixOf(x)...) {
			id, _ := o["id"].(string)
			if _, ok := b.seen[id]; ok {
				continue
			}
			if len(b.seen) < maxSeen {
				b.seen[id] = struct{}{}
			}
			out = append(out, o)
		}
		return out, nil
	})
	return b
}

// stixOf is one item and what it refers to.
func stixOf[T Item](x *T) []object {
	switch x := any(x).(type) {
	case *watch.Event:
		return eventSTIX(x)
	case *watch.Incident:
		return incidentSTIX(x)
	case *cnc.Migration:
		return migrationSTIX(x)
	case *cnc.Sighting:
		return sightingSTIX(x)
	}
	return nil
}

// domain makes an object that somebody says (SDO or SRO): its id comes from what it is about.
func domain(kind, of string, created, modified time.Time, more object) object {
	o := object{"type": kind, "spec_version": "2.1", "id": kind + "--" + uuid.NewSHA1(ownSpace, []byte(kind+"\n"+of)).String(),
		"created": stamp(created), "modified": stamp(modified)}
	if kind != "identity" {
		o["created_by_ref"] = producer()["id"]
	}
	for k, v := range more {
		o[k] = v
	}
	return o
}

// observable makes an object that was seen (SCO): its id comes from its one property.
func observable(kind, property string, value any) object {
	name, _ := json.Marshal(map[string]any{property: value})
	return object{"type": kind, "spec_version": "2.1", "id": kind + "--" + uuid.NewSHA1(observableSpace, name).String(), property: value}
}

// beginning is when everything was created that several items refer to: the same object
// must not have several times of creation.
var beginning = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func producer() object {
	return domain("identity", "depeer", beginning, beginning, object{"name": "depeer", "identity_class": "system"})
}

func asObject(asn uint32) object { return observable("autonomous-system", "number", asn) }

func netObject(p netip.Prefix) object {
	kind := "ipv4-addr"
	if p.Addr().Is6() {
		kind = "ipv6-addr"
	}
	value := p.String()
	if p.IsSingleIP() {
		value = p.Addr().String()
	}
	return observable(kind, "value", value)
}

func malware(family string) object {
	return domain("malware", family, beginning, beginning, object{"name": family, "is_family": true, "malware_types": []string{"bot"}})
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func refs(list []object) []string {
	out := []string{}
	for _, o := range list {
		out = append(out, o["id"].(string))
	}
	return out
}

// eventSTIX: what was observed, and a note of what depeer concluded.
func eventSTIX(e *watch.Event) []object {
	var seen []object
	for _, p := range e.Prefixes {
		seen = append(seen, netObject(p))
	}
	if e.Prefix != nil && len(seen) == 0 {
		seen = append(seen, netObject(*e.Prefix))
	}
	for _, asn := range []uint32{e.ASN, e.Upstream, e.Via, e.Origin} {
		if asn != 0 {
			seen = append(seen, asObject(asn))
		}
	}
	text := sentence(e)
	if len(seen) == 0 { // of our own eyes: nobody else's objects
		return []object{domain("note", e.ID, e.At, e.At, object{"abstract": string(e.Kind), "content": text, "object_refs": refs([]object{producer()}), "labels": []string{string(e.Kind)}})}
	}
	first, last := e.FirstSeen, e.At
	if last.Before(first) {
		first = last
	}
	data := domain("observed-data", e.ID, e.At, e.At, object{"first_observed": stamp(first), "last_observed": stamp(last), "number_observed": max(len(e.Evidence), 1),
		"object_refs": refs(seen), "labels": []string{string(e.Kind), string(e.Severity)}})
	note := domain("note", e.ID, e.At, e.At, object{"abstract": string(e.Kind), "content": text, "object_refs": []string{data["id"].(string)}})
	return append(seen, data, note)
}

// sentence is an event in words.
func sentence(e *watch.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s at %s", e.Kind, e.At.UTC().Format(time.RFC3339))
	for _, x := range []struct {
		word  string
		value any
		there bool
	}{
		{"hoster", deref(e.Hoster), e.Hoster != nil}, {"upstream AS", e.Upstream, e.Upstream != 0}, {"via AS", e.Via, e.Via != 0}, {"origin AS", e.Origin, e.Origin != 0},
		{"source", e.Source, e.Source != ""}, {"collector", e.Collector, e.Collector != ""}, {"reason", e.Reason, e.Reason != ""},
	} {
		if x.there {
			fmt.Fprintf(&b, ", %s %v", x.word, x.value)
		}
	}
	if e.Eligible > 0 {
		fmt.Fprintf(&b, "; %.2f before, %.2f after, of %d that could have seen it", e.Before, e.After, e.Eligible)
	}
	return b.String()
}

func incidentSTIX(i *watch.Incident) []object {
	text := i.Summary
	if i.Resolved != nil {
		text += fmt.Sprintf("; resolved %s (%s)", i.Resolved.UTC().Format(time.RFC3339), deref(i.Resolution))
	}
	in := domain("incident", i.ID, i.Opened, latest(i.Opened, i.At), object{"name": fmt.Sprintf("%s: %s", i.Hoster, i.Class), "description": text,
		"labels": []string{string(i.Class), string(i.Phase), string(i.Severity)}})
	var out []object
	for _, p := range i.Prefixes {
		out = append(out, netObject(p))
	}
	for _, asn := range append(append([]uint32{}, i.Lost...), i.Gained...) {
		out = append(out, asObject(asn))
	}
	out = append(out, in)
	return append(out, domain("report", i.ID, i.Opened, latest(i.Opened, i.At), object{"name": i.Summary, "report_types": []string{"threat-report"}, "published": stamp(latest(i.Opened, i.Confirmed)),
		"object_refs": refs(out)}))
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// migrationSTIX: the family, where it was and where it went, and a report of what speaks for it.
func migrationSTIX(m *cnc.Migration) []object {
	family := malware(m.Family)
	out := []object{family}
	ends := []string{}
	for _, x := range []struct {
		of  string
		end cnc.End
	}{{"from", m.From}, {"to", m.To}} {
		place := asObject(x.end.ASN)
		name := fmt.Sprintf("%s C&C in AS%d", m.Family, x.end.ASN)
		infra := domain("infrastructure", fmt.Sprintf("%s\n%d", m.Family, x.end.ASN), beginning, beginning, object{"name": name, "infrastructure_types": []string{"command-and-control"}})
		out = append(out, place, infra)
		out = append(out, relation(infra, "consists-of", place), relation(infra, "controls", family))
		if x.end.IP.IsValid() {
			ip := netObject(netip.PrefixFrom(x.end.IP, x.end.IP.BitLen()))
			out = append(out, ip, relation(infra, "consists-of", ip))
		}
		ends = append(ends, infra["id"].(string))
	}
	var lines []string
	for _, e := range m.Evidence {
		lines = append(lines, fmt.Sprintf("%+.1f %s: %s", e.Points, e.Name, e.Text))
	}
	for _, c := range m.Caveats {
		lines = append(lines, "but: "+c)
	}
	out = append(out, domain("relationship", m.ID, m.At, m.At, object{"relationship_type": "related-to", "source_ref": ends[0], "target_ref": ends[1], "description": m.Summary}))
	return append(out, domain("report", m.ID, m.At, m.At, object{"name": m.Summary, "description": strings.Join(lines, "\n"), "report_types": []string{"threat-report"},
		"published": stamp(m.At), "object_refs": refs(out), "labels": []string{m.Kind, "score:" + float(m.Score)}}))
}

func relation(from object, kind string, to object) object {
	return domain("relationship", fmt.Sprint(from["id"], "\n", kind, "\n", to["id"]), beginning, beginning, object{"relationship_type": kind, "source_ref": from["id"], "target_ref": to["id"]})
}

// sightingSTIX: an indicator of the family, and that it was seen.
func sightingSTIX(s *cnc.Sighting) []object {
	pattern, value := "", ""
	switch {
	case s.Addr.IsValid() && s.Addr.Is6():
		pattern, value = "ipv6-addr:value", s.Addr.String()
	case s.Addr.IsValid():
		pattern, value = "ipv4-addr:value", s.Addr.String()
	case s.URL != "":
		pattern, value = "url:value", s.URL
	default:
		pattern, value = "domain-name:value", s.Name
	}
	from := s.At
	if !s.First.IsZero() && s.First.Before(from) {
		from = s.First
	}
	family := malware(s.Family)
	kind := "malicious-activity"
	mark := domain("indicator", s.Family+"\n"+value, beginning, beginning, object{"name": s.Family + " " + value, "indicator_types": []string{kind}, "pattern_type": "stix",
		"pattern": "[" + pattern + " = '" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "']", "valid_from": stamp(from)})
	if s.Confidence > 0 {
		mark["confidence"] = min(s.Confidence, 100)
	}
	source := domain("identity", "source\n"+s.Source, beginning, beginning, object{"name": s.Source, "identity_class": "organization"})
	seen := domain("sighting", s.ID, s.At, s.At, object{"sighting_of_ref": mark["id"], "first_seen": stamp(from), "last_seen": stamp(s.At), "count": 1, "where_sighted_refs": []any{source["id"]}})
	return []object{family, source, mark, relation(mark, "indicates", family), seen}
}

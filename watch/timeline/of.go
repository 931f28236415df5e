package timeline

import (
	"encoding/json"
	"time"

	"depeer/watch"
)

// OfEvent is the record of an event.
func OfEvent(e *watch.Event) (Record, error) {
	r := Record{Kind: Event, ID: e.ID, At: e.At, Word: string(e.Kind), Severity: e.Severity, Upstream: e.Upstream, ASN: e.ASN,
		Collector: e.Collector, Prefixes: e.Prefixes}
	if e.Hoster != nil {
		r.Hoster = *e.Hoster
	}
	if e.Incident != nil {
		r.Incident = *e.Incident
	}
	if e.Prefix != nil && len(e.Prefixes) == 0 {
		r.Prefixes = append(r.Prefixes, *e.Prefix)
	}
	if e.Origin != 0 {
		r.ASN = e.Origin
	}
	return r.with(e)
}

// OfIncident is the record of one revision of an incident.
func OfIncident(i *watch.Incident) (Record, error) {
	r := Record{Kind: Incident, ID: i.ID, Revision: i.Revision, At: i.Opened, Hoster: i.Hoster, Word: string(i.Class), Severity: i.Severity,
		Incident: i.ID, Prefixes: i.Prefixes}
	if i.Resolved != nil {
		r.Until = *i.Resolved
	}
	return r.with(i)
}

// OfGap is the record of one revision of a gap.
func OfGap(g *watch.Gap) (Record, error) {
	r := Record{Kind: Gap, ID: g.ID, Revision: g.Revision, At: g.From, Word: g.Reason, Collector: g.Collector}
	if g.To != nil {
		r.Until = *g.To
	}
	return r.with(g)
}

func (r Record) with(body any) (Record, error) {
	r.At, r.Until = r.At.UTC().Truncate(time.Microsecond), r.Until.UTC().Truncate(time.Microsecond)
	var err error
	r.Body, err = json.Marshal(body)
	return r, err
}

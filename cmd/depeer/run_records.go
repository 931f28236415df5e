package main

import (
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"time"

	"depeer/bus"
	"depeer/notify"
	"depeer/watch"
	"depeer/watch/cnc"
	"depeer/watch/timeline"
)

// remembered are the streams that are remembered as they are.
var remembered = []struct {
	stream bus.Stream
	record func(bus.Message) (timeline.Record, error)
}{
	{bus.Events, eventRecord},
	{bus.Incidents, func(m bus.Message) (timeline.Record, error) {
		i, err := m.Incident()
		if err != nil {
			return timeline.Record{}, err
		}
		return timeline.OfIncident(&i)
	}},
	{bus.Gaps, func(m bus.Message) (timeline.Record, error) {
		g, err := m.Gap()
		if err != nil {
			return timeline.Record{}, err
		}
		return timeline.OfGap(&g)
	}},
	{bus.Sightings, sightingRecord},
	{bus.Deliveries, deliveryRecord},
}

// eventRecord tells events of routes from those of C&C servers, which share a stream.
func eventRecord(m bus.Message) (timeline.Record, error) {
	if m.IsMigration() {
		return migrationRecord(m)
	}
	e, err := m.Event()
	if err != nil {
		return timeline.Record{}, err
	}
	return timeline.OfEvent(&e)
}

// migrationRecord reads what is looked up by of an event cnc.moved.
func migrationRecord(m bus.Message) (timeline.Record, error) {
	var x struct {
		ID       string         `json:"id"`
		Revision int            `json:"revision"`
		At       time.Time      `json:"at"`
		Hoster   string         `json:"hoster"`
		Incident string         `json:"incident"`
		Family   string         `json:"family"`
		Severity watch.Severity `json:"severity"`
		To       struct {
			ASN uint32 `json:"asn"`
		} `json:"to"`
	}
	if err := json.Unmarshal(m.Body, &x); err != nil {
		return timeline.Record{}, err
	}
	return timeline.Record{Kind: timeline.Migration, ID: x.ID, Revision: x.Revision, At: x.At.UTC().Truncate(time.Microsecond), Hoster: x.Hoster, Word: x.Family,
		Incident: x.Incident, Severity: x.Severity, ASN: x.To.ASN, Body: slices.Clone(m.Body)}, nil
}

// errOther is what a message gives that is not to be remembered, and is no fault.
var errOther = errors.New("not to be remembered")

// sightingRecord keeps a sighting as it was accepted. A sensor's own word is not: what was
// accepted of it follows, under its id.
func sightingRecord(m bus.Message) (timeline.Record, error) {
	var x cnc.Sighting
	if err := json.Unmarshal(m.Body, &x); err != nil {
		return timeline.Record{}, err
	}
	if x.ID == "" || x.ID != m.ID {
		return timeline.Record{}, errOther
	}
	r := timeline.Record{Kind: timeline.Sighting, ID: x.ID, At: x.At.UTC().Truncate(time.Microsecond), Word: x.Family, ASN: x.ASN, Body: slices.Clone(m.Body)}
	if x.Addr.IsValid() {
		r.Prefixes = []netip.Prefix{netip.PrefixFrom(x.Addr, x.Addr.BitLen())}
	}
	if p := x.Place; p != nil {
		r.Hoster = p.Hoster
		if len(p.Origins) > 0 {
			r.ASN = p.Origins[0]
		}
	}
	return r, nil
}

// deliveryRecord keeps what became of telling somebody something.
func deliveryRecord(m bus.Message) (timeline.Record, error) {
	var x notify.Delivery
	if err := json.Unmarshal(m.Body, &x); err != nil {
		return timeline.Record{}, err
	}
	return timeline.Record{Kind: timeline.Delivery, ID: x.ID, At: x.At.UTC().Truncate(time.Microsecond), Hoster: x.Hoster, Word: x.Receiver,
		Incident: x.Incident, Body: slices.Clone(m.Body)}, nil
}

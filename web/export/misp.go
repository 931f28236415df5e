package export

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"depeer/watch"
	"depeer/watch/cnc"
)

// mispEvent is an event of MISP's core format. Numbers are strings there.
type mispEvent struct {
	Event mispBody `json:"Event"`
}

type mispBody struct {
	UUID         string          `json:"uuid"`
	Info         string          `json:"info"`
	Date         string          `json:"date"` // of what happened
	Timestamp    string          `json:"timestamp"`
	ThreatLevel  string          `json:"threat_level_id"` // 1 high, 2 medium, 3 low, 4 undefined
	Analysis     string          `json:"analysis"`        // 0 initial, 1 ongoing, 2 completed
	Distribution string          `json:"distribution"`    // 0: your organisation only; who imports it decides
	Published    bool            `json:"published"`
	Attributes   []mispAttribute `json:"Attribute"`
	Tags         []mispTag       `json:"Tag"`
}

type mispAttribute struct {
	UUID         string `json:"uuid"`
	Type         string `json:"type"`
	Category     string `json:"category"`
	Value        string `json:"value"`
	Comment      string `json:"comment"`
	ToIDS        bool   `json:"to_ids"`
	Timestamp    string `json:"timestamp"`
	Distribution string `json:"distribution"` // 5: as the event
	FirstSeen    string `json:"first_seen,omitempty"`
	LastSeen     string `json:"last_seen,omitempty"`
}

type mispTag struct {
	Name string `json:"name"`
}

// mispOf is one item as one MISP event.
func mispOf[T Item](x *T) []any {
	switch x := any(x).(type) {
	case *watch.Event:
		return []any{eventMISP(x)}
	case *watch.Incident:
		return []any{incidentMISP(x)}
	case *cnc.Migration:
		return []any{migrationMISP(x)}
	case *cnc.Sighting:
		return []any{sightingMISP(x)}
	}
	return nil
}

func newMISP(id, info string, at time.Time, severity string, tags ...string) *mispEvent {
	level := map[string]string{"critical": "1", "warning": "2", "info": "3"}[severity]
	if level == "" {
		level = "4"
	}
	e := &mispEvent{mispBody{UUID: uuid.NewSHA1(ownSpace, []byte("misp\n"+id)).String(), Info: info, Date: at.UTC().Format(time.DateOnly), Timestamp: strconv.FormatInt(at.Unix(), 10),
		ThreatLevel: level, Analysis: "2", Distribution: "0", Attributes: []mispAttribute{}, Tags: []mispTag{}}}
	for _, t := range tags {
		e.Event.Tags = append(e.Event.Tags, mispTag{t})
	}
	return e
}

func (e *mispEvent) add(kind, category, value, comment string) *mispAttribute {
	a := mispAttribute{UUID: uuid.NewSHA1(ownSpace, []byte(e.Event.UUID+"\n"+kind+"\n"+value+"\n"+comment)).String(), Type: kind, Category: category, Value: value, Comment: comment,
		Timestamp: e.Event.Timestamp, Distribution: "5"}
	e.Event.Attributes = append(e.Event.Attributes, a)
	return &e.Event.Attributes[len(e.Event.Attributes)-1]
}

const network = "Network activity"

func (e *mispEvent) asn(asn uint32, comment string) {
	if asn != 0 {
		e.add("AS", network, "AS"+strconv.FormatUint(uint64(asn), 10), comment)
	}
}

func (e *mispEvent) nets(list []netip.Prefix, comment string) {
	for _, p := range list {
		e.add("ip-dst", network, p.String(), comment)
	}
}

func eventMISP(x *watch.Event) *mispEvent {
	e := newMISP(x.ID, sentence(x), x.At, string(x.Severity), "depeer:"+string(x.Kind))
	e.add("text", "Other", x.ID, "id of the event")
	e.asn(x.ASN, "hoster")
	e.asn(x.Upstream, "upstream")
	e.asn(x.Via, "above the upstream")
	e.asn(x.Origin, "origin")
	list := x.Prefixes
	if x.Prefix != nil && len(list) == 0 {
		list = []netip.Prefix{*x.Prefix}
	}
	e.nets(list, "concerned")
	for _, p := range x.Evidence {
		e.add("text", "Other", fmt.Sprintf("%s %s %s AS%d %s %s %s", p.At.UTC().Format(time.RFC3339Nano), p.Collector, p.Peer, p.PeerASN, p.Type, prefix(p.Prefix), p.Path), "evidence")
	}
	return e
}

func incidentMISP(x *watch.Incident) *mispEvent {
	e := newMISP(x.ID, x.Summary, x.Opened, string(x.Severity), "depeer:"+string(x.Class))
	e.Event.Timestamp = strconv.FormatInt(latest(x.Opened, x.At).Unix(), 10)
	if x.Phase != watch.Resolved {
		e.Event.Analysis = "1"
	}
	e.add("text", "Other", x.ID, "id of the incident")
	for _, asn := range x.Lost {
		e.asn(asn, "carries it no more")
	}
	for _, asn := range x.Remaining {
		e.asn(asn, "carries it still")
	}
	for _, asn := range x.Gained {
		e.asn(asn, "took it in")
	}
	e.nets(x.Prefixes, "concerned")
	return e
}

func migrationMISP(x *cnc.Migration) *mispEvent {
	e := newMISP(x.ID, x.Summary, x.At, x.Severity, "depeer:"+x.Kind)
	e.add("text", "Other", x.ID, "id of the migration")
	e.add("text", "Other", x.Family, "family")
	for _, y := range []struct {
		word string
		end  cnc.End
	}{{"from", x.From}, {"to", x.To}} {
		e.asn(y.end.ASN, y.word)
		if y.end.IP.IsValid() {
			e.add("ip-dst", network, y.end.IP.String(), y.word).ToIDS = y.word == "to"
		}
	}
	for _, i := range x.Evidence {
		e.add("text", "Other", fmt.Sprintf("%+.1f %s: %s", i.Points, i.Name, i.Text), "evidence")
	}
	for _, c := range x.Caveats {
		e.add("text", "Other", c, "speaks against it")
	}
	return e
}

func sightingMISP(x *cnc.Sighting) *mispEvent {
	e := newMISP(x.ID, fmt.Sprintf("%s %s seen by %s", x.Family, x.Kind, x.Source), x.At, "warning", "depeer:sighting")
	e.add("text", "Other", x.Family, "family")
	mark := func(kind, value string) {
		a := e.add(kind, network, value, string(x.Kind))
		a.ToIDS, a.LastSeen = !x.DualUse, moment(x.At)
		if !x.First.IsZero() {
			a.FirstSeen = moment(x.First)
		}
	}
	switch {
	case x.Addr.IsValid() && x.Port != 0:
		mark("ip-dst|port", x.Addr.String()+"|"+strconv.Itoa(int(x.Port)))
	case x.Addr.IsValid():
		mark("ip-dst", x.Addr.String())
	}
	if x.Name != "" {
		mark("domain", x.Name)
	}
	if x.URL != "" {
		mark("url", x.URL)
	}
	if kind, value, ok := strings.Cut(x.Fingerprint, ":"); ok && kind == "jarm" {
		mark("jarm-fingerprint", value)
	}
	if x.Place != nil {
		for _, asn := range x.Place.Origins {
			e.asn(asn, "origin of "+prefix(x.Place.Prefix))
		}
	}
	return e
}

package export

import (
	"encoding/csv"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"depeer/watch"
	"depeer/watch/cnc"
)

// table is CSV.
type table[T Item] struct{ w *csv.Writer }

func newCSV[T Item](w io.Writer) (*table[T], error) {
	t := &table[T]{csv.NewWriter(w)}
	var zero T
	var names []string
	for _, c := range row(&zero) {
		names = append(names, c.name)
	}
	return t, t.w.Write(names)
}

func (t *table[T]) Write(x *T) error {
	var cells []string
	for _, c := range row(x) {
		cells = append(cells, c.value)
	}
	return t.w.Write(cells)
}

func (t *table[T]) Close() error {
	t.w.Flush()
	return t.w.Error()
}

type cell struct{ name, value string }

// row is one line, each cell with its name.
func row[T Item](x *T) []cell {
	switch x := any(x).(type) {
	case *watch.Event:
		return eventRow(x)
	case *watch.Incident:
		return incidentRow(x)
	case *cnc.Migration:
		return migrationRow(x)
	case *cnc.Sighting:
		return sightingRow(x)
	case *Message:
		return messageRow(x)
	}
	return nil
}

func eventRow(e *watch.Event) []cell {
	prefix := ""
	if e.Prefix != nil {
		prefix = e.Prefix.String()
	}
	return []cell{
		{"id", plain(e.ID)}, {"kind", plain(string(e.Kind))}, {"at", moment(e.At)}, {"first_seen", moment(e.FirstSeen)},
		{"hoster", plain(deref(e.Hoster))}, {"asn", number(e.ASN)}, {"upstream", number(e.Upstream)}, {"via", number(e.Via)}, {"family", number(e.Family)},
		{"prefix", prefix}, {"prefixes", spaced(e.Prefixes)}, {"origin", number(e.Origin)}, {"expected_origins", spaced(e.ExpectedOrigins)}, {"rpki", plain(e.RPKI)},
		{"before", float(e.Before)}, {"after", float(e.After)}, {"eligible", strconv.Itoa(e.Eligible)}, {"severity", plain(string(e.Severity))},
		{"incident", plain(deref(e.Incident))}, {"sources", plain(strings.Join(e.Sources, " "))}, {"source", plain(e.Source)}, {"collector", plain(e.Collector)},
		{"peers_lost", strconv.Itoa(e.PeersLost)}, {"reason", plain(e.Reason)}, {"evidence", strconv.Itoa(len(e.Evidence))},
	}
}

func incidentRow(i *watch.Incident) []cell {
	resolved := ""
	if i.Resolved != nil {
		resolved = moment(*i.Resolved)
	}
	return []cell{
		{"id", plain(i.ID)}, {"revision", strconv.Itoa(i.Revision)}, {"hoster", plain(i.Hoster)}, {"phase", plain(string(i.Phase))}, {"class", plain(string(i.Class))},
		{"severity", plain(string(i.Severity))}, {"opened", moment(i.Opened)}, {"confirmed", moment(i.Confirmed)}, {"resolved", resolved}, {"resolution", plain(deref(i.Resolution))},
		{"lost", spaced(i.Lost)}, {"remaining", spaced(i.Remaining)}, {"gained", spaced(i.Gained)}, {"prefixes", spaced(i.Prefixes)},
		{"events", plain(strings.Join(i.Events, " "))}, {"summary", plain(i.Summary)},
	}
}

func migrationRow(m *cnc.Migration) []cell {
	var evidence []string
	for _, e := range m.Evidence {
		evidence = append(evidence, fmt.Sprintf("%s=%s", e.Name, float(e.Points)))
	}
	return []cell{
		{"id", plain(m.ID)}, {"revision", strconv.Itoa(m.Revision)}, {"kind", plain(m.Kind)}, {"at", moment(m.At)}, {"first_seen", moment(m.Seen)},
		{"hoster", plain(m.Hoster)}, {"asn", number(m.ASN)}, {"incident", plain(m.Incident)}, {"family", plain(m.Family)},
		{"from_ip", addr(m.From.IP)}, {"from_prefix", prefix(m.From.Prefix)}, {"from_asn", number(m.From.ASN)}, {"from_name", plain(m.From.Name)},
		{"to_ip", addr(m.To.IP)}, {"to_prefix", prefix(m.To.Prefix)}, {"to_asn", number(m.To.ASN)}, {"to_name", plain(m.To.Name)},
		{"how", plain(m.How)}, {"lag_seconds", float(time.Duration(m.Lag).Seconds())}, {"score", float(m.Score)}, {"routing", float(m.Routing)}, {"cnc", float(m.CNC)},
		{"severity", plain(m.Severity)}, {"evidence", plain(strings.Join(evidence, " "))}, {"summary", plain(m.Summary)}, {"caveats", plain(strings.Join(m.Caveats, " "))},
	}
}

func sightingRow(s *cnc.Sighting) []cell {
	place := cnc.Place{}
	if s.Place != nil {
		place = *s.Place
	}
	online := ""
	if s.Online != nil {
		online = strconv.FormatBool(*s.Online)
	}
	return []cell{
		{"id", plain(s.ID)}, {"source", plain(s.Source)}, {"at", moment(s.At)}, {"first", moment(s.First)}, {"reported", moment(s.Reported)}, {"precision", plain(s.Precision)},
		{"family", plain(s.Family)}, {"label", plain(s.Label)}, {"kind", plain(string(s.Kind))}, {"addr", addr(s.Addr)}, {"port", number(s.Port)},
		{"name", plain(s.Name)}, {"url", plain(s.URL)}, {"online", online}, {"fingerprint", plain(s.Fingerprint)}, {"confidence", number(s.Confidence)},
		{"prefix", prefix(place.Prefix)}, {"origins", spaced(place.Origins)}, {"upstreams", spaced(place.Upstreams)}, {"hoster", plain(place.Hoster)}, {"as_name", plain(place.Name)},
		{"note", plain(s.Note)},
	}
}

// messageRow has the path as bgpdump writes it: a set in braces.
func messageRow(m *Message) []cell {
	return []cell{
		{"event", plain(m.Event)}, {"kind", plain(string(m.Kind))}, {"at", moment(m.At)}, {"collector", plain(m.Collector)}, {"peer", addr(m.Peer)}, {"peer_asn", number(m.PeerASN)},
		{"type", plain(m.Type)}, {"prefix", prefix(m.Prefix)}, {"path", plain(m.Path.String())},
	}
}

// plain is a text that no spreadsheet takes for a formula.
func plain(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// number is empty for zero, where that means that there is none.
func number[T uint16 | uint32 | int](n T) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(int64(n), 10)
}

func float(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func addr(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func prefix(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

func spaced[T any](list []T) string { return strings.Trim(fmt.Sprint(list), "[]") }

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

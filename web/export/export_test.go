package export_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/watch"
	"depeer/watch/cnc"
	"depeer/web/export"
)

var (
	noon   = time.Date(2008, 11, 11, 12, 0, 0, 0, time.UTC)
	mccolo = netip.MustParsePrefix("208.66.192.0/22")
	hoster = "mccolo"
)

func events() []watch.Event {
	one := watch.Event{Type: "event", ID: "e1", Kind: watch.UpstreamLost, At: noon.Add(time.Minute), FirstSeen: noon, Hoster: &hoster, ASN: 26780, Upstream: 6939, Family: 4,
		Prefixes: []netip.Prefix{mccolo, netip.MustParsePrefix("2001:db8::/32")}, Before: 0.62, Eligible: 40, Severity: watch.Critical, Sources: []string{"rrc00", "rrc01"},
		Evidence: []watch.Evidence{{At: noon, Collector: "rrc00", Peer: netip.MustParseAddr("192.0.2.7"), PeerASN: 64500, Type: "A", Prefix: mccolo, Path: bgp.PathOf(64500, 3549, 26780)}}}
	eyes := watch.Event{Type: "event", ID: "e2", Kind: watch.FeedLost, At: noon, FirstSeen: noon, Source: "rislive", Reason: "=cmd|' /C calc'!A0", Severity: watch.Warning}
	return []watch.Event{one, eyes}
}

func incidents() []watch.Incident {
	end, how := noon.Add(time.Hour), watch.Recovered
	return []watch.Incident{{Type: "incident", ID: "i1", Revision: 3, At: end, Hoster: hoster, Phase: watch.Resolved, Class: watch.Depeered, Severity: watch.Critical, Opened: noon, Confirmed: noon, Resolved: &end, Resolution: &how,
		Lost: []uint32{6939}, Remaining: []uint32{3549}, Gained: []uint32{1299}, Prefixes: []netip.Prefix{mccolo}, Events: []string{"e1"}, Summary: "AS6939 dropped McColo, \"for good\"\nit seems"}}
}

func migrations() []cnc.Migration {
	m := cnc.Migration{Type: "event", ID: "m1", Revision: 1, Kind: "cnc.moved", At: noon, Seen: noon, Hoster: hoster, ASN: 26780, Incident: "i1", Family: "rustock", From: cnc.End{IP: netip.MustParseAddr("208.66.195.15"), Prefix: mccolo, ASN: 26780},
		To: cnc.End{IP: netip.MustParseAddr("198.51.100.9"), ASN: 64999, Name: "-EVIL"}, How: "address", Lag: cnc.Lag(-90 * time.Minute), Score: 6.5, Severity: "critical", Evidence: []cnc.Item{{Name: "withdrawn", Points: 3, Text: "all of it"}}, Summary: "coincides", Caveats: []string{"one source"}}
	n := m
	n.ID, n.At = "m2", noon.Add(time.Hour)
	return []cnc.Migration{m, n}
}

func sightings() []cnc.Sighting {
	return []cnc.Sighting{
		{Type: "sighting", ID: "s1", Source: "tracker", At: noon, First: noon.Add(-time.Hour), Family: "rustock", Kind: cnc.CNC, Addr: netip.MustParseAddr("208.66.195.15"), Port: 443, Confidence: 75, Place: &cnc.Place{Prefix: mccolo, Origins: []uint32{26780}}},
		{Type: "sighting", ID: "s2", Source: "tracker", At: noon, Family: "srizbi", Kind: cnc.CNC, Addr: netip.MustParseAddr("2001:db8::7"), DualUse: true},
		{Type: "sighting", ID: "s3", Source: "notes", At: noon, Family: "rustock", Kind: cnc.CNC, Name: "c2.example", URL: "http://c2.example/it's", Fingerprint: "jarm:00ff"},
		{Type: "sighting", ID: "s4", Source: "notes", At: noon, Family: "rustock", Kind: cnc.CNC, Name: "c3.example"},
	}
}

func write[T export.Item](t *testing.T, f export.Format, list []T) string {
	t.Helper()
	var out bytes.Buffer
	w, err := export.New[T](&out, f)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if err := w.Write(&list[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// each writes every kind in a format; an empty list too.
func each(t *testing.T, f export.Format, check func(kind, text string, n int)) {
	t.Helper()
	check("events", write(t, f, events()), 2)
	check("incidents", write(t, f, incidents()), 1)
	check("migrations", write(t, f, migrations()), 2)
	check("sightings", write(t, f, sightings()), 4)
	check("nothing", write(t, f, []watch.Event{}), 0)
}

func TestCSV(t *testing.T) {
	each(t, export.CSV, func(kind, text string, n int) {
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll() // every row as long as the first
		if err != nil || len(rows) != n+1 || rows[0][0] != "id" {
			t.Errorf("%s: %v\n%s", kind, err, text)
			return
		}
		number := regexp.MustCompile(`^-[0-9.]+$`)
		for _, row := range rows[1:] {
			for i, cell := range row {
				if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) && !number.MatchString(cell) {
					t.Errorf("%s: %s: a spreadsheet takes %q for a formula", kind, rows[0][i], cell)
				}
			}
		}
	})
	text := write(t, export.CSV, migrations())
	if !strings.Contains(text, ",'-EVIL,") || !strings.Contains(text, ",-5400,") {
		t.Errorf("%s", text)
	}
}

func TestJSONIsWhatTheAPIGives(t *testing.T) {
	each(t, export.JSON, func(kind, text string, n int) {
		var list []map[string]any
		if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) != n {
			t.Errorf("%s: %v %s", kind, err, text)
		}
	})
	each(t, export.NDJSON, func(kind, text string, n int) {
		if strings.Count(text, "\n") != n {
			t.Errorf("%s: %q", kind, text)
		}
		for line := range strings.Lines(text) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%s: %q", kind, line)
			}
		}
	})
}

// required is what STIX 2.1 asks of each type beside type, spec_version and id.
var required = map[string][]string{
	"identity": {"created", "modified", "name"}, "observed-data": {"created", "modified", "first_observed", "last_observed", "number_observed", "object_refs"},
	"note": {"created", "modified", "content", "object_refs"}, "incident": {"created", "modified", "name"}, "report": {"created", "modified", "name", "published", "object_refs"},
	"malware": {"created", "modified", "is_family", "name"}, "infrastructure": {"created", "modified", "name"}, "relationship": {"created", "modified", "relationship_type", "source_ref", "target_ref"},
	"indicator": {"created", "modified", "pattern", "pattern_type", "valid_from"}, "sighting": {"created", "modified", "sighting_of_ref"},
	"ipv4-addr": {"value"}, "ipv6-addr": {"value"}, "autonomous-system": {"number"},
}

var (
	stixID   = regexp.MustCompile(`^([a-z0-9-]+)--[0-9a-f]{8}-[0-9a-f]{4}-[45][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	stixTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
)

func TestSTIX(t *testing.T) {
	each(t, export.STIX, func(kind, text string, n int) {
		var bundle struct {
			Type, ID string
			Objects  []map[string]any
		}
		if err := json.Unmarshal([]byte(text), &bundle); err != nil || bundle.Type != "bundle" || !stixID.MatchString(bundle.ID) {
			t.Fatalf("%s: %v %s", kind, err, text)
		}
		ids := map[string]bool{}
		for _, o := range bundle.Objects {
			id, _ := o["id"].(string)
			if ids[id] {
				t.Errorf("%s: %s stands there twice", kind, id)
			}
			ids[id] = true
		}
		for _, o := range bundle.Objects {
			kind, _ := o["type"].(string)
			m := stixID.FindStringSubmatch(fmt.Sprint(o["id"]))
			if m == nil || m[1] != kind || o["spec_version"] != "2.1" || required[kind] == nil {
				t.Errorf("%v", o)
			}
			for _, name := range required[kind] {
				if o[name] == nil || o[name] == "" {
					t.Errorf("%s has no %s: %v", kind, name, o)
				}
			}
			for name, v := range o {
				switch v := v.(type) {
				case string:
					if (strings.HasSuffix(name, "_ref")) && !ids[v] {
						t.Errorf("%s: %s is not in the bundle", kind, name)
					}
					if slices.Contains([]string{"created", "modified", "first_observed", "last_observed", "published", "valid_from", "first_seen", "last_seen"}, name) && !stixTime.MatchString(v) {
						t.Errorf("%s: %s is %q", kind, name, v)
					}
				case []any:
					if len(v) == 0 {
						t.Errorf("%s: %s is empty, which STIX does not know", kind, name)
					}
					for _, x := range v {
						if strings.HasSuffix(name, "_refs") && !ids[fmt.Sprint(x)] {
							t.Errorf("%s: %s: %v is not in the bundle", kind, name, x)
						}
					}
				}
			}
		}
		if n > 0 != (len(bundle.Objects) > n) {
			t.Errorf("%s: %d objects", kind, len(bundle.Objects))
		}
	})
	text := write(t, export.STIX, sightings())
	for _, want := range []string{`[ipv4-addr:value = '208.66.195.15']`, `[ipv6-addr:value = '2001:db8::7']`, `[url:value = 'http://c2.example/it\\'s']`, `[domain-name:value = 'c3.example']`} {
		if !strings.Contains(text, want) {
			t.Errorf("no pattern %s in\n%s", want, text)
		}
	}
	// The same address is the same object wherever it is seen (STIX 2.1 section 2.9 gives the id).
	first, second := write(t, export.STIX, migrations()), write(t, export.STIX, migrations())
	if !strings.Contains(first, `"id":"ipv4-addr--`) || withoutBundle(first) != withoutBundle(second) {
		t.Error("exported twice, they are other objects")
	}
}

// withoutBundle leaves the id of the bundle out, which is a new one each time.
func withoutBundle(s string) string { return s[strings.Index(s, `"objects"`):] }

// The ids that STIX 2.1 section 2.9 and other tools give.
func TestObservableID(t *testing.T) {
	m := cnc.Migration{ID: "m", Family: "x", From: cnc.End{IP: netip.MustParseAddr("198.51.100.3"), ASN: 15139}, To: cnc.End{ASN: 2}}
	text := write(t, export.STIX, []cnc.Migration{m})
	for _, id := range []string{"ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4", "autonomous-system--3aa27478-50b5-5ab8-9da9-cdc12b657fff"} {
		if !strings.Contains(text, id) {
			t.Errorf("no %s in\n%s", id, text)
		}
	}
}

func TestMISP(t *testing.T) {
	kinds := []string{"text", "AS", "ip-dst", "ip-dst|port", "domain", "url", "jarm-fingerprint"}
	each(t, export.MISP, func(kind, text string, n int) {
		var list struct {
			Response []struct {
				Event struct {
					UUID, Info, Date, Timestamp, ThreatLevelID, Analysis, Distribution string
					ThreatLevel                                                        string `json:"threat_level_id"`
					Attribute                                                          []struct {
						UUID, Type, Category, Value, Timestamp, Distribution string
						ToIDS                                                *bool `json:"to_ids"`
					}
				}
			}
		}
		if err := json.Unmarshal([]byte(text), &list); err != nil || len(list.Response) != n {
			t.Fatalf("%s: %v %s", kind, err, text)
		}
		for _, r := range list.Response {
			e := r.Event
			if _, err := time.Parse(time.DateOnly, e.Date); err != nil || e.UUID == "" || e.Info == "" || e.Timestamp == "" || !strings.Contains("1234", e.ThreatLevel) || e.Distribution != "0" || len(e.Attribute) == 0 {
				t.Errorf("%s: %+v", kind, e)
			}
			seen := map[string]bool{}
			for _, a := range e.Attribute {
				if !slices.Contains(kinds, a.Type) || a.Category == "" || a.Value == "" || a.ToIDS == nil || seen[a.UUID] {
					t.Errorf("%s: %+v", kind, a)
				}
				seen[a.UUID] = true
				if *a.ToIDS && (a.Type == "text" || a.Type == "AS" || a.Value == "2001:db8::7") {
					t.Errorf("%s: %s would be blocked", kind, a.Value)
				}
			}
		}
	})
	if text := write(t, export.MISP, sightings()); !strings.Contains(text, `"208.66.195.15|443"`) {
		t.Errorf("%s", text)
	}
}

func TestFormats(t *testing.T) {
	if _, err := export.New[watch.Event](&bytes.Buffer{}, "xml"); err == nil || export.Format("xml").Known() {
		t.Error("xml is known")
	}
	for _, f := range export.Formats() {
		if !f.Known() || f.MediaType() == "" || f.Extension() == "" {
			t.Errorf("%s", f)
		}
	}
}

// What cannot be written is said, in every format: half a file is no file.
func TestWriterThatFails(t *testing.T) {
	for _, f := range export.Formats() {
		w, err := export.New[watch.Event](failing{}, f)
		list := events()
		for i := 0; err == nil && i < 1000; i++ {
			err = w.Write(&list[0])
		}
		if err == nil {
			err = w.Close()
		}
		if err == nil {
			t.Errorf("%s: no error", f)
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, fmt.Errorf("full") }

// A message is a line of its own, and nothing that threat intelligence has a word for.
func TestMessages(t *testing.T) {
	m := export.Message{Event: "e1", Kind: watch.UpstreamLost, Evidence: watch.Evidence{At: time.Date(2008, 11, 11, 21, 2, 51, 123456000, time.UTC), Collector: "rrc00", Peer: netip.MustParseAddr("192.0.2.1"), PeerASN: 64501, Type: "W",
		Prefix: netip.MustParsePrefix("208.66.192.0/22")}}
	if got, want := write(t, export.CSV, []export.Message{m}), "event,kind,at,collector,peer,peer_asn,type,prefix,path\ne1,upstream.lost,2008-11-11T21:02:51.123456Z,rrc00,192.0.2.1,64501,W,208.66.192.0/22,\n"; got != want {
		t.Errorf("%q", got)
	}
	if got := write(t, export.NDJSON, []export.Message{m}); !strings.HasPrefix(got, `{"event":"e1","kind":"upstream.lost","at":"2008-11-11T21:02:51.123456Z"`) {
		t.Errorf("%q", got)
	}
	for _, f := range []export.Format{export.STIX, export.MISP} {
		if _, err := export.New[export.Message](io.Discard, f); err == nil {
			t.Errorf("%s took a message", f)
		}
	}
}

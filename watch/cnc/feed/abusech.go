package feed

import (
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"depeer/watch/cnc"
)

// parseFeodoCSV reads the block list of Feodo Tracker. Its columns had these names:
//
//	2018 to 2020   Firstseen,DstIP,DstPort,LastOnline,Malware
//	2020           first_seen_utc,dst_ip,dst_port,last_online,malware
//	since 2021     first_seen_utc,dst_ip,dst_port,c2_status,last_online,malware
func parseFeodoCSV(in *intake, r io.Reader) error {
	t, err := openTable(in, r, ",", "")
	if err != nil {
		return err
	}
	at, err := t.must([]string{"first_seen_utc", "firstseen"}, []string{"dst_ip", "dstip"}, []string{"dst_port", "dstport"}, []string{"malware"})
	if err != nil {
		return err
	}
	last, _ := t.column("", []string{"last_online", "lastonline"})
	status, _ := t.column("", []string{"c2_status"})
	return t.rows(in, func(cell func(int) string) {
		in.feodo(cell(at[1]), cell(at[2]), cell(at[0]), cell(last), cell(status), cell(at[3]), 0)
	})
}

// feodo takes one entry of Feodo Tracker. It was a C&C from the first sight to the day on which it last answered.
func (in *intake) feodo(host, port, first, last, status, malware string, asn uint32) {
	s, ok := hostIn(host)
	if !ok || !s.Addr.IsValid() {
		in.drop(cnc.BadHost, "%.80q is no address", host)
		return
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		in.drop(cnc.BadPort, "%.20q", port)
		return
	}
	s.Port, s.Family, s.Kind, s.ASN = uint16(n), malware, cnc.CNC, asn
	if !span(&s, first, last) {
		in.drop(cnc.BadTime, "%.40q, %.40q", first, last)
		return
	}
	s.Online = onlineWord(status)
	in.take(s)
}

func onlineWord(s string) *bool {
	switch strings.ToLower(s) {
	case "online":
		yes := true
		return &yes
	case "offline":
		no := false
		return &no
	}
	return nil
}

func parseFeodoJSON(in *intake, r io.Reader) error {
	return in.objects(r, nil, func(raw json.RawMessage) {
		var e struct {
			IP     string      `json:"ip_address"`
			Port   json.Number `json:"port"`
			Status string      `json:"status"`
			ASN    uint32      `json:"as_number"`
			First  string      `json:"first_seen"`
			Last   string      `json:"last_online"`
			Family string      `json:"malware"`
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			in.drop(cnc.Malformed, "%v", err)
			return
		}
		in.feodo(e.IP, e.Port.String(), e.First, e.Last, e.Status, e.Family, e.ASN)
	})
}

// parseSSLBL reads the addresses of SSLBL: Firstseen,DstIP,DstPort. Its list of certificates
// (Listingdate,SHA1,Listingreason) names no host.
func parseSSLBL(in *intake, r io.Reader) error {
	t, err := openTable(in, r, ",", "")
	if err != nil {
		return err
	}
	if at, _ := t.column("", []string{"sha1"}); at >= 0 {
		return t.rows(in, func(cell func(int) string) { in.drop(cnc.NotASource, "a certificate, %.60s", cell(at)) })
	}
	at, err := t.must([]string{"firstseen", "first_seen_utc", "first_seen"}, []string{"dstip", "dst_ip"}, []string{"dstport", "dst_port"})
	if err != nil {
		return err
	}
	why, _ := t.column("", []string{"reason", "listingreason", "malware"})
	return t.rows(in, func(cell func(int) string) {
		in.feodo(cell(at[1]), cell(at[2]), cell(at[0]), "", "", strings.TrimSuffix(cell(why), " C&C"), 0)
	})
}

// threatFox is an entry of ThreatFox: of an export (ioc_value), of the API (ioc), or of who passes them on.
type threatFox struct {
	Value      string          `json:"ioc_value"`
	IOC        string          `json:"ioc"`
	Type       string          `json:"ioc_type"`
	Type2      string          `json:"type"`
	Threat     string          `json:"threat_type"`
	Malware    string          `json:"malware"`
	Printable  string          `json:"malware_printable"`
	First      string          `json:"first_seen_utc"`
	First2     string          `json:"first_seen"`
	Last       string          `json:"last_seen_utc"`
	Last2      string          `json:"last_seen"`
	Confidence json.RawMessage `json:"confidence_level"`
	Conf2      json.RawMessage `json:"confidence"`
	Reference  string          `json:"reference"`
	Broken     json.RawMessage `json:"is_compromised"`
}

func parseThreatFox(in *intake, r io.Reader) error {
	return in.objects(r, in.answered, func(raw json.RawMessage) {
		var e threatFox
		if err := json.Unmarshal(raw, &e); err != nil {
			in.drop(cnc.Malformed, "%v", err)
			return
		}
		in.threatFox(e)
	})
}

func (in *intake) threatFox(e threatFox) {
	kind := first(e.Type, e.Type2)
	if strings.HasSuffix(kind, "_hash") || kind == "envelope_from" || kind == "body_from" {
		in.drop(cnc.NotASource, "%s", kind)
		return
	}
	s, ok := hostIn(first(e.Value, e.IOC))
	if !ok {
		in.drop(cnc.BadHost, "%.80q is no host", first(e.Value, e.IOC))
		return
	}
	// What was seen last is another question than how long it was seen: an indicator's last
	// sight is set by those who confirm it.
	if !span(&s, first(e.First, e.First2), first(e.Last, e.Last2)) {
		in.drop(cnc.BadTime, "%.40q", first(e.First, e.First2))
		return
	}
	s.Family = first(e.Printable, e.Malware)
	if _, ok := in.o.Families.Of(s.Family); !ok {
		if _, ok := in.o.Families.Of(e.Malware); ok {
			s.Family = e.Malware
		}
	}
	switch e.Threat {
	case "botnet_cc", "cc_skimming":
		s.Kind = cnc.CNC
	case "payload_delivery", "payload":
		s.Kind = cnc.Malware
	}
	s.Confidence = number(e.Confidence, e.Conf2)
	s.Note = e.Reference
	// A host that was broken into serves its owner too.
	s.DualUse = strings.Trim(string(e.Broken), `"`) == "true" || strings.Trim(string(e.Broken), `"`) == "1"
	in.take(s)
}

func first(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// number reads a number that may be in quotes.
func number(list ...json.RawMessage) int {
	for _, raw := range list {
		if n, err := strconv.Atoi(strings.Trim(string(raw), `"`)); err == nil {
			return n
		}
	}
	return 0
}

func parseThreatFoxCSV(in *intake, r io.Reader) error {
	t, err := openTable(in, r, ",", "")
	if err != nil {
		return err
	}
	at, err := t.must([]string{"first_seen_utc"}, []string{"ioc_value"}, []string{"ioc_type"}, []string{"malware_printable"})
	if err != nil {
		return err
	}
	more := map[string]int{}
	for _, name := range []string{"threat_type", "fk_malware", "last_seen_utc", "confidence_level", "is_compromised", "reference"} {
		more[name], _ = t.column("", []string{name})
	}
	return t.rows(in, func(cell func(int) string) {
		in.threatFox(threatFox{Value: cell(at[1]), Type: cell(at[2]), Printable: cell(at[3]), First: cell(at[0]), Last: cell(more["last_seen_utc"]), Threat: cell(more["threat_type"]),
			Malware: cell(more["fk_malware"]), Confidence: json.RawMessage(cell(more["confidence_level"])), Broken: json.RawMessage(strings.ToLower(cell(more["is_compromised"]))), Reference: cell(more["reference"])})
	})
}

// urlhaus is an entry of URLhaus: of an export, or of the API (date_added).
type urlhaus struct {
	URL    string          `json:"url"`
	Added  string          `json:"dateadded"`
	Added2 string          `json:"date_added"`
	Last   string          `json:"last_online"`
	Status string          `json:"url_status"`
	Threat string          `json:"threat"`
	Tags   json.RawMessage `json:"tags"`
}

func parseURLhausJSON(in *intake, r io.Reader) error {
	return in.objects(r, in.answered, func(raw json.RawMessage) {
		var e urlhaus
		if err := json.Unmarshal(raw, &e); err != nil {
			in.drop(cnc.Malformed, "%v", err)
			return
		}
		var tags []string
		if json.Unmarshal(e.Tags, &tags) != nil {
			var one string
			json.Unmarshal(e.Tags, &one)
			tags = strings.Split(one, ",")
		}
		in.urlhaus(e, tags)
	})
}

func (in *intake) urlhaus(e urlhaus, tags []string) {
	s, ok := hostIn(e.URL)
	if !ok || s.URL == "" {
		in.drop(cnc.BadHost, "%.80q is no URL", e.URL)
		return
	}
	if !span(&s, first(e.Added, e.Added2), e.Last) {
		in.drop(cnc.BadTime, "%.40q, %.40q", first(e.Added, e.Added2), e.Last)
		return
	}
	s.Kind, s.Online = cnc.Malware, onlineWord(e.Status)
	for _, tag := range tags {
		if x, ok := in.o.Families.Of(strings.TrimSpace(tag)); ok {
			s.Family = x.Name
			break
		}
	}
	in.take(s)
}

// parseURLhausCSV reads id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter; before
// 2021 without last_online. The header is a comment.
func parseURLhausCSV(in *intake, r io.Reader) error {
	t, err := openTable(in, r, ",", "")
	if err != nil {
		return err
	}
	at, err := t.must([]string{"dateadded"}, []string{"url"}, []string{"url_status"}, []string{"tags"})
	if err != nil {
		return err
	}
	last, _ := t.column("", []string{"last_online"})
	return t.rows(in, func(cell func(int) string) {
		in.urlhaus(urlhaus{URL: cell(at[1]), Added: cell(at[0]), Last: cell(last), Status: cell(at[2])}, strings.Split(cell(at[3]), ","))
	})
}

// answered looks at what an API says of its answer.
func (in *intake) answered(members map[string]json.RawMessage) error {
	var status string
	if raw, ok := members["query_status"]; ok && json.Unmarshal(raw, &status) == nil && status != "ok" && status != "no_results" && status != "no_result" {
		return doubt("the API answered %.60q", status)
	}
	return nil
}

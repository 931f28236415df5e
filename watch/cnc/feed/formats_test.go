package feed

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"depeer/watch/cnc"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// told writes sightings as one line each, so that what a format says can be read.
func told(t *testing.T, format, text string, o Options) (string, Stats, error) {
	t.Helper()
	if o.Source == "" {
		o.Source = "test"
	}
	o.Now = now
	var b strings.Builder
	stats, err := Parse(format, strings.NewReader(text), o, func(s cnc.Sighting) {
		fmt.Fprintf(&b, "%s %s %s %d %s", s.At.Format("2006-01-02T15:04"), s.Family, s.Kind, s.Port, s.Host())
		if !s.First.IsZero() {
			fmt.Fprintf(&b, " first=%s", s.First.Format("2006-01-02T15:04"))
		}
		for _, x := range []struct {
			name string
			set  bool
			v    any
		}{{"precision", s.Precision != "", s.Precision}, {"url", s.URL != "", s.URL}, {"online", s.Online != nil, s.Online != nil && *s.Online}, {"dual", s.DualUse, s.DualUse},
			{"sure", s.Confidence != 0, s.Confidence}, {"as", s.ASN != 0, s.ASN}, {"name", s.Addr.IsValid() && s.Name != "", s.Name}} {
			if x.set {
				fmt.Fprintf(&b, " %s=%v", x.name, x.v)
			}
		}
		b.WriteString("\n")
	})
	return b.String(), stats, err
}

func TestFormats(t *testing.T) {
	for name, c := range map[string]struct {
		format, text, want, refused string
		o                           Options
	}{
		"feodo of 2019": {format: "feodo-csv", text: "# Last updated: 2019-05-01 10:00:00 UTC #\n# Firstseen,DstIP,DstPort,LastOnline,Malware\n2019-04-01 10:00:00,5.6.7.8,443,2019-04-30,Heodo\n2019-04-30 10:00:00,5.6.7.9,447,,TrickBot\n2019-04-01 10:00:00,10.6.7.9,447,,TrickBot\n",
			want: "2019-04-30T00:00 Emotet cnc 443 5.6.7.8 first=2019-04-01T10:00 precision=day\n2019-04-30T10:00 TrickBot cnc 447 5.6.7.9\n", refused: "bogon 1"},
		"feodo of 2020": {format: "feodo-csv", text: "\"first_seen_utc\",\"dst_ip\",\"dst_port\",\"last_online\",\"malware\"\n\"2020-04-01 10:00:00\",\"5.6.7.8\",\"443\",\"2020-04-01\",\"Dridex\"\n",
			want: "2020-04-01T10:00 Dridex cnc 443 5.6.7.8\n"},
		"feodo json": {format: "feodo-json", text: `[{"ip_address":"5.6.7.8","port":8080,"status":"offline","hostname":null,"as_number":14061,"as_name":"X","country":"US","first_seen":"2022-06-04 21:24:53","last_online":"2025-06-18","malware":"QakBot"},{"ip_address":"x","port":1}]`,
			want: "2025-06-18T00:00 QakBot cnc 8080 5.6.7.8 first=2022-06-04T21:24 precision=day online=false as=14061\n", refused: "bad host 1"},
		"threatfox export": {format: "threatfox-json", text: `{"1703":[{"ioc_value":"5.6.7.8:443","ioc_type":"ip:port","threat_type":"botnet_cc","malware":"win.cobalt_strike","malware_alias":"Agentemis,BEACON","malware_printable":"Cobalt Strike","first_seen_utc":"2025-01-01 10:00:00","last_seen_utc":null,"confidence_level":75,"is_compromised":false,"reference":null,"tags":"a,b","anonymous":"0","reporter":"x"}],
 "1704":[{"ioc_value":"http://evil.example.com/x","ioc_type":"url","threat_type":"payload_delivery","malware":"win.vidar","malware_printable":"Vidar","first_seen_utc":"2025-01-02 10:00:00","last_seen_utc":"2025-01-09 11:00:00","confidence_level":"100","is_compromised":true}]}`,
			want: "2025-01-01T10:00 Cobalt Strike cnc 443 5.6.7.8 sure=75\n2025-01-09T11:00 Vidar malware 0 evil.example.com first=2025-01-02T10:00 url=http://evil.example.com/x dual=true sure=100\n"},
		"threatfox api": {format: "threatfox-json", text: `{"query_status":"ok","data":[{"id":"1","ioc":"evil.example.com","threat_type":"botnet_cc","ioc_type":"domain","malware":"win.qakbot","malware_printable":"QakBot","confidence_level":50,"first_seen":"2025-01-01 10:00:00 UTC","last_seen":null,"tags":["x"]},{"ioc":"aa","ioc_type":"md5_hash","malware":"win.x"}]}`,
			want: "2025-01-01T10:00 QakBot cnc 0 evil.example.com sure=50\n", refused: "not a C&C 1"},
		"threatfox csv": {format: "threatfox-csv", text: "################\n# ThreatFox IOCs\n# \"first_seen_utc\",\"ioc_id\",\"ioc_value\",\"ioc_type\",\"threat_type\",\"fk_malware\",\"malware_alias\",\"malware_printable\",\"last_seen_utc\",\"confidence_level\",\"is_compromised\",\"reference\",\"tags\",\"anonymous\",\"reporter\"\n" +
			"\"2025-01-01 10:00:00\", \"9\", \"5.6.7.8:80\", \"ip:port\", \"botnet_cc\", \"elf.mirai\", \"Katana\", \"Mirai\", \"\", \"75\", \"False\", \"\", \"Mirai\", \"0\", \"x\"\n# Number of entries: 1\n",
			want: "2025-01-01T10:00 Mirai cnc 80 5.6.7.8 sure=75\n"},
		"urlhaus csv": {format: "urlhaus-csv", text: "# URLhaus Database Dump (CSV - recent URLs only) #\n# Last updated: 2025-01-03 10:00:00 (UTC) #\n# id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter\n\"3\",\"2025-01-01 10:00:00\",\"http://5.6.7.8:5555/i\",\"online\",\"2025-01-03 09:00:00\",\"malware_download\",\"32-bit,elf,Mozi\",\"https://urlhaus.abuse.ch/url/3/\",\"x\"\n",
			want: "2025-01-03T09:00 Mozi malware 5555 5.6.7.8 first=2025-01-01T10:00 url=http://5.6.7.8:5555/i online=true\n"},
		"urlhaus json": {format: "urlhaus-json", text: `{"3":[{"dateadded":"2025-01-01 10:00:00 UTC","url":"https://raw.githubusercontent.com/a/b","url_status":"offline","last_online":"2025-01-02 09:00:00 UTC","threat":"malware_download","tags":["exe"],"urlhaus_link":"x","reporter":"y"}]}`,
			want: "2025-01-02T09:00 unknown malware 0 raw.githubusercontent.com first=2025-01-01T10:00 url=https://raw.githubusercontent.com/a/b online=false dual=true\n"},
		"urlhaus api": {format: "urlhaus-json", text: `{"query_status":"ok","urls":[{"id":"1","url":"http://a.example.com/x","url_status":"online","host":"a.example.com","date_added":"2025-01-01 10:00:00 UTC","threat":"malware_download","blacklists":{"surbl":"not listed"},"larted":"false","tags":null}]}`,
			want: "2025-01-01T10:00 unknown malware 0 a.example.com url=http://a.example.com/x online=true\n"},
		"sslbl":              {format: "sslbl-csv", text: "# Firstseen,DstIP,DstPort\n2025-01-01 10:00:00,5.6.7.8,4449\n2025-01-01 10:00:00,5.6.7.8,99999\n", want: "2025-01-01T10:00 unknown cnc 4449 5.6.7.8\n", refused: "bad port 1"},
		"sslbl certificates": {format: "sslbl-csv", text: "# Listingdate,SHA1,Listingreason\n2025-01-01 10:00:00,00aa,Vidar C&C\n", refused: "not a C&C 1"},
		"plain": {format: "plain", text: "# a list\n5.6.7.8\n5.6.7.8:81 # second\nhxxp://evil[.]example[.]com/a\nbad(dot)example(dot)org\n10.1.1.1\n8.8.8.8\n1.2.3.0/24\nevil.one\n[2a00::1]:80\nwhat is this\n", o: Options{Family: "Costrat", At: now.Add(-time.Hour), Kind: cnc.CNC},
			want:    "2026-06-01T11:00 Rustock cnc 0 5.6.7.8\n2026-06-01T11:00 Rustock cnc 81 5.6.7.8\n2026-06-01T11:00 Rustock cnc 0 evil.example.com url=http://evil.example.com/a\n2026-06-01T11:00 Rustock cnc 0 bad.example.org\n2026-06-01T11:00 Rustock cnc 0 evil.one\n2026-06-01T11:00 Rustock cnc 80 2a00::1\n",
			refused: "bogon 1, no host 1, not understood 1, well known 1"},
		"csv by names": {format: "csv", text: "ip;port;family;first_seen;last_seen\n5.6.7.8;80;Sliver C2;2025/01/01;2025/01/05\n5.6.7.9;x;;2025/01/01;\nnone;1;;;\n", o: Options{},
			want: "2025-01-05T00:00 Sliver cnc 80 5.6.7.8 first=2025-01-01T00:00 precision=day\n", refused: "bad host 1, bad port 1"},
		"csv by numbers":  {format: "csv", text: "x|5.6.7.8|2025-01-05\n", o: Options{Mapping: Mapping{Host: "2", Last: "3", Comma: "|", Header: "no"}, Family: "Havoc", Kind: cnc.Proxy}, want: "2025-01-05T00:00 Havoc proxy 0 5.6.7.8 precision=day\n"},
		"c2-tracker file": {format: "c2-tracker", text: "5.6.7.8\n5.6.7.9\n", o: Options{Name: "2025-01-31/Brute Ratel C4 IPs.txt"}, want: "2025-01-31T00:00 Brute Ratel cnc 0 5.6.7.8 precision=day\n2025-01-31T00:00 Brute Ratel cnc 0 5.6.7.9 precision=day\n"},
		"notes": {format: "notes", text: "THREAT IDENTIFICATION: ICEDID (Bokbot)\n\nSENDERS OBSERVED\na@example.com\n\nZIP FILE HASHES\n0887b662b85c73f0ef7d147d3f4ad12f\n\nPAYLOAD DOWNLOAD URLS\nhxxp://drop[.]example[.]com/x.zip\n\nICEDID C2\nhxxps://c2[.]example[.]com/\n5[.]6[.]7[.]8:443\n\nCOBALT STRIKE C2\ncs.example.com\n\nSUPPORTING EVIDENCE\nhttps://tria.ge/2-x\n", o: Options{Name: "2022-07-12 IcedID IOCs"},
			want:    "2022-07-12T00:00 IcedID malware 0 drop.example.com precision=day url=http://drop.example.com/x.zip\n2022-07-12T00:00 IcedID cnc 0 c2.example.com precision=day url=https://c2.example.com/\n2022-07-12T00:00 IcedID cnc 443 5.6.7.8 precision=day\n2022-07-12T00:00 Cobalt Strike cnc 0 cs.example.com precision=day\n",
			refused: "not a C&C 2, ordinary site 1"},
		"own lines": {format: "sighting", text: `{"type":"sighting","source":"sensor-1","at":"2025-01-05T10:00:00Z","family":"pushdo","kind":"cnc","addr":"5.6.7.8","port":80,"place":{"prefix":"5.6.0.0/16"}}` + "\nnot json\n" + `{"at":"2025-01-05T10:00:00Z","family":"x","kind":"cnc"}` + "\n" + `{"type":"event","at":"2025-01-05T10:00:00Z"}` + "\n",
			want: "2025-01-05T10:00 Cutwail cnc 80 5.6.7.8\n", refused: "malformed 1, no host 1, other format 1"},
		"own object": {format: "sighting", text: "{\n \"at\": \"2025-01-05T10:00:00Z\",\n \"family\": \"x\",\n \"addr\": \"5.6.7.8\", \"place\": {\"prefix\": \"5.6.0.0/16\", \"origins\": [1]}\n}\n", want: "2025-01-05T10:00 x cnc 0 5.6.7.8\n"},
		"own array":  {format: "sighting", text: `[{"at":"2025-01-05T10:00:00Z","family":"x","addr":"5.6.7.8"},{"at":"2025-01-05T10:00:00Z","family":"x","addr":"5.6.7.8"},{"at":"2027-01-05T10:00:00Z","family":"x","addr":"5.6.7.8"}]`, want: "2025-01-05T10:00 x cnc 0 5.6.7.8\n", refused: "future 1, repeated 1"},
		"misp": {format: "misp", text: `{"Event":{"info":"x","date":"2025-01-05","Tag":[{"name":"misp-galaxy:mitre-malware=\"Emotet - S0367\""}],"Attribute":[
 {"type":"ip-dst|port","category":"Network activity","value":"5.6.7.8|8080","timestamp":"1736000000","to_ids":true},{"type":"domain|ip","category":"Network activity","value":"a.example.com|5.6.7.9"},
 {"type":"url","category":"Payload delivery","value":"http://b.example.com/x","last_seen":"2025-01-04T10:00:00.000000+00:00"},{"type":"sha1","value":"aa"},{"type":"ip-dst","value":"5.6.7.10","deleted":true}],
 "Object":[{"name":"ip-port","Attribute":[{"type":"ip-dst","object_relation":"ip","category":"Network activity","value":"5.6.7.11"},{"type":"port","object_relation":"dst-port","value":"99"}]}]}}`,
			want:    "2025-01-05T00:00 Emotet cnc 8080 5.6.7.8 precision=day\n2025-01-05T00:00 Emotet cnc 0 5.6.7.9 precision=day name=a.example.com\n2025-01-04T10:00 Emotet malware 0 b.example.com url=http://b.example.com/x\n2025-01-05T00:00 Emotet cnc 99 5.6.7.11 precision=day\n",
			refused: "not a C&C 2, doubtful 1"},
		"stix": {format: "stix", text: `{"type":"bundle","id":"bundle--1","objects":[
 {"type":"relationship","id":"relationship--1","relationship_type":"indicates","source_ref":"indicator--1","target_ref":"malware--1"},
 {"type":"indicator","id":"indicator--1","pattern_type":"stix","pattern":"[ipv4-addr:value = '5.6.7.8' AND network-traffic:dst_port = 443] OR [domain-name:value IN ('a.example.com', 'b.example.com')] START t'2020-01-01T00:00:00Z' STOP t'2021-01-01T00:00:00Z'","valid_from":"2025-01-05T10:00:00Z","confidence":80},
 {"type":"indicator","id":"indicator--2","pattern_type":"yara","pattern":"rule x","valid_from":"2025-01-05T10:00:00Z"},
 {"type":"indicator","id":"indicator--3","pattern_type":"stix","pattern":"[ipv4-addr:value != '5.6.7.9']","valid_from":"2025-01-05T10:00:00Z"},
 {"type":"indicator","id":"indicator--4","revoked":true,"pattern_type":"stix","pattern":"[ipv4-addr:value = '5.6.7.9']","valid_from":"2025-01-05T10:00:00Z"},
 {"type":"malware","id":"malware--1","name":"Qbot","is_family":true},
 {"type":"sighting","id":"sighting--1","sighting_of_ref":"indicator--1","first_seen":"2025-02-01T00:00:00Z","last_seen":"2025-02-03T00:00:00Z","observed_data_refs":["observed-data--1"]},
 {"type":"observed-data","id":"observed-data--1","first_observed":"2025-02-01T00:00:00Z","last_observed":"2025-02-02T00:00:00Z","object_refs":["ipv4-addr--1","network-traffic--1"]},
 {"type":"ipv4-addr","id":"ipv4-addr--1","value":"5.6.7.20"},
 {"type":"network-traffic","id":"network-traffic--1","dst_ref":"ipv4-addr--1","dst_port":8443},
 {"type":"infrastructure","id":"infrastructure--1","name":"i","infrastructure_types":["command-and-control"],"first_seen":"2025-03-01T00:00:00Z"},
 {"type":"relationship","id":"relationship--2","relationship_type":"controls","source_ref":"infrastructure--1","target_ref":"malware--1"},
 {"type":"relationship","id":"relationship--3","relationship_type":"consists-of","source_ref":"infrastructure--1","target_ref":"ipv4-addr--2"},
 {"type":"ipv4-addr","id":"ipv4-addr--2","value":"5.6.7.30"}]}`,
			want: "2025-01-05T10:00 QakBot cnc 443 5.6.7.8 sure=80\n2025-01-05T10:00 QakBot cnc 0 a.example.com sure=80\n2025-01-05T10:00 QakBot cnc 0 b.example.com sure=80\n" +
				"2025-02-03T00:00 QakBot cnc 443 5.6.7.8 first=2025-02-01T00:00 sure=80\n2025-02-03T00:00 QakBot cnc 0 a.example.com first=2025-02-01T00:00 sure=80\n2025-02-03T00:00 QakBot cnc 0 b.example.com first=2025-02-01T00:00 sure=80\n" +
				"2025-02-02T00:00 QakBot cnc 0 5.6.7.20 first=2025-02-01T00:00\n2025-02-02T00:00 QakBot cnc 8443 5.6.7.20 first=2025-02-01T00:00\n2025-03-01T00:00 QakBot cnc 0 5.6.7.30\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got, stats, err := told(t, c.format, c.text, c.o)
			if err != nil || got != c.want || c.refused != "" && stats.Reasons() != c.refused {
				t.Errorf("%v, refused %s (want %s), %v\ngot:\n%swant:\n%s", err, stats.Reasons(), c.refused, stats.Faults, got, c.want)
			}
			if stats.Entries != stats.Accepted+stats.RefusedInAll() {
				t.Errorf("%+v", stats)
			}
			var z bytes.Buffer
			w := gzip.NewWriter(&z)
			w.Write([]byte("\xef\xbb\xbf" + c.text))
			w.Close()
			if again, _, err := told(t, c.format, z.String(), c.o); err != nil || again != got {
				t.Errorf("packed: %v\n%s", err, again)
			}
			// depeer finds the format by itself wherever the text can tell.
			if g := Guess(strings.NewReader(c.text), c.o.Name); g != c.format && c.o.Mapping == (Mapping{}) {
				t.Errorf("guessed %q, is %q", g, c.format)
			}
		})
	}
}

// TestNoFeed: what is no list at all is a doubt with a reason, in every format.
func TestNoFeed(t *testing.T) {
	for text, why := range map[string]string{
		"": "is empty", " \n\n": "is empty", "<!DOCTYPE html><html>": "is a web page, no list", "\x1f\x8b": "is no whole gzip", "abc\x00def": "is no text",
	} {
		for _, format := range Names() {
			_, stats, err := told(t, format, text, Options{At: now})
			if d, ok := errors.AsType[*Doubt](err); !ok || !strings.Contains(d.Why, why) || stats.Accepted != 0 {
				t.Errorf("%s %q: %v", format, text, err)
			}
		}
	}
	for format, text := range map[string]string{
		"feodo-csv": "ip,port\n1.2.3.4,5\n", "threatfox-json": `{"query_status":"unknown_auth_key","data":[]}`, "urlhaus-json": `{"1":[{"url":"http://a.example.com/"},{"ur`, "csv": "colour;size\nred;1\n",
		"misp": "[1,2]", "stix": `{"objects":[{"type":`, "sighting": "42", "feodo-json": "[",
	} {
		if _, stats, err := told(t, format, text, Options{At: now}); err == nil {
			t.Errorf("%s took %q: %+v", format, text, stats)
		}
	}
	_, stats, err := told(t, "plain", strings.Repeat("5.6.7.8\n", 100), Options{At: now, MaxBytes: 80})
	if err == nil || !strings.Contains(err.Error(), "larger than 80 bytes") {
		t.Errorf("%v %+v", err, stats)
	}
	_, stats, err = told(t, "plain", "5.6.7.8\n5.6.7.9\n5.6.7.10\n", Options{At: now, MaxEntries: 2})
	if err != nil || stats.Accepted != 2 || stats.Refused[cnc.Excess] != 1 {
		t.Errorf("%v %+v", err, stats)
	}
	big := `{"1":[{"url":"` + strings.Repeat("a", maxValue+1<<20) + `"}]}`
	if _, _, err := told(t, "urlhaus-json", big, Options{}); err == nil || !strings.Contains(err.Error(), "an entry of more than") {
		t.Errorf("%v", err)
	}
}

// TestOne: a sensor says what it saw, and no more.
func TestOne(t *testing.T) {
	s, err := One([]byte(`{"type":"sighting","source":"liar","at":"2026-05-05T10:00:00Z","family":"Heodo","addr":"5.6.7.8","resolved":true,"answers":3,"place":{"prefix":"5.0.0.0/8"}}`), "sensor-1", cnc.DefaultFamilies(), now)
	if err != nil || s.Source != "sensor-1" || s.Family != "Emotet" || s.Place != nil || s.Resolved || s.Answers != 0 || s.ID == "" {
		t.Errorf("%v %+v", err, s)
	}
	for body, why := range map[string]cnc.Reason{"{": cnc.Malformed, `{"at":"2026-05-05T10:00:00Z","addr":"192.168.1.1"}`: cnc.Bogon, `{"addr":"5.6.7.8"}`: cnc.NoTime} {
		_, err := One([]byte(body), "sensor-1", cnc.DefaultFamilies(), now)
		if r, ok := errors.AsType[*cnc.Refused](err); !ok || r.Reason != why {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for i, name := range Names() {
		f.Add(i, []byte("first_seen_utc,dst_ip,dst_port,malware\n2020-01-01,5.6.7.8,1,x\n"))
		f.Add(i, []byte(`{"objects":[{"type":"indicator","id":"a","pattern":"[ipv4-addr:value='5.6.7.8']","valid_from":"2020-01-01T00:00:00Z"}]}`))
		f.Add(i, []byte(`{"Event":{"date":"2020-01-01","Attribute":[{"type":"ip-dst|port","value":"5.6.7.8|1"}]}}`))
		f.Add(i, []byte("THREAT IDENTIFICATION: X\n\nX C2\nhxxp://5[.]6[.]7[.]8:1/\n"))
		f.Add(i, []byte(`{"ioc":"5.6.7.8:1","type":"ip:port","first_seen":"2020-01-01 00:00:00 UTC"}`+"\n{}\n"))
		_ = name
	}
	f.Fuzz(func(t *testing.T, which int, text []byte) {
		names := Names()
		format := names[(which%len(names)+len(names))%len(names)]
		n := 0
		stats, err := Parse(format, bytes.NewReader(text), Options{Source: "fuzz", At: now, Now: now, MaxBytes: 1 << 20, MaxEntries: 1000}, func(s cnc.Sighting) {
			n++
			if s.ID == "" || s.Family == "" || s.Host() == "" || s.Addr.IsValid() && cnc.Special(s.Addr) != "" || s.At.After(now.Add(cnc.Ahead)) {
				t.Fatalf("%s: %+v", format, s)
			}
		})
		if n != stats.Accepted || stats.Entries != stats.Accepted+stats.RefusedInAll() || err == nil && stats.Entries == 0 {
			t.Fatalf("%s: %v, %d given out, %+v", format, err, n, stats)
		}
		Guess(bytes.NewReader(text), "x")
	})
}

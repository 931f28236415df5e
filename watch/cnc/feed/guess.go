package feed

import (
	"bytes"
	"encoding/json"
	"io"
	"path"
	"strings"
)

// Guess finds the format of a file by its beginning and its name; "" where it is none that is known.
func Guess(r io.Reader, name string) string {
	head, _, err := opened(r, 1<<20)
	if err != nil || notAFeed(head) != "" {
		return ""
	}
	return guess(head, name)
}

func guess(head []byte, name string) string {
	text := strings.ToLower(string(head))
	trimmed := strings.TrimSpace(text)
	has := func(words ...string) bool {
		for _, w := range words {
			if !strings.Contains(text, w) {
				return false
			}
		}
		return true
	}
	if trimmed[0] == '{' || trimmed[0] == '[' {
		return guessJSON(head, has)
	}
	switch {
	case has("#snapshot_utc"), strings.HasSuffix(strings.ToLower(path.Base(name)), " ips.txt"):
		return "c2-tracker"
	case has("ioc_value", "malware_printable"):
		return "threatfox-csv"
	case has("dateadded", "url_status"):
		return "urlhaus-csv"
	case has("dst_port", "malware"), has("dstport", "malware"):
		return "feodo-csv"
	case has("firstseen", "dstip"), has("listingdate", "sha1"):
		return "sslbl-csv"
	case has("threat identification"), has("threat attribution"), has("c2's"), noteHead(trimmed):
		return "notes"
	}
	lines := strings.Split(trimmed, "\n")
	for _, l := range lines {
		l = strings.TrimSpace(l)
		if l == "" || l[0] == '#' || l[0] == ';' {
			if isHeader(splitGuess(strings.TrimSpace(strings.Trim(l, "#; ")))) {
				return "csv"
			}
			continue
		}
		cells := splitGuess(l)
		if isHeader(cells) {
			return "csv"
		}
		if _, ok := hostIn(strings.Fields(l)[0]); ok {
			return "plain"
		}
		if len(cells) > 1 {
			for i, c := range cells {
				if _, ok := hostIn(strings.TrimSpace(c)); ok {
					if i == 0 {
						return "csv"
					}
					return "" // which column is which has to be said
				}
			}
		}
	}
	return ""
}

// noteHead: "02.05.2022 | Qakbot | AA | ...".
func noteHead(text string) bool {
	line, _, _ := strings.Cut(text, "\n")
	return strings.Count(line, "|") > 0 && !dayIn(line).IsZero()
}

func guessJSON(head []byte, has func(...string) bool) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(head), []byte("\n"))
	var one struct {
		Type string `json:"type"`
	}
	json.Unmarshal(line, &one)
	switch {
	case one.Type == "sighting":
		return "sighting"
	case has(`"bundle--`), has(`"spec_version"`), has(`"objects"`, `"type"`), has(`"indicator--`):
		return "stix"
	case has(`"event"`), has(`"attribute"`), has(`"orgc"`):
		return "misp"
	case has(`"ip_address"`, `"malware"`):
		return "feodo-json"
	case has(`"ioc`, `"malware`), has(`"query_status"`, `"ioc_type"`):
		return "threatfox-json"
	case has(`"url_status"`):
		return "urlhaus-json"
	case has(`"sighting"`, `"source"`), has(`"family"`, `"at"`):
		return "sighting"
	}
	return ""
}

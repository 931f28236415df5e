package feed

import (
	"bufio"
	"encoding/json"
	"io"
	"net/netip"
	"path"
	"strings"
	"time"

	"depeer/watch/cnc"
)

// parsePlain reads one host a line: what people put on a list, defanged or not. # and ; and // begin a comment.
// A line may go on after the host, with a comment of its own.
func parsePlain(in *intake, r io.Reader) error {
	family := in.o.Family
	if family == "" {
		family, _ = in.o.Families.In(in.o.Name)
	}
	b := bufio.NewReader(r)
	for {
		line, err := readLine(b)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		text := strings.TrimSpace(line)
		if text == "" || text[0] == '#' || text[0] == ';' || strings.HasPrefix(text, "//") {
			in.dated(strings.TrimSpace(strings.Trim(text, "#;/ ")))
			continue
		}
		note := ""
		for _, mark := range []string{" #", "\t#", " ;", "\t;"} {
			if head, rest, ok := strings.Cut(text, mark); ok {
				text, note = strings.TrimSpace(head), strings.TrimSpace(rest)
			}
		}
		if err := in.entry(); err != nil {
			return err
		}
		s, ok := hostIn(text)
		if !ok {
			if _, err := netip.ParsePrefix(text); err == nil {
				in.drop(cnc.NoHost, "%s is a prefix, no host", text)
			} else {
				in.drop(cnc.Unmatched, "%.80q is no host", text)
			}
			continue
		}
		s.Family, s.Note = family, note
		in.take(s)
	}
}

// parseC2Tracker reads a file of C2-Tracker: "Cobalt Strike C2 IPs.txt" with an address a line, seen on the day that
// the folder is named after; or its history, a table of snapshot_utc, commit, family and ip.
func parseC2Tracker(in *intake, r io.Reader) error {
	b := bufio.NewReaderSize(r, 64<<10)
	head, _ := b.Peek(512)
	if first, _, _ := strings.Cut(string(head), "\n"); strings.Contains(first, "\t") {
		return parseCSV(in, b)
	}
	name := path.Base(in.o.Name)
	name = strings.TrimSuffix(name, path.Ext(name))
	name = strings.TrimSpace(strings.TrimSuffix(strings.TrimSuffix(name, "IPs"), " "))
	if in.o.Family == "" {
		in.o.Family = name
	}
	in.dayOfName()
	return parsePlain(in, b)
}

// dayOfName takes the day in the file's name for entries without a time.
func (in *intake) dayOfName() {
	if day := dayIn(in.o.Name); !day.IsZero() && in.o.At.IsZero() {
		in.o.At, in.o.Precision = day, "day"
	}
}

// parseOwn reads sightings as depeer writes them. What a sensor may not say is taken away:
// where an address belonged, and that our own resolver answered.
func parseOwn(in *intake, r io.Reader) error {
	return in.objects(r, nil, func(raw json.RawMessage) {
		var s cnc.Sighting
		if err := json.Unmarshal(raw, &s); err != nil {
			in.drop(cnc.Malformed, "%v", err)
			return
		}
		if s.Type != "" && s.Type != "sighting" {
			in.drop(cnc.OtherFormat, "type %.40q", s.Type)
			return
		}
		if s.At.IsZero() && s.First.IsZero() && in.o.At.IsZero() {
			in.drop(cnc.NoTime, "%s", s.Host())
			return
		}
		s.Place = nil
		in.take(s)
	})
}

// One reads a single sighting as depeer writes it: the body of a message of a sensor, or of
// POST /api/v1/sightings. The source is the one that is given, whatever the body
// says, unless that is empty. The error is a [*cnc.Refused] or says what of the JSON is wrong.
func One(body []byte, source string, f *cnc.Families, now time.Time) (cnc.Sighting, error) {
	var s cnc.Sighting
	if err := json.Unmarshal(body, &s); err != nil {
		return s, &cnc.Refused{Reason: cnc.Malformed, Text: err.Error()}
	}
	if source != "" {
		s.Source = source
	}
	s.Place, s.Resolved, s.Answer, s.Answers, s.TTL, s.CNAME = nil, false, "", 0, 0, ""
	err := s.Accept(f, now)
	return s, err
}

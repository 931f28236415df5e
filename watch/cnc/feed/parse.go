package feed

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"depeer/watch/cnc"
)

// Options say what the entries of a file do not.
type Options struct {
	Source     string        // needed: the name of who says it
	Name       string        // of the file; researchers' notes and folders put the family and the day into it
	Families   *cnc.Families // nil: DefaultFamilies
	Family     string        // of entries that name none
	Kind       cnc.Kind      // of entries that say none
	Confidence int           // likewise, 1 to 100
	At         time.Time     // of entries that have no time: when the source published them. Zero: such entries are refused
	Precision  string        // of At: "day", "month"; "" to the second
	Now        time.Time     // what is after it is refused; zero: nothing is
	Mapping    Mapping       // of csv
	MaxBytes   int64         // of the whole, unpacked; 0: 1 GiB
	MaxEntries int           // 0: 3 million
}

// Format is a way to publish indicators.
type Format struct {
	About   string        // one line
	Every   time.Duration // the publisher asks not to be asked more often; the shortest interval of a feed
	Licence string        // of the data, as the publisher states it; "" where it is the feed's
	Header  string        // of HTTP: takes the feed's key; "" where keys are sent as "Authorization: Bearer"
	parse   func(in *intake, r io.Reader) error
}

// Formats are the formats by name.
var Formats = map[string]Format{
	"feodo-csv":      {"abuse.ch Feodo Tracker, CSV of any year", 5 * time.Minute, "CC0", "Auth-Key", parseFeodoCSV},
	"feodo-json":     {"abuse.ch Feodo Tracker, JSON", 5 * time.Minute, "CC0", "Auth-Key", parseFeodoJSON},
	"threatfox-json": {"abuse.ch ThreatFox, export or answer of the API", 5 * time.Minute, "CC0", "Auth-Key", parseThreatFox},
	"threatfox-csv":  {"abuse.ch ThreatFox, CSV export", 5 * time.Minute, "CC0", "Auth-Key", parseThreatFoxCSV},
	"urlhaus-csv":    {"abuse.ch URLhaus, CSV", 5 * time.Minute, "CC0", "Auth-Key", parseURLhausCSV},
	"urlhaus-json":   {"abuse.ch URLhaus, export or answer of the API", 5 * time.Minute, "CC0", "Auth-Key", parseURLhausJSON},
	"sslbl-csv":      {"abuse.ch SSLBL, botnet C2 addresses", 5 * time.Minute, "CC0", "Auth-Key", parseSSLBL},
	"misp":           {"MISP events, one or many", time.Minute, "", "Authorization", parseMISP},
	"misp-feed":      {"a MISP feed: manifest.json beside its events", 5 * time.Minute, "", "Authorization", parseMISP},
	"stix":           {"STIX 2.1 (and 2.0) bundles", time.Minute, "", "", parseSTIX},
	"taxii":          {"a TAXII 2.1 collection of STIX objects", time.Minute, "", "Authorization", parseSTIX},
	"plain":          {"an address, name or URL a line, also defanged; # begins a comment", time.Minute, "", "", parsePlain},
	"csv":            {"a table; columns by their usual names, or mapped", time.Minute, "", "", parseCSV},
	"c2-tracker":     {"C2-Tracker: a list of addresses a family, or its history as a table", time.Hour, "", "", parseC2Tracker},
	"notes":          {"researchers' notes: sections of defanged addresses under headings", time.Hour, "", "", parseNotes},
	"sighting":       {"depeer's own sightings: JSON, an array, or one a line", time.Second, "", "", parseOwn},
}

// Names lists the formats in order.
func Names() []string { return slices.Sorted(maps.Keys(Formats)) }

// Parse reads a file of a format and hands each accepted sighting to into, in the order of the file.
func Parse(format string, r io.Reader, o Options, into func(cnc.Sighting)) (Stats, error) {
	f, ok := Formats[format]
	if !ok {
		return Stats{}, fmt.Errorf("%q is none of the formats %s", format, strings.Join(Names(), ", "))
	}
	in := newIntake(o, into)
	head, r, err := opened(r, in.o.MaxBytes)
	if err != nil {
		return in.Stats, err
	}
	if why := notAFeed(head); why != "" {
		return in.Stats, doubt("%s", why)
	}
	err = f.parse(in, r)
	if errors.Is(err, errEnough) {
		err = nil
	}
	if err != nil {
		if _, ok := errors.AsType[*Doubt](err); !ok {
			err = doubt("cannot be read: %v", err)
		}
		return in.Stats, err
	}
	if in.Entries == 0 {
		return in.Stats, doubt("holds no entry")
	}
	return in.Stats, nil
}

// opened undoes gzip, bounds the stream and looks at its head.
func opened(r io.Reader, most int64) ([]byte, io.Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	if magic, _ := b.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, nil, doubt("is no whole gzip: %v", err)
		}
		b = bufio.NewReaderSize(z, 64<<10)
	}
	b = bufio.NewReaderSize(&bounded{r: b, left: most, most: most}, 64<<10)
	head, err := b.Peek(4096)
	if err != nil && err != io.EOF {
		return nil, nil, doubt("cannot be read: %v", err)
	}
	if bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) {
		b.Discard(3)
		head = head[3:]
	}
	return slices.Clone(head), b, nil
}

// bounded fails where io.LimitReader would pass a cut file off as whole.
type bounded struct {
	r          io.Reader
	left, most int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, doubt("is larger than %d bytes", b.most)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// notAFeed finds what servers send in place of a list.
func notAFeed(head []byte) string {
	text := bytes.ToLower(bytes.TrimSpace(head))
	switch {
	case len(text) == 0:
		return "is empty"
	case text[0] == '<':
		return "is a web page, no list"
	case bytes.IndexByte(head, 0) >= 0:
		return "is no text"
	}
	return ""
}

// errEnough ends the reading when the bound of entries is reached.
var errEnough = errors.New("enough entries")

// intake turns what a parser found into accepted sightings.
type intake struct {
	Stats
	o    Options
	into func(cnc.Sighting)
	seen map[[16]byte]struct{}
}

func newIntake(o Options, into func(cnc.Sighting)) *intake {
	if o.Families == nil {
		o.Families = cnc.DefaultFamilies()
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 1 << 30
	}
	if o.MaxEntries <= 0 {
		o.MaxEntries = 3_000_000
	}
	return &intake{o: o, into: into, seen: map[[16]byte]struct{}{}}
}

// entry counts one more. What is beyond the bound is not read.
func (in *intake) entry() error {
	if in.Entries >= in.o.MaxEntries {
		in.refuse(in.Entries, cnc.Excess, fmt.Errorf("more than %d entries", in.o.MaxEntries))
		in.Entries++
		return errEnough
	}
	in.Entries++
	return nil
}

// drop refuses the present entry.
func (in *intake) drop(why cnc.Reason, format string, args ...any) {
	in.Stats.refuse(in.Entries, why, fmt.Errorf("%s: %s", why, fmt.Sprintf(format, args...)))
}

// take accepts or refuses the present entry.
func (in *intake) take(s cnc.Sighting) {
	if s.Source == "" {
		s.Source = in.o.Source
	}
	if s.Family == "" {
		s.Family = in.o.Family
	}
	if s.Kind == "" {
		s.Kind = in.o.Kind
	}
	if s.Confidence == 0 {
		s.Confidence = in.o.Confidence
	}
	if s.At.IsZero() {
		s.At, s.Precision = in.o.At, in.o.Precision
		if s.At.IsZero() && !s.First.IsZero() {
			s.At, s.First = s.First, time.Time{}
		}
	}
	if s.Reported.IsZero() {
		s.Reported = in.Dated
	}
	if dualHost(s.Name) || dualHost(hostOf(s.URL)) {
		s.DualUse = true
	}
	if err := s.Accept(in.o.Families, in.o.Now); err != nil {
		why := cnc.Malformed
		if r, ok := errors.AsType[*cnc.Refused](err); ok {
			why = r.Reason
		}
		in.Stats.refuse(in.Entries, why, err)
		return
	}
	if !s.Resolved {
		key := idKey(s.ID)
		if _, ok := in.seen[key]; ok {
			in.drop(cnc.Repeated, "%s", s.Host())
			return
		}
		in.seen[key] = struct{}{}
	}
	in.accept(&s)
	in.into(s)
}

func idKey(id string) (key [16]byte) {
	copy(key[:], id[:min(16, len(id))]) // half of the hash: 64 bits tell three million apart
	return key
}

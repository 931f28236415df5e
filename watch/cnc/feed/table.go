package feed

import (
	"bufio"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"depeer/watch/cnc"
)

// Mapping says which column of a csv holds what: the name in its header, or a number from 1.
// What is empty is looked for under its usual names.
type Mapping struct {
	Comma       string `yaml:"comma"`  // between the columns; found out where empty
	Header      string `yaml:"header"` // "yes", "no"; found out where empty
	Host        string `yaml:"host"`   // an address, name, URL, address:port, also defanged
	Port        string `yaml:"port"`
	Family      string `yaml:"family"`
	Kind        string `yaml:"kind"`
	First       string `yaml:"first"` // first seen
	Last        string `yaml:"last"`  // last seen
	Confidence  string `yaml:"confidence"`
	ASN         string `yaml:"asn"`
	Fingerprint string `yaml:"fingerprint"`
	Note        string `yaml:"note"`
}

// places are the indexes of the columns of a mapping, -1 for none.
type places struct{ host, port, family, kind, first, last, confidence, asn, fingerprint, note int }

// The usual names of columns.
var (
	usualHost       = []string{"host", "ip", "c2_ip", "dst_ip", "dstip", "ip_address", "ipaddress", "address", "indicator", "ioc", "ioc_value", "value", "domain", "hostname", "url", "remote_ip", "c2"}
	usualPort       = []string{"port", "dst_port", "dstport", "c2_port"}
	usualFamily     = []string{"family", "malware", "malware_printable", "malware_family", "threat_name", "signature", "botname", "tool"}
	usualFirst      = []string{"first_seen", "firstseen", "first_seen_utc", "first", "dateadded", "date_added", "added", "snapshot_utc"}
	usualLast       = []string{"last_seen", "lastseen", "last_seen_utc", "last_online", "lastonline", "last", "timestamp", "date", "time", "seen", "at"}
	usualConfidence = []string{"confidence", "confidence_level"}
	usualASN        = []string{"asn", "as_number", "as"}
	usualKind       = []string{"kind"}
	usualNote       = []string{"note", "comment", "comments", "description", "reference"}
)

// table reads rows; every row is given as cells by column.
type table struct {
	csv    *csv.Reader
	header []string // lower case; nil where there is none
	first  []string // a first row that is no header
}

// openTable skips comments, finds the header (which a comment may be) and the comma.
func openTable(in *intake, r io.Reader, comma, header string) (*table, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	var commented string
	for {
		head, err := b.Peek(1)
		if err != nil {
			if commented != "" {
				break
			}
			return nil, doubt("holds no row")
		}
		if head[0] != '#' && head[0] != ';' && head[0] != '\r' && head[0] != '\n' {
			break
		}
		line, err := readLine(b)
		if err != nil {
			return nil, err
		}
		text := strings.TrimSpace(strings.Trim(strings.TrimSpace(line), "#; "))
		in.dated(text)
		if isHeader(splitGuess(text)) {
			commented = text
		}
	}
	peek, _ := b.Peek(8192)
	line, _, _ := strings.Cut(string(peek), "\n")
	t := &table{csv: csv.NewReader(b)}
	t.csv.FieldsPerRecord, t.csv.LazyQuotes, t.csv.ReuseRecord, t.csv.Comment, t.csv.TrimLeadingSpace = -1, true, true, '#', true
	switch {
	case comma == "tab" || comma == `\t`:
		t.csv.Comma = '\t'
	case comma != "":
		t.csv.Comma = []rune(comma)[0]
	default:
		t.csv.Comma = guessComma(line)
	}
	if t.csv.Comma == '\t' || t.csv.Comma == ' ' {
		t.csv.TrimLeadingSpace = false
	}
	if t.csv.Comma == '#' {
		t.csv.Comment = 0
	}
	if commented != "" && header != "no" {
		c := csv.NewReader(strings.NewReader(commented))
		c.Comma, c.LazyQuotes, c.TrimLeadingSpace = t.csv.Comma, true, true
		t.header, _ = c.Read()
	}
	row, err := t.csv.Read()
	if err == io.EOF {
		t.lower()
		return t, nil
	}
	if err != nil {
		return nil, doubt("cannot be read: %v", err)
	}
	if t.header == nil && header != "no" && (header == "yes" || isHeader(row)) {
		t.header = slices.Clone(row)
	} else if len(t.header) == 0 || !strings.EqualFold(strings.TrimSpace(row[0]), strings.TrimSpace(t.header[0])) {
		t.first = slices.Clone(row)
	}
	t.lower()
	return t, nil
}

func (t *table) lower() {
	for i, h := range t.header {
		t.header[i] = strings.ToLower(strings.Trim(strings.TrimSpace(h), `"`))
	}
}

func splitGuess(line string) []string {
	return strings.Split(strings.ReplaceAll(line, `"`, ""), string(guessComma(line)))
}

func guessComma(line string) rune {
	best, most := ',', 0
	for _, c := range "\t,;|" {
		if n := strings.Count(line, string(c)); n > most {
			best, most = c, n
		}
	}
	return best
}

// isHeader: at least two cells (or the only one) bear usual names, and none holds a host.
func isHeader(cells []string) bool {
	named := 0
	for _, c := range cells {
		c = strings.ToLower(strings.Trim(strings.TrimSpace(c), `"`))
		for _, list := range [][]string{usualHost, usualPort, usualFamily, usualFirst, usualLast, usualConfidence, usualASN, {"sha1", "listingreason", "listingdate", "snapshot_utc", "id"}} {
			if slices.Contains(list, c) {
				named++
				break
			}
		}
	}
	return named >= 2 || named == 1 && len(cells) == 1
}

// column finds a column: by the name or number that is configured, or by the usual names. -1 for none.
func (t *table) column(want string, usual []string) (int, error) {
	if want != "" {
		if i := slices.Index(t.header, strings.ToLower(want)); i >= 0 {
			return i, nil
		}
		if n, err := strconv.Atoi(want); err == nil && n >= 1 && n <= 1000 {
			return n - 1, nil
		}
		return -1, doubt("has no column %q", want)
	}
	for _, u := range usual {
		if i := slices.Index(t.header, u); i >= 0 {
			return i, nil
		}
	}
	return -1, nil
}

// must finds the columns that a format always has.
func (t *table) must(names ...[]string) ([]int, error) {
	out := make([]int, len(names))
	for i, n := range names {
		at, _ := t.column("", n)
		if at < 0 {
			return nil, doubt("has no column %s: it is another list", n[0])
		}
		out[i] = at
	}
	return out, nil
}

// rows calls f for each row; cell gives "" for -1 and for what is not there.
func (t *table) rows(in *intake, f func(cell func(int) string)) error {
	var row []string
	cell := func(i int) string {
		if i < 0 || i >= len(row) {
			return ""
		}
		return strings.TrimSpace(row[i])
	}
	for {
		var err error
		if t.first != nil {
			row, t.first = t.first, nil
		} else if row, err = t.csv.Read(); err == io.EOF {
			return nil
		}
		if pe, ok := errors.AsType[*csv.ParseError](err); ok {
			if err := in.entry(); err != nil {
				return err
			}
			in.drop(cnc.Malformed, "line %d: %v", pe.Line, pe.Err)
			continue
		}
		if err != nil {
			return err
		}
		if len(row) == 1 && strings.TrimSpace(row[0]) == "" {
			continue
		}
		if err := in.entry(); err != nil {
			return err
		}
		f(cell)
	}
}

// parseCSV reads a table whose columns are mapped, or have usual names.
func parseCSV(in *intake, r io.Reader) error {
	m := in.o.Mapping
	t, err := openTable(in, r, m.Comma, m.Header)
	if err != nil {
		return err
	}
	at, err := t.places(m)
	if err != nil {
		return err
	}
	family := in.o.Family
	if family == "" {
		family, _ = in.o.Families.In(in.o.Name)
	}
	return t.rows(in, func(cell func(int) string) {
		s, ok := hostIn(cell(at.host))
		if !ok {
			in.drop(cnc.BadHost, "%.80q is no host", cell(at.host))
			return
		}
		if !span(&s, cell(at.first), cell(at.last)) {
			in.drop(cnc.BadTime, "%.40q, %.40q", cell(at.first), cell(at.last))
			return
		}
		if p := cell(at.port); p != "" && s.Port == 0 {
			n, err := strconv.ParseUint(p, 10, 16)
			if err != nil {
				in.drop(cnc.BadPort, "%.20q", p)
				return
			}
			s.Port = uint16(n)
		}
		s.Family = in.familyOf(cell(at.family), family)
		s.Kind = cnc.Kind(cell(at.kind))
		s.Confidence, _ = strconv.Atoi(cell(at.confidence))
		n, _ := strconv.ParseUint(strings.TrimPrefix(strings.ToUpper(cell(at.asn)), "AS"), 10, 32)
		s.ASN = uint32(n)
		s.Fingerprint, s.Note = cell(at.fingerprint), cell(at.note)
		in.take(s)
	})
}

func (t *table) places(m Mapping) (at places, err error) {
	var errs []error
	find := func(want string, usual []string) int {
		i, err := t.column(want, usual)
		errs = append(errs, err)
		return i
	}
	at = places{find(m.Host, usualHost), find(m.Port, usualPort), find(m.Family, usualFamily), find(m.Kind, usualKind), find(m.First, usualFirst), find(m.Last, usualLast),
		find(m.Confidence, usualConfidence), find(m.ASN, usualASN), find(m.Fingerprint, []string{"jarm", "ja4x", "fingerprint"}), find(m.Note, usualNote)}
	if err := errors.Join(errs...); err != nil {
		return at, doubt("%v", err)
	}
	if at.host < 0 && t.header == nil && len(t.first) > 0 {
		if _, ok := hostIn(t.first[0]); !ok {
			return at, doubt("has no header that is known, and no host in its first column: give a mapping")
		}
		at.host = 0
	}
	if at.host < 0 {
		return at, doubt("has no column that is known to hold hosts (%s): give a mapping", strings.Join(t.header, ", "))
	}
	return at, nil
}

// familyOf is the family that a cell names, alone or within a sentence.
func (in *intake) familyOf(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	if _, ok := in.o.Families.Of(text); ok {
		return text
	}
	if strings.ContainsAny(text, " /") {
		if name, ok := in.o.Families.In(text); ok {
			return name
		}
	}
	return text
}

// dated reads when a source made its list from one of its comments.
func (in *intake) dated(comment string) {
	for _, key := range []string{"Last updated:", "Last-Modified:", "Feed generated at:", "Generated:", "Updated:", "Last update:"} {
		if _, rest, ok := strings.Cut(comment, key); ok {
			rest = strings.TrimSpace(strings.TrimRight(rest, "#; "))
			if t, _, ok := when(rest); ok && !t.IsZero() {
				in.Dated = t
			}
		}
	}
}

const maxLine = 1 << 20

// readLine reads a line of bounded length, without its end.
func readLine(b *bufio.Reader) (string, error) {
	var long []byte
	for {
		part, err := b.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			if long = append(long, part...); len(long) > maxLine {
				return "", doubt("has a line of more than %d bytes", maxLine)
			}
			continue
		}
		if err == io.EOF && len(part)+len(long) > 0 {
			err = nil
		}
		if long != nil {
			part = append(long, part...)
		}
		return strings.TrimRight(string(part), "\r\n"), err
	}
}

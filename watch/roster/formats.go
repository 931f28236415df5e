package roster

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"depeer/bgp"
	"depeer/watch"
)

// record is a line of the JSON of Spamhaus: an AS number of ASN-DROP, a prefix of
// DROP, or the metadata that end the list.
type record struct {
	ASN       uint32 `json:"asn"`
	ASName    string `json:"asname"`
	Domain    string `json:"domain"`
	CIDR      string `json:"cidr"`
	SBLID     string `json:"sblid"`
	Type      string `json:"type"`
	Timestamp int64  `json:"timestamp"`
	Records   *int   `json:"records"`
}

// jsonLine reads a line of JSON. It is false for the metadata.
func (p *parser) jsonLine(line string) (r record, entry bool, err error) {
	if !p.json {
		p.json, p.records = true, -1
	}
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		return r, false, errors.New("is no JSON object of the list")
	}
	if r.Type != "metadata" {
		return r, true, nil
	}
	p.report.Lines--
	p.ended = true
	if r.Records != nil {
		p.records = *r.Records
	}
	if r.Timestamp > 0 && r.Timestamp < 1<<33 {
		p.report.Dated = time.Unix(r.Timestamp, 0).UTC().Format(time.RFC3339)
	}
	return r, false, nil
}

// asnDrop reads a line of ASN-DROP: {"asn":932,"asname":"XNNET",...}, or of the text
// before 2024: "AS260 ; AE | XCONNECT24 - Xconnect24 Inc., US".
func (p *parser) asnDrop(line string) error {
	if line[0] == '{' {
		r, entry, err := p.jsonLine(line)
		if err != nil || !entry {
			return err
		}
		name := r.ASName
		if name == "" {
			name = r.Domain
		}
		return p.addASN(r.ASN, name)
	}
	number, rest, _ := strings.Cut(line, ";")
	asn, err := bgp.ParseASN(number)
	if err != nil {
		return err
	}
	_, name, ok := strings.Cut(rest, "|")
	if !ok {
		name = rest
	}
	return p.addASN(asn, strings.TrimSpace(name))
}

// drop reads a line of DROP: "1.4.0.0/17 ; SBL256893", or
// {"cidr":"1.10.16.0/20","sblid":"SBL256894","rir":"apnic"}.
func (p *parser) drop(line string) error {
	text, name := "", ""
	if line[0] == '{' {
		r, entry, err := p.jsonLine(line)
		if err != nil || !entry {
			return err
		}
		text, name = r.CIDR, r.SBLID
	} else {
		text, name, _ = strings.Cut(line, ";")
	}
	q, err := parsePrefix(strings.TrimSpace(text))
	if err != nil {
		return err
	}
	return p.addPrefix(q, strings.TrimSpace(name))
}

// plain reads an AS number or a prefix, and the comment behind it as its name.
func (p *parser) plain(line string) error {
	text, name := line, ""
	if i := strings.IndexAny(line, "#;"); i >= 0 {
		text, name = line[:i], strings.TrimSpace(line[i+1:])
	}
	text = strings.TrimSpace(text)
	if asn, err := bgp.ParseASN(text); err == nil && !strings.Contains(text, ".") {
		return p.addASN(asn, name)
	}
	q, err := parsePrefix(text)
	switch {
	case err == nil:
		return p.addPrefix(q, name)
	case strings.Contains(text, "/"):
		return err
	}
	return fmt.Errorf("%.60q is no AS number and no prefix", text)
}

// csv reads a table with a header.
func (p *parser) csv(text []byte) error {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	r.FieldsPerRecord, r.LazyQuotes, r.ReuseRecord, r.Comment = -1, true, true, '#'
	if p.cfg.Columns.Comma != "" {
		r.Comma = []rune(p.cfg.Columns.Comma)[0]
		if r.Comma == '#' {
			r.Comment = 0
		}
	}
	header, err := r.Read()
	if err != nil {
		return p.doubt("has no header: %v", err)
	}
	at, width, err := p.columns(header)
	if err != nil {
		return err
	}
	for {
		row, err := r.Read()
		if err == io.EOF {
			return nil
		}
		p.report.Lines++
		if err != nil {
			if pe, ok := errors.AsType[*csv.ParseError](err); ok {
				p.refuse(pe.Line, pe.Err.Error())
				continue
			}
			return p.doubt("cannot be read: %v", err)
		}
		line, _ := r.FieldPos(0)
		if len(row) < width {
			p.refuse(line, fmt.Sprintf("has %d columns, needs %d", len(row), width))
			continue
		}
		err = p.row(func(column int) string {
			if column < 0 {
				return ""
			}
			return strings.TrimSpace(row[column])
		}, at)
		if errors.Is(err, errTooMany) {
			return p.doubt("holds more than %d hosters", maxHosters)
		} else if err != nil {
			p.refuse(line, err.Error())
		}
	}
}

// places are the indexes of the columns, -1 for none.
type places struct{ id, name, asn, prefix, from, to int }

// columns finds the columns in the header. One that is not there means that the
// list is another one than was configured.
func (p *parser) columns(header []string) (at places, width int, err error) {
	var missing []string
	find := func(want string) int {
		if want == "" {
			return -1
		}
		for i, h := range header {
			if strings.EqualFold(strings.TrimSpace(h), want) {
				width = max(width, i+1)
				return i
			}
		}
		if n, err := strconv.Atoi(want); err == nil && n >= 1 && n <= len(header) {
			width = max(width, n)
			return n - 1
		}
		missing = append(missing, strconv.Quote(want))
		return -1
	}
	c := p.cfg.Columns
	at = places{find(c.ID), find(c.Name), find(c.ASN), find(c.Prefix), find(c.From), find(c.To)}
	if len(missing) > 0 {
		return at, 0, p.doubt("has no column %s", strings.Join(missing, ", "))
	}
	return at, width, nil
}

// row reads one hoster. What of its numbers and prefixes cannot be read refuses
// the whole row: half a hoster would be told as if it were all of it.
func (p *parser) row(cell func(int) string, at places) error {
	h := watch.Hoster{Name: cell(at.name)}
	for _, s := range words(cell(at.asn)) {
		asn, err := bgp.ParseASN(s)
		switch {
		case err != nil:
			return err
		case asn == 0 || asn == 23456:
			return fmt.Errorf("%s can be nobody's (RFC 7607, RFC 6793)", bgp.ASN(asn))
		}
		if _, ok := p.owner[asn]; ok {
			return fmt.Errorf("%s is listed twice", bgp.ASN(asn))
		}
		h.ASNs = appendNew(h.ASNs, asn)
	}
	for _, s := range words(cell(at.prefix)) {
		q, err := parsePrefix(s)
		if err != nil {
			return err
		}
		h.Prefixes = appendNew(h.Prefixes, q)
	}
	if len(h.ASNs) == 0 && len(h.Prefixes) == 0 {
		return errors.New("names no AS number and no prefix")
	}
	var err error
	if h.Valid.From, err = day(cell(at.from), false); err != nil {
		return err
	}
	if h.Valid.To, err = day(cell(at.to), true); err != nil {
		return err
	}
	if !h.Valid.From.IsZero() && !h.Valid.To.IsZero() && !h.Valid.From.Before(h.Valid.To) {
		return fmt.Errorf("ends (%s) before it begins (%s)", cell(at.to), cell(at.from))
	}
	switch {
	case cell(at.id) != "" && tidy(cell(at.id)) != "":
		h.ID = p.unique(tidy(cell(at.id)))
	case len(h.ASNs) > 0:
		h.ID = p.id("as" + fmt.Sprint(h.ASNs[0]))
	default:
		h.ID = p.id(prefixWord(h.Prefixes[0]))
	}
	for _, a := range h.ASNs {
		p.owner[a] = len(p.out)
	}
	return p.add(h)
}

func appendNew[T comparable](list []T, x T) []T {
	for _, y := range list {
		if x == y {
			return list
		}
	}
	return append(list, x)
}

// note is what people write behind a number: "AS44477 (transferred)".
var note = regexp.MustCompile(`\([^()]*\)`)

func words(s string) []string {
	s = note.ReplaceAllString(s, " ")
	return strings.FieldsFunc(s, func(r rune) bool { return r == ';' || r == ',' || r == ' ' || r == '\t' || r == '|' })
}

// day reads a day, a month, a year ("2008-11-11", "2008-11", "2008", "~2008") or an
// RFC 3339 moment. Of from, the beginning of what is named is meant, of to its end.
func day(s string, to bool) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	s = strings.TrimPrefix(s, "~")
	for _, x := range []struct {
		layout              string
		years, months, days int
	}{{time.DateOnly, 0, 0, 1}, {"2006-01", 0, 1, 0}, {"2006", 1, 0, 0}} {
		t, err := time.Parse(x.layout, s)
		if err != nil {
			continue
		}
		if to {
			t = t.AddDate(x.years, x.months, x.days)
		}
		return t, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), nil
	}
	return time.Time{}, fmt.Errorf("%.40q is no day (2008-11-11), month, year or RFC 3339 time", s)
}

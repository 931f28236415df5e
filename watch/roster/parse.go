package roster

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/netip"
	"strings"

	"depeer/bgp"
	"depeer/watch"
)

// Report is what Parse made of a list.
type Report struct {
	Lines   int // that were not empty and no comment
	Hosters int
	Refused int       // lines that could not be read
	Faults  []Refusal // the first of them, at most maxFaults
	Dated   string    // the list's own word on when it was made, "" for none
}

const maxFaults = 20

// Refusal is a line that could not be read.
type Refusal struct {
	Line int // from 1
	Why  string
}

func (r Refusal) String() string { return fmt.Sprintf("line %d: %s", r.Line, r.Why) }

// Doubt says why a list is not believed.
type Doubt struct {
	Name string
	Why  string
}

func (d *Doubt) Error() string {
	return "watchlist " + d.Name + ": " + d.Why + "; the last good one stays in force"
}

// maxList bounds a list in bytes, maxHosters in entries. The largest that is known
// has 1,400.
const (
	maxList    = 64 << 20
	maxHosters = 100_000
	maxLine    = 1 << 20
)

// Parse reads a list. A line that cannot be read is refused; a list of which
// nothing or little can be read is a [*Doubt].
func Parse(r io.Reader, cfg Config) ([]watch.Hoster, Report, error) {
	p := &parser{cfg: cfg, ids: map[string]bool{}, owner: map[uint32]int{}, listed: map[netip.Prefix]bool{}}
	text, err := io.ReadAll(io.LimitReader(r, maxList+1))
	if err != nil {
		return nil, p.report, fmt.Errorf("read watchlist %s: %w", cfg.Name, err)
	}
	if len(text) > maxList {
		return nil, p.report, p.doubt("is larger than %d MiB", maxList>>20)
	}
	if why := notAList(text); why != "" {
		return nil, p.report, p.doubt("%s", why)
	}
	switch cfg.Format {
	case CSV:
		err = p.csv(text)
	case ASNDrop:
		err = p.lines(text, p.asnDrop)
	case Drop:
		err = p.lines(text, p.drop)
	case Plain:
		err = p.lines(text, p.plain)
	default:
		return nil, p.report, fmt.Errorf("watchlist %s: format %q is none of %s", cfg.Name, cfg.Format, strings.Join(Formats, ", "))
	}
	p.report.Hosters = len(p.out)
	if err != nil {
		return nil, p.report, err
	}
	if err := p.believable(); err != nil {
		return nil, p.report, err
	}
	return p.out, p.report, nil
}

// notAList finds what servers send in place of a list.
func notAList(text []byte) string {
	head := bytes.ToLower(bytes.TrimSpace(bytes.TrimPrefix(text[:min(len(text), 1024)], []byte("\xef\xbb\xbf"))))
	switch {
	case len(head) == 0:
		return "is empty"
	case bytes.HasPrefix(head, []byte("<!doctype")), bytes.HasPrefix(head, []byte("<html")), bytes.HasPrefix(head, []byte("<?xml")), bytes.HasPrefix(head, []byte("<")):
		return "is a web page, no list"
	case bytes.IndexByte(text, 0) >= 0:
		return "is no text"
	}
	return ""
}

type parser struct {
	cfg     Config
	out     []watch.Hoster
	report  Report
	ids     map[string]bool
	owner   map[uint32]int        // index in out, by AS number
	listed  map[netip.Prefix]bool // prefixes that stand alone
	json    bool                  // a JSON line was met
	ended   bool                  // the metadata of a JSON list was met
	records int                   // that the metadata tells, -1 for none
}

func (p *parser) doubt(format string, args ...any) error {
	return &Doubt{Name: p.cfg.Name, Why: fmt.Sprintf(format, args...)}
}

func (p *parser) refuse(line int, why string) {
	p.report.Refused++
	if len(p.report.Faults) < maxFaults {
		p.report.Faults = append(p.report.Faults, Refusal{line, why})
	}
}

var errTooMany = errors.New("too many hosters")

// lines gives each line that is not empty to read.
func (p *parser) lines(text []byte, read func(line string) error) error {
	s := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	s.Buffer(make([]byte, 0, 64<<10), maxLine)
	for n := 1; s.Scan(); n++ {
		line := strings.TrimSpace(s.Text())
		if line == "" || line[0] == ';' || line[0] == '#' {
			if w, ok := strings.CutPrefix(strings.TrimLeft(line, ";# "), "Last-Modified:"); ok {
				p.report.Dated = strings.TrimSpace(w)
			}
			continue
		}
		p.report.Lines++
		if err := read(line); errors.Is(err, errTooMany) {
			return p.doubt("holds more than %d hosters", maxHosters)
		} else if err != nil {
			p.refuse(n, err.Error())
		}
	}
	if err := s.Err(); err != nil {
		return p.doubt("has a line of more than %d bytes", maxLine)
	}
	return nil
}

// believable judges what was read as a whole.
func (p *parser) believable() error {
	switch {
	case len(p.out) == 0 && p.report.Refused > 0:
		return p.doubt("none of its %d lines can be read (%s)", p.report.Lines, p.report.Faults[0])
	case len(p.out) == 0:
		return p.doubt("holds nobody")
	case p.report.Refused*2 > p.report.Lines:
		return p.doubt("%d of its %d lines cannot be read (%s)", p.report.Refused, p.report.Lines, p.report.Faults[0])
	case p.json && !p.ended:
		return p.doubt("is cut: the metadata that ends it is not there")
	case p.json && p.records >= 0 && p.records != p.report.Lines:
		return p.doubt("is cut: it holds %d records, and says %d", p.report.Lines, p.records)
	}
	return nil
}

// id makes an id of the list's name and a word, unique and no longer than ids may be.
func (p *parser) id(word string) string {
	slug := tidy(word)
	base := p.cfg.Name
	if base == ASNDrop || base == Drop {
		base = "spamhaus"
	}
	const longest = 32
	if len(base)+1+len(slug) <= longest {
		return p.unique(strings.Trim(base+"-"+slug, "-"))
	}
	if len(slug) <= longest-9 { // the list's name gives way
		return p.unique(strings.Trim(strings.TrimRight(base[:longest-1-len(slug)], "-")+"-"+slug, "-"))
	}
	// What is cut off is told by its hash, so that the id hangs on the word alone.
	sum := fnv.New32a()
	sum.Write([]byte(slug))
	tail := fmt.Sprintf("-%06x", sum.Sum32()&0xffffff)
	base = strings.TrimRight(base[:min(len(base), 8)], "-")
	return p.unique(strings.Trim(base+"-"+slug[:longest-1-len(base)-len(tail)]+tail, "-"))
}

// unique makes an id that nobody has: the second of a name is NAME-2.
func (p *parser) unique(id string) string {
	id = id[:min(len(id), 32)]
	for n := 2; p.ids[id] || id == ""; n++ {
		tail := fmt.Sprintf("-%d", n)
		stem := strings.TrimSuffix(id, fmt.Sprintf("-%d", n-1))
		if n == 2 {
			stem = id
		}
		id = strings.Trim(stem[:min(len(stem), 32-len(tail))]+tail, "-")
	}
	p.ids[id] = true
	return id
}

// tidy makes [a-z0-9-] of any text.
func tidy(s string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(s) {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.Trim(b.String(), "-")
}

// prefixWord writes a prefix as part of an id: "208-66-192-0-22", and IPv6 in full
// hexadecimal groups without the zeros at their end.
func prefixWord(q netip.Prefix) string {
	if q.Addr().Is4() {
		return tidy(q.String())
	}
	return tidy(strings.Replace(q.String(), "::/", "/", 1))
}

// addASN adds a hoster of one AS number.
func (p *parser) addASN(asn uint32, name string) error {
	if asn == 0 || asn == 23456 {
		return fmt.Errorf("%s can be nobody's (RFC 7607, RFC 6793)", bgp.ASN(asn))
	}
	if _, ok := p.owner[asn]; ok {
		return fmt.Errorf("%s is listed twice", bgp.ASN(asn))
	}
	p.owner[asn] = len(p.out)
	return p.add(watch.Hoster{ID: p.id("as" + fmt.Sprint(asn)), Name: name, ASNs: []uint32{asn}})
}

// addPrefix adds a hoster of one prefix.
func (p *parser) addPrefix(q netip.Prefix, name string) error {
	if p.listed[q] {
		return fmt.Errorf("%s is listed twice", q)
	}
	p.listed[q] = true
	return p.add(watch.Hoster{ID: p.id(prefixWord(q)), Name: name, Prefixes: []netip.Prefix{q}})
}

func (p *parser) add(h watch.Hoster) error {
	if len(p.out) >= maxHosters {
		return errTooMany
	}
	h.Name = plainText(h.Name)
	h.Tags = append([]string{p.cfg.Name}, p.cfg.Tags...)
	p.out = append(p.out, h)
	return nil
}

// plainText is what a list says of a name, made fit for a line of a log or a page.
func plainText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 120 {
		s = string(r[:120])
	}
	return s
}

// parsePrefix reads a prefix, or an address as the prefix of it alone.
func parsePrefix(s string) (netip.Prefix, error) {
	q, err := netip.ParsePrefix(s)
	if err != nil {
		a, err2 := netip.ParseAddr(s)
		if err2 != nil || a.Zone() != "" {
			return q, fmt.Errorf("%.60q is no prefix", s)
		}
		q = netip.PrefixFrom(a, a.BitLen())
	}
	switch {
	case q.Addr().Is4In6():
		return q, fmt.Errorf("%q is an IPv4 prefix written as IPv6", s)
	case q != q.Masked():
		return q, fmt.Errorf("%s has bits beyond its length (did you mean %s?)", q, q.Masked())
	case q.Bits() == 0 || q.Addr().Is4() && q.Bits() < 8 || q.Addr().Is6() && q.Bits() < 16:
		return q, fmt.Errorf("%s is too much of the Internet to be one hoster's", q)
	}
	return q, nil
}

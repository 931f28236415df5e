package origins

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"depeer/bgp/mrt"
	"depeer/bgp/wire"
)

// Load reads a table from a file: its kind is found by its content. A zero at is taken
// from the file: the dump's own time, or the day in its name; where it has none, that is an error.
func Load(ctx context.Context, path string, at time.Time) (*Table, Stats, error) {
	name := filepath.Base(path)
	f, err := os.Open(path)
	if err != nil {
		return nil, Stats{}, err
	}
	defer f.Close()
	b := newBuilder(name, 0)
	b.At = at
	if b.At.IsZero() {
		b.At = timeOfName(name)
	}
	switch kind, err := kindOf(f, name); {
	case err != nil:
		return nil, b.Stats, fmt.Errorf("%s: %w", name, err)
	case kind == "mrt":
		err = b.mrt(ctx, path, at.IsZero())
		if err != nil {
			return nil, b.Stats, fmt.Errorf("%s: %w", name, err)
		}
	case kind == "mmdb":
		if err := b.mmdb(path, at.IsZero()); err != nil {
			return nil, b.Stats, fmt.Errorf("%s: %w", name, err)
		}
	default:
		r, err := unpacked(f)
		if err == nil {
			err = b.text(r)
		}
		if err != nil {
			return nil, b.Stats, fmt.Errorf("%s: %w", name, err)
		}
	}
	t := b.done()
	switch {
	case t.Len() == 0:
		return nil, b.Stats, fmt.Errorf("%s: it holds no prefix (%d entries, %d not readable %s)", name, b.Stats.Entries, b.Stats.Bad, b.Stats.First)
	case b.Stats.Bad*10 > b.Stats.Entries:
		return nil, b.Stats, fmt.Errorf("%s: %d of its %d entries cannot be read (%s)", name, b.Stats.Bad, b.Stats.Entries, b.Stats.First)
	case t.At.IsZero():
		return nil, b.Stats, fmt.Errorf("%s: nobody says of which day it is: give at", name)
	}
	return t, b.Stats, nil
}

// ReadText reads a table of text: see Load for what it may hold.
func ReadText(r io.Reader, name string, at time.Time) (*Table, Stats, error) {
	b := newBuilder(name, 0)
	b.At = at
	r, err := unpacked(r)
	if err == nil {
		err = b.text(r)
	}
	return b.done(), b.Stats, err
}

func unpacked(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 256<<10)
	if magic, _ := b.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, err
		}
		return bufio.NewReaderSize(z, 256<<10), nil
	}
	return b, nil
}

var mmdbMark = []byte("\xab\xcd\xefMaxMind.com")

// kindOf tells a recorded table, an MMDB and a text apart.
func kindOf(f *os.File, name string) (string, error) {
	end := make([]byte, 128<<10)
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	n, err := f.ReadAt(end[:min(int64(len(end)), size)], max(0, size-int64(len(end))))
	if err != nil && err != io.EOF {
		return "", err
	}
	if bytes.Contains(end[:n], mmdbMark) {
		return "mmdb", nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	r, err := unpacked(f)
	if err != nil {
		return "", err
	}
	head := make([]byte, 512)
	n, _ = io.ReadFull(r, head)
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	head = head[:n]
	lower := strings.ToLower(name)
	if bytes.IndexByte(head, 0) >= 0 || bytes.HasPrefix(head, []byte("BZh")) || bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}) || strings.HasSuffix(lower, ".mrt") {
		return "mrt", nil
	}
	return "text", nil
}

var (
	dateTime = regexp.MustCompile(`((?:19|20)\d{2})[-._]?(\d{2})[-._]?(\d{2})(?:[-._]?(\d{2})(\d{2}))?`)
	dayOnly  = regexp.MustCompile(`((?:19|20)\d{2})-(\d{2})`)
)

// timeOfName finds the day, and the minute, in the name of a file: rib.20080501.0644.bz2,
// routeviews-rv2-20080501-1200.pfx2as.gz, as-prefix-2026-06.
func timeOfName(name string) time.Time {
	if m := dateTime.FindStringSubmatch(name); m != nil {
		text := m[1] + m[2] + m[3]
		if m[4] != "" {
			if t, err := time.Parse("200601021504", text+m[4]+m[5]); err == nil {
				return t
			}
		}
		if t, err := time.Parse("20060102", text); err == nil {
			return t
		}
	}
	if m := dayOnly.FindStringSubmatch(name); m != nil {
		if t, err := time.Parse("200601", m[1]+m[2]); err == nil {
			return t
		}
	}
	return time.Time{}
}

var errFull = errors.New("it holds more prefixes than any table of the Internet")

// mrt reads a recorded table. Of each prefix it takes the origins that at least two peers have, or
// all where fewer speak: what one peer says alone is often a leak.
func (b *builder) mrt(ctx context.Context, path string, own bool) error {
	in, err := mrt.OpenInput(ctx, path)
	if err != nil {
		return err
	}
	defer in.Close()
	d := mrt.NewDecoder(path, in)
	var e mrt.Event
	var scratch wire.PathScratch
	var at wire.Prefix
	votes := map[uint32]int{}
	began := false
	flush := func() bool {
		most := 0
		for _, n := range votes {
			most = max(most, n)
		}
		ok := true
		for asn, n := range votes {
			if n >= min(2, most) {
				ok = b.add(at.Netip(), asn) && ok
			}
		}
		clear(votes)
		return ok
	}
	for {
		err := d.Next(&e)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err // a table that is cut has no rest of the Internet
		}
		if e.Kind != mrt.Route {
			continue
		}
		b.Stats.Entries++
		if !began {
			began = true
			if own {
				b.At = time.Unix(int64(e.Sec), 0).UTC()
			}
		}
		if !e.Prefix.Same(at) {
			if !flush() {
				return errFull
			}
			at = e.Prefix
		}
		if origin, ok := e.Update.PathInto(&scratch).Origin(); ok {
			votes[origin]++
		} else {
			b.Stats.NoOrigin++
		}
	}
	if !flush() {
		return errFull
	}
	return nil
}

// mmdb reads a database of MaxMind's format with autonomous_system_number, or asn.
func (b *builder) mmdb(path string, own bool) error {
	db, err := maxminddb.Open(path)
	if err != nil {
		return err
	}
	defer db.Close()
	if own && b.At.IsZero() {
		b.At = time.Unix(int64(db.Metadata.BuildEpoch), 0).UTC()
	}
	for n := range db.Networks() {
		var r struct {
			Number uint32 `maxminddb:"autonomous_system_number"`
			Name   string `maxminddb:"autonomous_system_organization"`
			ASN    any    `maxminddb:"asn"`
			ASName string `maxminddb:"as_name"`
		}
		b.Stats.Entries++
		if err := n.Decode(&r); err != nil {
			b.bad(err.Error())
			if b.Stats.Bad > 1000 {
				return fmt.Errorf("%d of its networks cannot be read: %w", b.Stats.Bad, err)
			}
			continue
		}
		if r.Number == 0 {
			text := strings.TrimPrefix(strings.ToUpper(fmt.Sprint(r.ASN)), "AS")
			v, _ := strconv.ParseUint(text, 10, 32)
			r.Number = uint32(v)
		}
		b.named(r.Number, first(r.Name, r.ASName))
		p := n.Prefix()
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		if !b.add(p, r.Number) {
			return errFull
		}
	}
	return nil
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

const maxNames = 500_000

func (b *builder) named(asn uint32, name string) {
	name = strings.TrimSpace(name)
	if asn == 0 || name == "" || len(name) > 200 {
		return
	}
	if _, ok := b.name[asn]; !ok && len(b.name) < maxNames {
		b.name[asn] = name
	}
}

// text reads lines of one of these shapes, parted by tabs, spaces or commas:
//
//	1.0.0.0/24	13335                      prefix, origin (pyasn, as-prefix lists)
//	1.0.0.0	24	13335_38803                 address, length, origins (CAIDA pfx2as: _ between origins, comma within an AS_SET)
//	1.0.0.0,1.0.0.255,13335,"Cloudflare"      first, last, origin, name (ip-location-db, iptoasn.com)
func (b *builder) text(r io.Reader) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), 1<<20)
	for s.Scan() {
		line := strings.TrimSpace(s.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		b.Stats.Entries++
		var cells []string
		switch {
		case strings.IndexByte(line, '\t') >= 0:
			cells = strings.Split(line, "\t")
		case line[0] == '"': // every cell in quotes
			c := csv.NewReader(strings.NewReader(line))
			c.LazyQuotes = true
			var err error
			if cells, err = c.Read(); err != nil {
				b.bad(err.Error())
				continue
			}
		case strings.IndexByte(line, ',') >= 0: // the name may hold commas
			cells = strings.SplitN(line, ",", 4)
			if last := len(cells) - 1; last == 3 {
				cells[3] = strings.Trim(cells[3], `"`)
			}
		default:
			cells = strings.Fields(line)
		}
		ok, err := b.line(cells)
		if err != nil {
			return err
		}
		if !ok {
			b.bad(fmt.Sprintf("%.60q", line))
			if b.Stats.Bad > 1000 && b.Stats.Bad*2 > b.Stats.Entries {
				return fmt.Errorf("%d of its first %d lines cannot be read (%s)", b.Stats.Bad, b.Stats.Entries, b.Stats.First)
			}
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("cannot be read to its end: %w", err)
	}
	return nil
}

// line enters one line; false where it has none of the shapes.
func (b *builder) line(cells []string) (bool, error) {
	if len(cells) < 2 {
		return false, nil
	}
	if strings.IndexByte(cells[0], '/') > 0 {
		p, err := netip.ParsePrefix(cells[0])
		if err != nil {
			return false, nil
		}
		return b.origin(p, cells[1])
	}
	from, err := netip.ParseAddr(cells[0])
	if err != nil || len(cells) < 3 {
		return false, nil
	}
	if len(cells[1]) <= 3 {
		bits, err := strconv.Atoi(cells[1])
		if err != nil || bits < 0 || bits > from.BitLen() {
			return false, nil
		}
		return b.origin(netip.PrefixFrom(from, bits), cells[2])
	}
	to, err := netip.ParseAddr(cells[1])
	if err != nil || from.Is4() != to.Is4() || to.Less(from) {
		return false, nil
	}
	asn, err := strconv.ParseUint(cells[2], 10, 32)
	if err != nil {
		return false, nil
	}
	b.named(uint32(asn), cells[len(cells)-1])
	if asn == 0 {
		b.Stats.NoOrigin++
		return true, nil // iptoasn.com: not routed
	}
	for from.IsValid() {
		p := widest(from, to)
		if !b.add(p, uint32(asn)) {
			return false, errFull
		}
		last := lastOf(p)
		if last == to {
			break
		}
		from = last.Next()
	}
	return true, nil
}

// origin enters origins as pfx2as writes them: 1_2 are two, 1,2 is an AS_SET, of which nobody is known to
// be the one.
func (b *builder) origin(p netip.Prefix, text string) (bool, error) {
	for part := range strings.SplitSeq(text, "_") {
		asn, err := strconv.ParseUint(strings.TrimSpace(part), 10, 32)
		if err != nil {
			if strings.ContainsAny(part, ",{}") {
				b.Stats.NoOrigin++
				continue
			}
			return false, nil
		}
		if !b.add(p, uint32(asn)) {
			return false, errFull
		}
	}
	return true, nil
}

// widest is the largest prefix that begins at from and ends by to.
func widest(from, to netip.Addr) netip.Prefix {
	bits := from.BitLen()
	for bits > 0 {
		p := netip.PrefixFrom(from, bits-1)
		if p.Masked().Addr() != from || to.Less(lastOf(p)) {
			break
		}
		bits--
	}
	return netip.PrefixFrom(from, bits)
}

func lastOf(p netip.Prefix) netip.Addr {
	if p.Addr().Is4() {
		b := p.Masked().Addr().As4()
		for i := p.Bits(); i < 32; i++ {
			b[i/8] |= 0x80 >> (i % 8)
		}
		return netip.AddrFrom4(b)
	}
	b := p.Masked().Addr().As16()
	for i := p.Bits(); i < 128; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom16(b)
}

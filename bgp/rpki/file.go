package rpki

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// maxVRPs bounds what is read; there were half a million in 2023.
const maxVRPs = 10_000_000

// File is what a file of VRPs holds.
type File struct {
	VRPs    []VRP
	Made    time.Time // by its metadata; zero where it does not say
	Expired int       // entries whose expiry is past
	Bad     int       // entries that cannot be read, or contradict themselves
	First   string    // the first of them
}

// Read reads VRPs as JSON: {"roas":[{"asn":64500 or "AS64500","prefix":"...","maxLength":24,"expires":1700000000}]}, as
// rpki-client, Routinator and StayRTR write them; or as CSV with asn, prefix and maximum length, as Routinator and the RIPE NCC's
// validator write it. gzip is undone. What expired before now is left out, unless now is zero.
func Read(r io.Reader, now time.Time) (*File, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	if magic, _ := b.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, err
		}
		b = bufio.NewReaderSize(z, 64<<10)
	}
	head, _ := b.Peek(512)
	text := bytes.TrimSpace(head)
	f := &File{}
	var err error
	switch {
	case len(text) == 0:
		err = errors.New("it is empty")
	case text[0] == '{':
		err = f.json(b, now)
	case text[0] == '<':
		err = errors.New("it is a web page")
	default:
		err = f.csv(b, now)
	}
	if err != nil {
		return nil, fmt.Errorf("read VRPs: %w", err)
	}
	if len(f.VRPs) == 0 {
		return nil, fmt.Errorf("read VRPs: there is none (%d expired, %d not readable %s)", f.Expired, f.Bad, f.First)
	}
	if f.Bad > len(f.VRPs)/10 {
		return nil, fmt.Errorf("read VRPs: %d of %d cannot be read (%s)", f.Bad, f.Bad+len(f.VRPs), f.First)
	}
	return f, nil
}

func (f *File) json(r io.Reader, now time.Time) error {
	dec := json.NewDecoder(r)
	if _, err := dec.Token(); err != nil {
		return err
	}
	found := false
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		switch key {
		case "metadata":
			var m struct {
				Build     string `json:"buildtime"`
				Generated any    `json:"generated"`
				Time      string `json:"generatedTime"`
			}
			if err := dec.Decode(&m); err != nil {
				return err
			}
			for _, s := range []string{m.Build, m.Time} {
				if t, err := time.Parse(time.RFC3339, s); err == nil {
					f.Made = t.UTC()
				}
			}
			if n, ok := m.Generated.(float64); ok && f.Made.IsZero() && n > 0 && n < 1<<33 {
				f.Made = time.Unix(int64(n), 0).UTC()
			}
		case "roas":
			found = true
			if err := f.roas(dec, now); err != nil {
				return err
			}
		default:
			var skip json.RawMessage
			if err := dec.Decode(&skip); err != nil {
				return err
			}
		}
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("it is cut off: %w", err)
	}
	if !found {
		return errors.New("it has no list of roas")
	}
	return nil
}

func (f *File) roas(dec *json.Decoder, now time.Time) error {
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return fmt.Errorf("roas is no list (%v)", err)
	}
	for dec.More() {
		var x struct {
			ASN     json.RawMessage `json:"asn"`
			Prefix  string          `json:"prefix"`
			MaxLen  *int            `json:"maxLength"`
			Expires int64           `json:"expires"`
		}
		if err := dec.Decode(&x); err != nil {
			return err
		}
		most := ""
		if x.MaxLen != nil {
			most = strconv.Itoa(*x.MaxLen)
		}
		if !now.IsZero() && x.Expires != 0 && time.Unix(x.Expires, 0).Before(now) {
			f.Expired++
			continue
		}
		if err := f.add(strings.Trim(string(x.ASN), `"`), x.Prefix, most); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

// add enters one VRP; one that cannot be read is counted.
func (f *File) add(asn, prefix, most string) error {
	if len(f.VRPs) >= maxVRPs {
		return fmt.Errorf("it holds more than %d", maxVRPs)
	}
	bad := func(err error) {
		if f.Bad++; f.First == "" {
			f.First = fmt.Sprintf("%.40q %.60q: %v", asn, prefix, err)
		}
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(asn)), "AS"), 10, 32)
	if err != nil {
		bad(errors.New("no AS number"))
		return nil
	}
	p, err := netip.ParsePrefix(strings.TrimSpace(prefix))
	if err != nil {
		bad(errors.New("no prefix"))
		return nil
	}
	length := p.Bits()
	if most = strings.TrimSpace(most); most != "" {
		if length, err = strconv.Atoi(most); err != nil || length < 0 || length > 128 {
			bad(fmt.Errorf("maximum length %.20q", most))
			return nil
		}
	}
	v := VRP{Prefix: p, MaxLen: uint8(length), ASN: uint32(n)}
	if err := v.check(); err != nil {
		bad(err)
		return nil
	}
	f.VRPs = append(f.VRPs, v)
	return nil
}

func (f *File) csv(r io.Reader, now time.Time) error {
	c := csv.NewReader(r)
	c.FieldsPerRecord, c.ReuseRecord, c.LazyQuotes = -1, true, true
	asn, prefix, most, expires := 0, 1, 2, -1
	for first := true; ; first = false {
		row, err := c.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if first && header(row, &asn, &prefix, &most, &expires) {
			continue
		}
		if len(row) <= max(asn, prefix) {
			f.Bad++
			continue
		}
		length := ""
		if most >= 0 && most < len(row) {
			length = row[most]
		}
		if expires >= 0 && expires < len(row) && !now.IsZero() {
			if t, err := time.Parse(time.DateTime, row[expires]); err == nil && t.Before(now) {
				f.Expired++
				continue
			}
		}
		if err := f.add(row[asn], row[prefix], length); err != nil {
			return err
		}
	}
}

func header(row []string, asn, prefix, most, expires *int) bool {
	found := false
	for i, h := range row {
		at := map[string]*int{"asn": asn, "ip prefix": prefix, "prefix": prefix, "max length": most, "maxlength": most, "not after": expires}[strings.ToLower(strings.TrimSpace(h))]
		if at != nil {
			if !found {
				*expires = -1
			}
			*at, found = i, true
		}
	}
	return found
}

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"depeer/bgp"
	"depeer/watch/cnc"
)

// A scenario tells its sightings one a line:
//
//	2008-11-15T18:00 Rustock 198.51.100.7 as 64501 name abilena.podolsk-mo.ru
//	2008-10-01 to 2008-11-11T20:00 every 1d Rustock 208.72.168.191 208.66.194.22
//	2008-11-25T23:00 to 2008-11-26T11:00 every 1h Srizbi 92.62.100.4 as 39823 name prpoqpsy.com generated
//	2008-11-26T12:00 Srizbi 92.62.100.4 offline
//
// Behind the family stand addresses; "as" is the origin at that time, "name" what pointed to them,
// "print" a fingerprint of the host, "from" the source ("reconstruction" where it is not said).
// A family of several words is written with underscores. # begins a comment. Lines that begin with { are sightings as they
// travel (JSON).

// scenarioSource is the source of sightings that say none.
const scenarioSource = "reconstruction"

// mostSteps is how many sightings one line may make.
const mostSteps = 100_000

// parseSightings reads what a scenario or a file tells, in either form, in order of time.
func parseSightings(name, text string) ([]cnc.Sighting, error) {
	var out []cnc.Sighting
	s := bufio.NewScanner(strings.NewReader(text))
	s.Buffer(nil, 1<<20)
	for n := 1; s.Scan(); n++ {
		line := strings.TrimSpace(s.Text())
		var err error
		if strings.HasPrefix(line, "{") {
			var x cnc.Sighting
			if x, err = decodeSighting([]byte(line)); err == nil {
				out = append(out, x)
			}
		} else {
			line, _, _ = strings.Cut(line, "#")
			if words := strings.Fields(line); len(words) > 0 {
				var more []cnc.Sighting
				more, err = sightingLine(words)
				out = append(out, more...)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	sortSightings(out)
	return out, nil
}

// sortSightings puts them in order of time, those of one moment in one of their own.
func sortSightings(list []cnc.Sighting) {
	slices.SortStableFunc(list, func(a, b cnc.Sighting) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Family, b.Family), a.Addr.Compare(b.Addr), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
}

// decodeSighting reads one sighting as it travels, and refuses one that says nothing.
func decodeSighting(text []byte) (cnc.Sighting, error) {
	var x cnc.Sighting
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&x); err != nil {
		return x, fmt.Errorf("no sighting: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return x, fmt.Errorf("no sighting: something follows it")
	}
	if x.Type != "" && x.Type != "sighting" {
		return x, fmt.Errorf("%q is no sighting", x.Type)
	}
	return completed(x)
}

// completed checks a sighting and gives it what it may leave out. Addresses that are set
// aside for documentation pass here, where no feed may tell them: reconstructions let
// them stand for what is not known.
func completed(x cnc.Sighting) (cnc.Sighting, error) {
	x.Source = cmp.Or(x.Source, scenarioSource)
	x.Family = cmp.Or(x.Family, x.Label)
	addr, name := x.Addr.Unmap(), x.Name
	documentation := slices.ContainsFunc(documentationSpace, func(p netip.Prefix) bool { return p.Contains(addr) })
	if documentation {
		x.Addr, x.Name = netip.Addr{}, cmp.Or(name, "stand-in.example")
	}
	if err := x.Accept(cnc.DefaultFamilies(), time.Time{}); err != nil {
		return x, err
	}
	if documentation {
		x.Addr, x.Name = addr, name
		sum := sha256.Sum256([]byte(x.ID + " " + addr.String() + " " + name))
		x.ID = hex.EncodeToString(sum[:10])
	}
	return x, nil
}

// documentationSpace is RFC 5737 and RFC 3849.
var documentationSpace = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")}

func sightingLine(w []string) ([]cnc.Sighting, error) {
	var x cnc.Sighting
	from, err := parseSightingTime(w[0])
	if err != nil {
		return nil, err
	}
	to, every := from, time.Duration(0)
	w = w[1:]
	if len(w) > 3 && w[0] == "to" && w[2] == "every" {
		if to, err = parseSightingTime(w[1]); err != nil {
			return nil, err
		}
		if every, err = parseEvery(w[3]); err != nil || every <= 0 {
			return nil, fmt.Errorf("%q is no time between two sightings", w[3])
		}
		if to.Sub(from)/every > mostSteps {
			return nil, fmt.Errorf("more than %d sightings", mostSteps)
		}
		w = w[4:]
	}
	if len(w) == 0 {
		return nil, fmt.Errorf("which family?")
	}
	x.Family, w = strings.ReplaceAll(w[0], "_", " "), w[1:]
	addrs, err := sightingWords(&x, w)
	if err != nil {
		return nil, err
	}
	if len(addrs) == 0 {
		if x.Name == "" {
			return nil, fmt.Errorf("neither an address nor a name")
		}
		addrs = []netip.Addr{{}}
	}
	var out []cnc.Sighting
	for t := from; !t.After(to); t = t.Add(every) {
		for _, a := range addrs {
			y := x
			y.At, y.Addr = t, a
			if y, err = completed(y); err != nil {
				return nil, err
			}
			out = append(out, y)
		}
		if every == 0 {
			break
		}
	}
	return out, nil
}

func sightingWords(x *cnc.Sighting, w []string) (addrs []netip.Addr, err error) {
	for i := 0; i < len(w); i++ {
		value := func() string {
			if i++; i < len(w) {
				return w[i]
			}
			err = fmt.Errorf("%s of what?", w[i-1])
			return ""
		}
		switch w[i] {
		case "as":
			if v := value(); err == nil {
				x.ASN, err = bgp.ParseASN(v)
			}
		case "name":
			x.Name = strings.ToLower(value())
		case "print":
			x.Fingerprint = value()
		case "from":
			x.Source = value()
		case "precision":
			x.Precision = value()
		case "generated":
			x.Generated = true
		case "dual":
			x.DualUse = true
		case "offline":
			off := false
			x.Online = &off
		default:
			var a netip.Addr
			if a, err = netip.ParseAddr(w[i]); err == nil {
				addrs = append(addrs, a)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return addrs, nil
}

func parseSightingTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time", s)
}

func parseEvery(s string) (time.Duration, error) {
	if n, ok := strings.CutSuffix(s, "d"); ok {
		d, err := time.ParseDuration(n + "h")
		return 24 * d, err
	}
	return time.ParseDuration(s)
}

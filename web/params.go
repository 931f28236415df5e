package web

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"depeer/bgp"
)

// Period is the part of time that is asked about.
type Period struct {
	From string `query:"from" doc:"beginning, RFC 3339 or a day; where it is missing, as far back as is known" example:"2008-11-11T21:00:00Z"`
	To   string `query:"to" doc:"end, RFC 3339 or a day, which belongs to it; where it is missing, now" example:"2008-11-12"`
}

func (p *Period) span() (from, to time.Time, err error) {
	if from, err = parseTime("from", p.From, false); err != nil {
		return
	}
	if to, err = parseTime("to", p.To, true); err != nil {
		return
	}
	if !from.IsZero() && !to.IsZero() && to.Before(from) {
		err = bad("to: %s is before from, %s", to.Format(time.RFC3339), from.Format(time.RFC3339))
	}
	return
}

// parseTime reads a moment or a day; "" is the zero time. The end of a day is meant where end is set.
func parseTime(name, s string, end bool) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		if t, err = time.Parse(time.DateOnly, s); err == nil && end {
			t = t.Add(24*time.Hour - time.Microsecond)
		}
	}
	// A year that RFC 3339 cannot write could not be told to anybody; before 1970 nobody spoke BGP.
	if err != nil || t.UTC().Year() < 1970 || t.UTC().Year() > 2200 {
		return time.Time{}, bad("%s: %q is no time (want 2008-11-11T21:00:00Z)", name, s)
	}
	return t.UTC(), nil
}

// parsePrefix reads a prefix, or an address as a prefix of full length.
func parsePrefix(name, s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil && !p.Addr().Is4In6() {
		return p.Masked(), nil
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.Prefix{}, bad("%s: %q is no prefix (want 192.0.2.0/24 or 2001:db8::/32)", name, s)
}

// parseASN reads 26780, AS26780 and 0.26780.
func parseASN(name, s string) (uint32, error) {
	asn, err := bgp.ParseASN(s)
	if err != nil || asn == 0 {
		return 0, bad("%s: %q is no AS number (want 26780 or AS26780)", name, s)
	}
	return asn, nil
}

// optionalASN reads an optional AS number: 0 is none.
func optionalASN(name, s string) (uint32, error) {
	if s == "" {
		return 0, nil
	}
	return parseASN(name, s)
}

func optionalPrefix(name, s string) (netip.Prefix, error) {
	if s == "" {
		return netip.Prefix{}, nil
	}
	return parsePrefix(name, s)
}

// Page is the part of a list that is asked for.
type Page struct {
	Limit  int    `query:"limit" minimum:"0" maximum:"1000" doc:"entries at most; 0 is as many as the server likes to give" example:"100"`
	Cursor string `query:"cursor" maxLength:"500" doc:"where the page before ended, as it said in next"`
}

// NextPage is the header that leads on.
type NextPage struct {
	Link string `header:"Link" doc:"RFC 8288: the next page, rel=\"next\"; missing on the last one"`
}

// cursors are opaque: the letter says what list they are of.
func cursorOf(list string, at string) string {
	if at == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(list + ":" + at))
}

func (p *Page) at(list string) (string, error) {
	if p.Cursor == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err != nil {
		return "", bad("cursor: %q is none of ours", p.Cursor)
	}
	of, at, ok := strings.Cut(string(b), ":")
	if !ok || of != list {
		return "", bad("cursor: %q is not of this list", p.Cursor)
	}
	return at, nil
}

// pageOf cuts a page out of a whole list, and gives the cursor of the next one. The
// position is a number: lists of this kind keep their order while one reads them.
func pageOf[T any](p *Page, list string, all []T) ([]T, string, error) {
	at, err := p.at(list)
	if err != nil {
		return nil, "", err
	}
	begin := 0
	if at != "" {
		if begin, err = strconv.Atoi(at); err != nil || begin < 0 {
			return nil, "", bad("cursor: %q is not of this list", p.Cursor)
		}
	}
	begin = min(begin, len(all))
	end := len(all)
	if p.Limit > 0 {
		end = min(end, begin+p.Limit)
	}
	next := ""
	if end < len(all) {
		next = cursorOf(list, strconv.Itoa(end))
	}
	if all == nil {
		all = []T{}
	}
	return all[begin:end], next, nil
}

// link is the header of the next page: the same question with another cursor.
func link(u *url.URL, next string) string {
	if next == "" {
		return ""
	}
	q := u.Query()
	q.Set("cursor", next)
	return fmt.Sprintf("<%s?%s>; rel=\"next\"", u.EscapedPath(), q.Encode())
}

// slashed lets prefixes stand in paths as people write them: prefixes/192.0.2.0/24/routes
// means what prefixes/192.0.2.0%2F24/routes does.
func slashed(next http.Handler) http.Handler {
	const before = base + "/prefixes/"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, ok := strings.CutPrefix(r.URL.EscapedPath(), before)
		if ok {
			address, more, _ := strings.Cut(rest, "/")
			bits, about, asks := strings.Cut(more, "/")
			if _, err := strconv.ParseUint(bits, 10, 8); err == nil && !strings.Contains(about, "/") {
				if asks {
					about = "/" + about
				}
				u := *r.URL
				u.Path = before + mustUnescape(address) + "/" + bits + about
				u.RawPath = before + address + "%2F" + bits + about
				c := *r
				c.URL = &u
				r = &c
			}
		}
		next.ServeHTTP(w, r)
	})
}

func mustUnescape(s string) string {
	if t, err := url.PathUnescape(s); err == nil {
		return t
	}
	return s
}

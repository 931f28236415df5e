package cnc

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Reason says why a sighting, or what might have been one, is not believed. The words are
// those of logs, metrics and the summary of an import.
type Reason string

// The reasons.
const (
	NoHost      Reason = "no host"        // neither address nor name: a hash, a registry key
	BadHost     Reason = "bad host"       // neither an address nor a name that can exist
	NoTime      Reason = "no time"        // nobody says when
	BadTime     Reason = "bad time"       // not a time, or none at which there was an Internet
	Future      Reason = "future"         // it was not yet
	NoSource    Reason = "no source"      //
	BadKind     Reason = "bad kind"       //
	BadPort     Reason = "bad port"       //
	Bogon       Reason = "bogon"          // private, reserved, documentation: nobody's server (RFC 6890)
	WellKnown   Reason = "well known"     // a public resolver or root server: poison, or a connectivity check
	LongText    Reason = "text too long"  //
	Malformed   Reason = "malformed"      // the entry cannot be read
	NotASource  Reason = "not a C&C"      // what the source lists beside hosts: hashes, senders' addresses, certificates
	Doubtful    Reason = "doubtful"       // the source itself says that it is none, or withdrew it
	Excess      Reason = "more than fit"  // the bound of one download was reached
	Repeated    Reason = "repeated"       // the same host at the same time was said before
	OtherFormat Reason = "other format"   // of a part of a container that is not understood
	Ordinary    Reason = "ordinary site"  // a reference to an article, a search engine, a scan report
	Unmatched   Reason = "not understood" // a pattern or line that has no host in a form that is known
)

// Refused is the error of a sighting that is not believed.
type Refused struct {
	Reason Reason
	Text   string // with the value
}

func (r *Refused) Error() string { return string(r.Reason) + ": " + r.Text }

func refuse(why Reason, format string, args ...any) *Refused {
	return &Refused{why, fmt.Sprintf(format, args...)}
}

// The bounds of texts, in bytes; the message bus and the pages carry each sighting whole.
const (
	maxText = 512
	maxURL  = 4096
	maxName = 253 // RFC 1035 section 3.1
)

// Beginning is the earliest moment that is believed: the first bots are older than trackers.
var Beginning = time.Date(1998, 1, 1, 0, 0, 0, 0, time.UTC)

// Ahead is how far in the future a sighting may be: clocks differ, and what is only known
// to the day may name a day that has begun elsewhere.
const Ahead = 26 * time.Hour

// Accept brings a sighting into the form in which it is kept, and gives it its id: UTC, unmapped address, lower-case
// name, canonical family. The error is a [*Refused]; the sighting is not to be used
// then. A zero now leaves out the look at the future.
func (s *Sighting) Accept(f *Families, now time.Time) error {
	if err := s.acceptHost(); err != nil {
		return err
	}
	switch {
	case s.Source == "":
		return refuse(NoSource, "it names none")
	case s.At.IsZero():
		return refuse(NoTime, "%s", s.Host())
	}
	for _, t := range []*time.Time{&s.At, &s.First, &s.Reported} {
		*t = t.UTC().Round(0)
		if t.IsZero() {
			continue
		}
		if t.Before(Beginning) || t.Year() > 9998 {
			return refuse(BadTime, "%s", t.Format(time.RFC3339))
		}
		if !now.IsZero() && t.After(now.Add(Ahead)) {
			return refuse(Future, "%s is after %s", t.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
		}
	}
	if s.First.After(s.At) {
		s.At, s.First = s.First, time.Time{}
	}
	if s.Label == "" {
		s.Label = s.Family
	}
	s.Family = f.Canonical(s.Family)
	if s.Label == s.Family {
		s.Label = ""
	}
	if s.Kind == "" {
		s.Kind = CNC
		if x, ok := f.Of(s.Family); ok && x.Kind != "" {
			s.Kind = x.Kind
		}
	}
	if !s.Kind.known() {
		return refuse(BadKind, "%.40q", s.Kind)
	}
	for _, text := range []string{s.Source, s.Family, s.Label, s.Fingerprint, s.Precision, s.CNAME, s.Answer} {
		if len(text) > maxText {
			return refuse(LongText, "%.40q... has %d bytes", text, len(text))
		}
	}
	s.Note = clip(s.Note, maxText)
	s.Confidence = max(0, min(100, s.Confidence))
	s.Type = "sighting"
	s.ID = s.identity()
	return nil
}

// acceptHost looks at what the sighting is of.
func (s *Sighting) acceptHost() error {
	s.Addr = s.Addr.Unmap().WithZone("")
	if s.URL != "" {
		if err := s.acceptURL(); err != nil {
			return err
		}
	}
	if s.Name != "" {
		// A name that is an address: STIX producers write domain-name:value='192.0.2.1'.
		if a, err := netip.ParseAddr(strings.Trim(s.Name, "[]")); err == nil {
			if s.Addr.IsValid() && s.Addr != a.Unmap() {
				return refuse(BadHost, "%.80q is not %s", s.Name, s.Addr)
			}
			s.Addr, s.Name = a.Unmap().WithZone(""), ""
		} else if s.Name, err = hostName(s.Name); err != nil {
			return err
		}
	}
	if !s.Addr.IsValid() {
		if s.Name == "" {
			return refuse(NoHost, "neither an address nor a name")
		}
		return nil
	}
	return checkAddr(s.Addr)
}

func (s *Sighting) acceptURL() error {
	if len(s.URL) > maxURL {
		return refuse(LongText, "%.60q... has %d bytes", s.URL, len(s.URL))
	}
	u, err := url.Parse(s.URL)
	if err != nil || u.Host == "" {
		// What malware asks for need not be a proper URL; its host has to be.
		_, rest, ok := strings.Cut(s.URL, "://")
		end := strings.IndexAny(rest, "/?#\\ ")
		if end < 0 {
			end = len(rest)
		}
		if u, err = url.Parse("x://" + rest[:end]); !ok || err != nil || u.Host == "" {
			return refuse(BadHost, "%.80q is no URL", s.URL)
		}
	}
	host := u.Hostname()
	if s.Name == "" && !s.Addr.IsValid() {
		s.Name = host
	}
	if p := u.Port(); p != "" && s.Port == 0 {
		n, err := parsePort(p)
		if err != nil {
			return err
		}
		s.Port = n
	}
	return nil
}

func parsePort(s string) (uint16, error) {
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, refuse(BadPort, "%.20q", s)
		}
		if n = n*10 + int(c-'0'); n > 65535 {
			return 0, refuse(BadPort, "%.20q", s)
		}
	}
	return uint16(n), nil
}

// hostName checks a name (RFC 1035 section 2.3.4; an underscore is met in the wild) and brings it into one form.
func hostName(s string) (string, error) {
	name := strings.ToLower(strings.TrimSuffix(strings.TrimSpace(s), "."))
	if name == "" || len(name) > maxName || !strings.Contains(name, ".") {
		return "", refuse(BadHost, "%.80q is no host name", s)
	}
	digits := true
	label := 0
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c == '.':
			if label == 0 || name[i-1] == '-' {
				return "", refuse(BadHost, "%.80q is no host name", s)
			}
			label, digits = 0, true
			continue
		case c == '-' && label > 0, c == '_', c >= 'a' && c <= 'z', c >= 0x80:
			digits = false
		case c >= '0' && c <= '9':
		default:
			return "", refuse(BadHost, "%.80q is no host name", s)
		}
		if label++; label > 63 {
			return "", refuse(BadHost, "%.80q has a label of more than 63 bytes", s)
		}
	}
	if label == 0 || digits || name[len(name)-1] == '-' {
		return "", refuse(BadHost, "%.80q is no host name", s) // 1.2.3.999 neither
	}
	return name, nil
}

func (k Kind) known() bool {
	switch k {
	case CNC, Malware, Rogue, Exploit, SpamTest, Phishing, Spam, Proxy:
		return true
	}
	return false
}

// Kinds lists the kinds of hosts.
func Kinds() []Kind { return []Kind{CNC, Malware, Rogue, Exploit, SpamTest, Phishing, Spam, Proxy} }

// Host is the address or name in words.
func (s *Sighting) Host() string {
	if s.Addr.IsValid() {
		return s.Addr.String()
	}
	return s.Name
}

// identity is the hash of source, family, kind, host and At: the same observation
// has it whoever reads it, and whenever.
func (s *Sighting) identity() string {
	b := make([]byte, 0, 256)
	text := func(x string) { b = append(binary.AppendUvarint(b, uint64(len(x))), x...) }
	text(s.Source)
	text(s.Family)
	text(string(s.Kind))
	addr, _ := s.Addr.MarshalBinary()
	text(string(addr))
	b = binary.BigEndian.AppendUint16(b, s.Port)
	text(s.Name)
	text(s.URL)
	b = binary.BigEndian.AppendUint64(b, uint64(s.At.UnixNano()))
	if s.Resolved {
		text("resolved")
		text(s.Answer)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

func checkAddr(a netip.Addr) error {
	if why := Special(a); why != "" {
		return refuse(why, "%s", a)
	}
	return nil
}

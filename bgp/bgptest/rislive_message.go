package bgptest

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"depeer/bgp"
	"depeer/bgp/mrt"
	"depeer/bgp/wire"
)

// RISMessage is one message of RIS Live, as a [RISLive] sends it.
type RISMessage struct {
	At       time.Time // to the microsecond
	Host     string    // "rrc21.ripe.net"
	Peer     netip.Addr
	ASN      uint32
	ID       string // made from the others where empty
	Type     string // "UPDATE", "KEEPALIVE", "OPEN", "NOTIFICATION", "RIS_PEER_STATE", "STATE"
	State    string // of the last two: "connected", "down"
	Raw      []byte // the BGP message
	Path     bgp.Path
	Origin   string // "igp" where empty
	Announce []RISAnnouncement
	Withdraw []netip.Prefix

	recorded []byte // the line as it was recorded: sent as it is
}

// RISAnnouncement is what is announced with one next hop.
type RISAnnouncement struct {
	NextHop  string         `json:"next_hop"`
	Prefixes []netip.Prefix `json:"prefixes"`
}

// risData is the data of a ris_message.
type risData struct {
	Timestamp     json.Number       `json:"timestamp"`
	Peer          string            `json:"peer"`
	ASN           string            `json:"peer_asn"`
	ID            string            `json:"id"`
	Raw           string            `json:"raw,omitempty"`
	Host          string            `json:"host"`
	Type          string            `json:"type"`
	State         string            `json:"state,omitempty"`
	Path          bgp.Path          `json:"path,omitempty"`
	Origin        string            `json:"origin,omitempty"`
	Announcements []RISAnnouncement `json:"announcements,omitempty"`
	Withdrawals   []netip.Prefix    `json:"withdrawals,omitempty"`
}

type risEnvelope struct {
	Type string  `json:"type"`
	Data risData `json:"data"`
}

// AppendJSON appends the message as one line without its end, with or without the
// octets in hexadecimal. A message that was recorded is appended as it was.
func (m *RISMessage) AppendJSON(dst []byte, raw bool) ([]byte, error) {
	if m.recorded != nil {
		return append(dst, m.recorded...), nil
	}
	stamp := fmt.Sprintf("%d.%06d", m.At.Unix(), m.At.Nanosecond()/1000)
	d := risData{Timestamp: json.Number(stamp), Peer: m.Peer.String(), ASN: strconv.FormatUint(uint64(m.ASN), 10), ID: m.ID,
		Host: m.Host, Type: m.Type, State: m.State, Path: m.Path, Announcements: m.Announce, Withdrawals: m.Withdraw}
	if d.ID == "" {
		d.ID = d.Peer + "-" + stamp
	}
	if len(m.Announce) > 0 {
		if d.Origin = m.Origin; d.Origin == "" {
			d.Origin = "igp"
		}
	}
	if raw {
		d.Raw = strings.ToUpper(hex.EncodeToString(m.Raw))
	}
	line, err := json.Marshal(risEnvelope{"ris_message", d})
	return append(dst, line...), err
}

// ParseRISMessage reads a recorded line. What it cannot read of it, it leaves
// empty; an error means that the line is no ris_message at all.
func ParseRISMessage(line []byte) (RISMessage, error) {
	var e struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return RISMessage{}, err
	}
	if e.Type != "ris_message" {
		return RISMessage{}, fmt.Errorf("a line of type %q", e.Type)
	}
	var d risData
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return RISMessage{}, err
	}
	m := RISMessage{Host: d.Host, ID: d.ID, Type: d.Type, State: d.State, Path: d.Path, Origin: d.Origin,
		Announce: d.Announcements, Withdraw: d.Withdrawals, recorded: slices.Clone(line)}
	if seconds, err := d.Timestamp.Float64(); err == nil {
		m.At = time.UnixMicro(int64(seconds*1e6 + 0.5)).UTC()
	}
	m.Peer, _ = netip.ParseAddr(d.Peer)
	if n, err := strconv.ParseUint(d.ASN, 10, 32); err == nil {
		m.ASN = uint32(n)
	}
	m.Raw, _ = hex.DecodeString(d.Raw)
	return m, nil
}

// RISRecording reads recorded lines. A line that is no message ends it with an error.
func RISRecording(r io.Reader) iter.Seq2[RISMessage, error] {
	return func(yield func(RISMessage, error) bool) {
		s := bufio.NewScanner(r)
		s.Buffer(nil, 1<<20)
		for n := 1; s.Scan(); n++ {
			if len(s.Bytes()) == 0 {
				continue
			}
			m, err := ParseRISMessage(s.Bytes())
			if err != nil {
				yield(RISMessage{}, fmt.Errorf("line %d: %w", n, err))
				return
			}
			if !yield(m, nil) {
				return
			}
		}
		if err := s.Err(); err != nil {
			yield(RISMessage{}, err)
		}
	}
}

// RISArchive reads an MRT archive of updates as the messages that RIS Live would
// have sent of it, from the collector of the host given. The octets are written anew
// with AS numbers of 4 octets, as RIS has them, whatever the session had; a message
// that the archive's decoder refuses, or that speaks of other families than IPv4 and
// IPv6 unicast, is left out. The end of the archive ends it.
func RISArchive(name, host string, r io.Reader) iter.Seq2[RISMessage, error] {
	return func(yield func(RISMessage, error) bool) {
		d := mrt.NewDecoder(name, r)
		var e mrt.Event
		for n := 0; ; n++ {
			switch err := d.Next(&e); {
			case err == io.EOF:
				return
			case err != nil:
				yield(RISMessage{}, err)
				return
			}
			m, ok := risEvent(&e)
			if !ok {
				continue
			}
			m.Host, m.ID = host, strconv.Itoa(n)+"-"+name
			if !yield(m, nil) {
				return
			}
		}
	}
}

// The states of RFC 6396 section 4.4.1 that RIS Live tells.
const mrtEstablished = 6

func risEvent(e *mrt.Event) (m RISMessage, ok bool) {
	m = RISMessage{At: time.Unix(int64(e.Sec), int64(e.Micro)*1000).UTC(), Peer: e.Peer().Unmap(), ASN: e.PeerAS}
	switch e.Kind {
	case mrt.State:
		switch {
		case e.New == mrtEstablished:
			m.Type, m.State = "RIS_PEER_STATE", "connected"
		case e.Old == mrtEstablished:
			m.Type, m.State = "RIS_PEER_STATE", "down"
		default:
			return m, false
		}
		return m, true
	case mrt.Message:
		m.Type = "UPDATE"
	default:
		return m, false
	}
	if announced, withdrawn := e.Update.Counts(); announced+withdrawn == 0 {
		f, ok := e.Update.EndOfRIB()
		if !ok || f.SAFI != wire.Unicast {
			return m, false // of a family that is not read
		}
		m.Raw = AppendEndOfRIB(nil, f.V6())
		return m, true
	}
	m.route(e.Update)
	u := UpdateMessage{Path: m.Path, NextHop4: netip.IPv4Unspecified(), NextHop6: netip.IPv6Unspecified()}
	for _, p := range m.Withdraw {
		u.Withdraw = append(u.Withdraw, NLRI{Prefix: p})
	}
	for _, a := range m.Announce {
		for _, p := range a.Prefixes {
			u.Announce = append(u.Announce, NLRI{Prefix: p})
		}
	}
	raw, err := AppendUpdate(nil, u, Encoding{})
	m.Raw = raw
	return m, err == nil
}

// route takes path and prefixes from an UPDATE.
func (m *RISMessage) route(u *wire.Update) {
	for _, x := range u.Append(nil, m.At, bgp.Peer{}) {
		if x.Kind == bgp.Withdraw {
			m.Withdraw = append(m.Withdraw, x.Prefix)
			continue
		}
		m.Path = x.Path
		hop := "0.0.0.0"
		if x.Prefix.Addr().Is6() {
			hop = "::"
		}
		i := slices.IndexFunc(m.Announce, func(a RISAnnouncement) bool { return a.NextHop == hop })
		if i < 0 {
			i = len(m.Announce)
			m.Announce = append(m.Announce, RISAnnouncement{NextHop: hop})
		}
		m.Announce[i].Prefixes = append(m.Announce[i].Prefixes, x.Prefix)
	}
}

// risFilter is what a client subscribed to; see the manual of RIS Live.
type risFilter struct {
	Host         *string         `json:"host"`
	Type         *string         `json:"type"`
	Require      *string         `json:"require"`
	Peer         *string         `json:"peer"`
	Path         json.RawMessage `json:"path"`
	Prefix       json.RawMessage `json:"prefix"`
	MoreSpecific *bool           `json:"moreSpecific"`
	LessSpecific *bool           `json:"lessSpecific"`
	Options      struct {
		IncludeRaw  bool `json:"includeRaw"`
		Acknowledge bool `json:"acknowledge"`
	} `json:"socketOptions"`

	text       string // without the options: what it is known by
	path       []string
	start, end bool // of the path
	prefixes   []netip.Prefix
}

// parseRISFilter reads the data of ris_subscribe.
func parseRISFilter(data []byte) (*risFilter, error) {
	f := &risFilter{}
	if len(data) > 0 {
		if err := json.Unmarshal(data, f); err != nil {
			return nil, err
		}
	}
	if len(f.Path) > 0 && string(f.Path) != "null" {
		p := strings.Trim(string(f.Path), `"`)
		f.start, f.end = strings.HasPrefix(p, "^"), strings.HasSuffix(p, "$")
		f.path = strings.Split(strings.TrimSuffix(strings.TrimPrefix(p, "^"), "$"), ",")
		for _, a := range f.path {
			if _, err := strconv.ParseUint(a, 10, 32); err != nil {
				return nil, fmt.Errorf("path %s is no pattern", f.Path)
			}
		}
	}
	if len(f.Prefix) > 0 && string(f.Prefix) != "null" {
		var list []netip.Prefix
		if err := json.Unmarshal(f.Prefix, &list); err != nil {
			var one netip.Prefix
			if err := json.Unmarshal(f.Prefix, &one); err != nil {
				return nil, fmt.Errorf("prefix %s: %w", f.Prefix, err)
			}
			list = []netip.Prefix{one}
		}
		f.prefixes = list
	}
	deref := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	f.text = strings.Join([]string{deref(f.Host), deref(f.Type), deref(f.Require), deref(f.Peer), string(f.Path), string(f.Prefix),
		strconv.FormatBool(f.more()), strconv.FormatBool(f.LessSpecific != nil && *f.LessSpecific)}, "|")
	return f, nil
}

func (f *risFilter) more() bool { return f.MoreSpecific == nil || *f.MoreSpecific }

// wants reports whether the message matches.
func (f *risFilter) wants(m *RISMessage) bool {
	is := func(want *string, have string) bool { return want == nil || *want == "" || *want == have }
	if !is(f.Type, m.Type) || !is(f.Peer, m.Peer.String()) || !is(f.Host, m.Host) && !is(f.Host, strings.TrimSuffix(m.Host, ".ripe.net")) {
		return false
	}
	if f.Require != nil && (*f.Require == "announcements" && len(m.Announce) == 0 || *f.Require == "withdrawals" && len(m.Withdraw) == 0) {
		return false
	}
	return (f.path == nil || f.onPath(m.Path)) && (f.prefixes == nil || f.onPrefix(m))
}

func (f *risFilter) onPath(p bgp.Path) bool {
	var path []string
	for _, s := range p {
		for _, a := range s.ASNs {
			path = append(path, strconv.FormatUint(uint64(a), 10))
		}
	}
	for i := 0; i+len(f.path) <= len(path); i++ {
		if f.start && i > 0 {
			break
		}
		if f.end && i+len(f.path) != len(path) {
			continue
		}
		if slices.Equal(path[i:i+len(f.path)], f.path) {
			return true
		}
	}
	return false
}

func (f *risFilter) onPrefix(m *RISMessage) bool {
	match := func(p netip.Prefix) bool {
		for _, q := range f.prefixes {
			switch {
			case p == q.Masked(),
				f.more() && q.Bits() < p.Bits() && q.Contains(p.Addr()),
				f.LessSpecific != nil && *f.LessSpecific && p.Bits() < q.Bits() && p.Contains(q.Addr()):
				return true
			}
		}
		return false
	}
	for _, a := range m.Announce {
		if slices.ContainsFunc(a.Prefixes, match) {
			return true
		}
	}
	return slices.ContainsFunc(m.Withdraw, match)
}

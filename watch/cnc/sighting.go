package cnc

import (
	"net/netip"
	"time"
)

// Kind is what a host does.
type Kind string

// The kinds of hosts.
const (
	CNC      Kind = "cnc"       // controls bots: also panels, drop zones, staging of an implant
	Malware  Kind = "malware"   // malware is downloaded from it
	Rogue    Kind = "rogue"     // rogue software (false anti-virus) is sold there
	Exploit  Kind = "exploit"   // visitors' machines are attacked
	SpamTest Kind = "spam-test" // a name that spam advertised
	Phishing Kind = "phishing"
	Spam     Kind = "spam" // mail is sent from it
	Proxy    Kind = "proxy"
)

// Sighting is one observation of one source. Its JSON is the body of depeer.sighting.<source>.
type Sighting struct {
	Type        string     `json:"type"` // "sighting"
	ID          string     `json:"id"`   // hash of source, family, kind, host and At
	Source      string     `json:"source"`
	At          time.Time  `json:"at"`                    // seen; event time
	First       time.Time  `json:"first,omitzero"`        // first seen, where the source says so
	Reported    time.Time  `json:"reported,omitzero"`     // when the source published it
	Precision   string     `json:"precision,omitempty"`   // "day", "month": At is not known better; "" to the second
	Family      string     `json:"family"`                // canonical name (see Families)
	Label       string     `json:"label,omitempty"`       // as the source writes it
	Kind        Kind       `json:"kind"`                  //
	Addr        netip.Addr `json:"addr,omitzero"`         // unmapped
	Port        uint16     `json:"port,omitempty"`        //
	Name        string     `json:"name,omitempty"`        // host name, lower case, without the last dot
	URL         string     `json:"url,omitempty"`         //
	Resolved    bool       `json:"resolved,omitempty"`    // our own resolver asked for Name at At; Addr is one of its answers
	Answer      string     `json:"answer,omitempty"`      // Resolved: "A", "AAAA"; "NXDOMAIN", "NODATA" where there is no address
	Answers     int        `json:"answers,omitempty"`     // Resolved: how many addresses the answer had in all
	TTL         uint32     `json:"ttl,omitempty"`         // Resolved: seconds, the least of the answer's records
	CNAME       string     `json:"cname,omitempty"`       // Resolved: the last name of the chain, where it is another
	Online      *bool      `json:"online,omitempty"`      // what the source says of it, null where it does not
	DualUse     bool       `json:"dual_use,omitempty"`    // it serves many ordinary names too
	Generated   bool       `json:"generated,omitempty"`   // Name is of the family's generator (DGA)
	Fingerprint string     `json:"fingerprint,omitempty"` // "ja4x:...", "jarm:...", "cert:...", "ssh:...": of the host
	Confidence  int        `json:"confidence,omitempty"`  // 1..100 as the source says, 0 where it does not
	ASN         uint32     `json:"asn,omitempty"`         // the source's own label; not believed where a route is known
	Note        string     `json:"note,omitempty"`
	Place       *Place     `json:"place,omitempty"` // joined; null where no table knows the address at that time
}

// Place is where an address was in the Internet at a moment.
type Place struct {
	Prefix    netip.Prefix `json:"prefix"`
	Origins   []uint32     `json:"origins"`             // more than one where the prefix had several
	Upstreams []uint32     `json:"upstreams,omitempty"` // known for watched space only
	Hoster    string       `json:"hoster,omitempty"`    // the watched hoster that it belonged to
	Name      string       `json:"name,omitempty"`      // of the AS
	From      string       `json:"from"`                // "timeline", or the name of the table
	At        time.Time    `json:"at"`                  // of the table: how old the knowledge is
}

// Where answers what an address belonged to at a moment; false where it is not known.
type Where interface {
	Place(addr netip.Addr, at time.Time) (Place, bool)
}

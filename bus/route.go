package bus

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"depeer/bgp"
)

// Route is one bgp.Update as it travels: an element of the JSON array that is the
// body of a depeer.route message. Nothing of the update is lost on the way, save
// where one AS_SEQUENCE segment ends and the next one begins.
type Route struct {
	Kind      string       `json:"kind"` // as bgp.Kind prints
	At        time.Time    `json:"at"`
	Collector string       `json:"collector"`
	Peer      netip.Addr   `json:"peer"`
	PeerASN   uint32       `json:"peer_asn"`
	V6        bool         `json:"v6,omitempty"`
	Prefix    netip.Prefix `json:"prefix,omitzero"`
	PathID    uint32       `json:"path_id,omitempty"`
	Path      bgp.Path     `json:"path,omitempty"`     // numbers, an AS_SET as an array among them
	Segments  []segment    `json:"segments,omitempty"` // the whole path, where numbers cannot say it: RFC 5065 confederations
	Cause     *cause       `json:"cause,omitempty"`
	Heard     *traffic     `json:"heard,omitempty"`
}

type segment struct {
	Type uint8    `json:"type"` // RFC 4271 section 4.3, RFC 5065 section 3
	ASNs []uint32 `json:"asns"`
}

type cause struct {
	Code    uint8  `json:"code"`
	Subcode uint8  `json:"subcode"`
	Text    string `json:"text,omitempty"`
}

type traffic struct {
	Announced uint64 `json:"announced"`
	Withdrawn uint64 `json:"withdrawn"`
	Routes    int    `json:"routes,omitempty"`
}

// RouteOf is the update as it travels.
func RouteOf(u bgp.Update) Route {
	r := Route{
		Kind: u.Kind.String(), At: u.At.UTC(), Collector: u.Peer.Collector, Peer: u.Peer.Addr, PeerASN: u.Peer.ASN,
		V6: u.V6, Prefix: u.Prefix, PathID: u.PathID, Path: u.Path,
	}
	for _, s := range u.Path {
		if s.Type != bgp.ASSequence && s.Type != bgp.ASSet {
			r.Segments = segmentsOf(u.Path)
			break
		}
	}
	if u.Cause != (bgp.Cause{}) {
		r.Cause = &cause{u.Cause.Code, u.Cause.Subcode, u.Cause.Text}
	}
	if u.Heard != (bgp.Traffic{}) {
		r.Heard = &traffic{u.Heard.Announced, u.Heard.Withdrawn, u.Heard.Routes}
	}
	return r
}

func segmentsOf(p bgp.Path) []segment {
	out := make([]segment, len(p))
	for i, s := range p {
		out[i] = segment{uint8(s.Type), s.ASNs}
	}
	return out
}

// Update is what RouteOf was given.
func (r Route) Update() (bgp.Update, error) {
	kind, ok := kinds[r.Kind]
	if !ok {
		return bgp.Update{}, fmt.Errorf("%q is no kind of update", r.Kind)
	}
	switch kind {
	case bgp.Announce, bgp.Withdraw, bgp.TableRoute:
		if !r.Prefix.IsValid() {
			return bgp.Update{}, fmt.Errorf("%s without a prefix", r.Kind)
		}
	}
	u := bgp.Update{
		At: r.At, Peer: bgp.Peer{Collector: r.Collector, Addr: r.Peer, ASN: r.PeerASN},
		Kind: kind, V6: r.V6, Prefix: r.Prefix, PathID: r.PathID, Path: r.Path,
	}
	if len(r.Segments) > 0 {
		u.Path = nil
		for _, s := range r.Segments {
			u.Path = append(u.Path, bgp.Segment{Type: bgp.SegmentType(s.Type), ASNs: s.ASNs})
		}
	}
	if r.Cause != nil {
		u.Cause = bgp.Cause{Code: r.Cause.Code, Subcode: r.Cause.Subcode, Text: r.Cause.Text}
	}
	if r.Heard != nil {
		u.Heard = bgp.Traffic{Announced: r.Heard.Announced, Withdrawn: r.Heard.Withdrawn, Routes: r.Heard.Routes}
	}
	return u, nil
}

var kinds = func() map[string]bgp.Kind {
	out := map[string]bgp.Kind{}
	for k := bgp.Announce; k <= bgp.Unheard; k++ {
		out[k.String()] = k
	}
	return out
}()

// decodeRoutes reads the body of a depeer.route message.
func decodeRoutes(body []byte) ([]bgp.Update, error) {
	var routes []Route
	if err := json.Unmarshal(body, &routes); err != nil {
		return nil, err
	}
	out := make([]bgp.Update, len(routes))
	for i, r := range routes {
		u, err := r.Update()
		if err != nil {
			return nil, fmt.Errorf("route %d of %d: %w", i+1, len(routes), err)
		}
		out[i] = u
	}
	return out, nil
}

// routeToken is the last token of the subject under which an update travels.
func routeToken(k bgp.Kind) string {
	switch k {
	case bgp.Announce, bgp.TableRoute:
		return "announce"
	case bgp.Withdraw:
		return "withdraw"
	}
	return "state"
}

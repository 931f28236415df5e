package rislive

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"depeer/bgp/wire"
)

const (
	// pollLearned is how often a feed looks whether another one has learned something.
	// What it learns itself it asks for at once.
	pollLearned = time.Second
	// Upstreams of whose routes reference prefixes are wanted are listened to, so many
	// at a time and each so long: what flows through a large network fills its
	// references in seconds, what a small one carries costs little.
	maxReferred       = 32
	referencePatience = 10 * time.Minute
)

// subscription is one entry of what we ask the server for. The zero value asks
// for everything.
type subscription struct {
	typ    string       // type of messages
	host   string       // collector
	asn    uint32       // anywhere in the path, 0 for none
	prefix netip.Prefix // announced or withdrawn
	more   bool         // and its more specifics
}

// sessionTypes tell which peers live. STATE is another spelling of RIS_PEER_STATE,
// and comes last: a server that knows only one of them may object.
var sessionTypes = []string{"KEEPALIVE", "NOTIFICATION", "RIS_PEER_STATE", "STATE"}

const optionalType = "STATE"

type socketOptions struct {
	IncludeRaw  bool `json:"includeRaw"`
	Acknowledge bool `json:"acknowledge"`
}

// request is the data of ris_subscribe and ris_unsubscribe.
type request struct {
	Type         string         `json:"type,omitempty"`
	Host         string         `json:"host,omitempty"`
	Path         string         `json:"path,omitempty"`
	Prefix       string         `json:"prefix,omitempty"`
	MoreSpecific *bool          `json:"moreSpecific,omitempty"`
	LessSpecific *bool          `json:"lessSpecific,omitempty"`
	Options      *socketOptions `json:"socketOptions,omitempty"`
}

// request writes a subscription as the server reads it. A path is a pattern: AS
// numbers with commas between them, "^" before the first and "$" after the last AS of
// the path. A number alone matches anywhere, which is what watching an AS means.
// Covering routes are not asked for: no watchlist wants them, and Door would drop them.
func (s subscription) request(raw bool) request {
	r := request{Type: s.typ, Host: s.host, Options: &socketOptions{IncludeRaw: raw, Acknowledge: true}}
	if s.asn != 0 {
		r.Path = fmt.Sprint(s.asn)
	}
	if s.prefix.IsValid() {
		less := false
		r.Prefix, r.MoreSpecific, r.LessSpecific = s.prefix.String(), &s.more, &less
	}
	return r
}

func (f *Feed) line(typ string, s subscription) []byte {
	line, err := json.Marshal(struct {
		Type string  `json:"type"`
		Data request `json:"data"`
	}{typ, s.request(f.cfg.Raw)})
	if err != nil {
		panic("rislive: a subscription cannot be written: " + err.Error()) // strings and numbers alone
	}
	return line
}

// everything is the subscription of the HTTP stream, which has only one.
func (f *Feed) everything() []byte {
	s := subscription{}
	if len(f.cfg.Hosts) == 1 {
		s.host = f.cfg.Hosts[0]
	}
	line, err := json.Marshal(s.request(f.cfg.Raw))
	if err != nil {
		panic("rislive: a subscription cannot be written: " + err.Error())
	}
	return line
}

// subscriber keeps what the server was asked for what it ought to be asked for. It
// belongs to one connection.
type subscriber struct {
	f        *Feed
	t        transport
	sent     map[subscription]struct{}
	want     map[subscription]struct{}
	excess   int // what would have been too much
	told     int // of it, what the board knows
	cursor   wire.Cursor
	all      bool                 // it was too much: everything, until another list comes
	referred map[uint32]time.Time // since when an upstream is listened to
}

// run asks, and asks again when the list changes or something is learned.
func (s *subscriber) run(ctx context.Context) error {
	poll := time.NewTicker(pollLearned)
	defer poll.Stop()
	for {
		list, changed := s.f.deps.Watch.List()
		if err := s.update(list); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-s.f.learned:
		case <-poll.C:
		}
	}
}

// update brings the server up to date.
func (s *subscriber) update(list wire.List) error {
	learned, next, anew := s.f.deps.Watch.Since(s.cursor)
	s.cursor = next
	if anew {
		s.want, s.all, s.excess, s.referred = map[subscription]struct{}{}, false, 0, map[uint32]time.Time{}
		if s.f.cfg.Subscribe == SubscribeAll {
			s.everything()
		} else {
			s.list(list)
		}
	}
	for _, p := range learned {
		s.add(p.Prefix, p.Subtree)
	}
	changed := anew || len(learned) > 0
	if s.f.cfg.Subscribe == SubscribeAuto && len(s.want) > s.f.cfg.Subscriptions {
		s.everything()
	}
	if s.all {
		return s.send(nil, changed)
	}
	return s.send(s.references(list), changed)
}

// everything gives up asking by list, until there is another one.
func (s *subscriber) everything() {
	s.all, s.excess, s.want = true, 0, map[subscription]struct{}{}
	for _, h := range s.f.hosts() {
		s.want[subscription{host: h}] = struct{}{}
	}
}

// list makes the subscriptions of a list.
func (s *subscriber) list(l wire.List) {
	for _, a := range l.ASNs {
		s.put(subscription{typ: "UPDATE", asn: a})
	}
	for _, p := range l.Prefixes {
		s.add(p, true)
	}
	for _, p := range l.Exact {
		s.add(p, false)
	}
	for _, t := range sessionTypes {
		if t != optionalType || !s.f.board.objected.Load() {
			s.want[subscription{typ: t}] = struct{}{}
		}
	}
}

// add wants a prefix, unless a prefix above it brings it anyway.
func (s *subscriber) add(p netip.Prefix, more bool) {
	if s.all {
		return
	}
	p = p.Masked()
	for n := p.Bits(); n >= 0; n-- {
		if n == p.Bits() && more {
			// Only the same kind covers it.
			if _, ok := s.want[subscription{typ: "UPDATE", prefix: p, more: true}]; ok {
				return
			}
			continue
		}
		up := netip.PrefixFrom(p.Addr(), n).Masked()
		if _, ok := s.want[subscription{typ: "UPDATE", prefix: up, more: true}]; ok {
			return
		}
	}
	s.put(subscription{typ: "UPDATE", prefix: p, more: more})
}

// maxSubscriptions bounds what "list" asks for on one connection.
const maxSubscriptions = 100_000

func (s *subscriber) put(x subscription) {
	if len(s.want) >= maxSubscriptions {
		s.excess++
		return
	}
	s.want[x] = struct{}{}
}

// references gives the upstreams to listen to, besides what is watched.
func (s *subscriber) references(l wire.List) []subscription {
	now := s.f.now()
	var out []subscription
	for _, asn := range s.f.deps.Watch.Wanting() {
		since, ok := s.referred[asn]
		if !ok {
			since = now
			if len(out) == maxReferred {
				continue
			}
			s.referred[asn] = now
		}
		if now.Sub(since) < referencePatience && len(out) < maxReferred && !slices.Contains(l.ASNs, asn) {
			out = append(out, subscription{typ: "UPDATE", asn: asn})
		}
	}
	return out
}

// send asks for what is wanted and was not asked for, and takes back what is not
// wanted any more: in between we hear too much, not too little.
func (s *subscriber) send(extra []subscription, changed bool) error {
	fresh := slices.Clone(extra)
	if changed || s.sent == nil {
		for x := range s.want {
			fresh = append(fresh, x)
		}
		slices.SortFunc(fresh, compareSubscriptions)
	}
	if s.sent == nil {
		s.sent = map[subscription]struct{}{}
	}
	for _, x := range fresh {
		if _, ok := s.sent[x]; ok {
			continue
		}
		if err := s.t.write(s.f.line("ris_subscribe", x)); err != nil {
			return err
		}
		s.sent[x] = struct{}{}
	}
	for x := range s.sent {
		if _, ok := s.want[x]; ok || slices.Contains(extra, x) {
			continue
		}
		if err := s.t.write(s.f.line("ris_unsubscribe", x)); err != nil {
			return err
		}
		delete(s.sent, x)
	}
	s.f.counts.subscriptions.Store(uint64(len(s.sent)))
	if s.excess != s.told {
		s.told = s.excess
		s.f.counts.missing.Store(uint64(s.excess))
		why := ""
		if s.excess > 0 {
			why = thousands(s.excess) + " of the watched AS numbers and prefixes are more than can be subscribed to (" +
				thousands(maxSubscriptions) + "): set subscribe to all"
		}
		s.f.board.short(why)
	}
	return nil
}

// compareSubscriptions puts session messages last, and the one that a server may
// object to at the very end.
func compareSubscriptions(a, b subscription) int {
	rank := func(s subscription) int { return 1 + slices.Index(sessionTypes, s.typ) }
	if c := rank(a) - rank(b); c != 0 {
		return c
	}
	if a.asn != b.asn {
		if a.asn < b.asn {
			return -1
		}
		return 1
	}
	if c := a.prefix.Addr().Compare(b.prefix.Addr()); c != 0 {
		return c
	}
	return a.prefix.Bits() - b.prefix.Bits()
}

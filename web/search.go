package web

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"depeer/bgp"
	"depeer/watch"
	"depeer/watch/cnc"
	"depeer/watch/timeline"
)

// Space is a prefix of a watched hoster, of the watchlist or as it was heard.
type Space struct {
	Prefix  netip.Prefix
	Hosters []string // ids
	Listed  bool     // it is on the watchlist; otherwise it was heard
}

// Search is what a word leads to.
type Search struct {
	Query      string   `json:"query"`
	Understood string   `json:"understood"` // as what, in words
	Results    []Result `json:"results"`    // best first, at most twenty
	More       int      `json:"more"`       // results beyond those
	Hint       string   `json:"hint,omitempty"`
}

// Result is one page that answers.
type Result struct {
	Kind   string `json:"kind" enum:"hoster,incident,prefix,address,as,upstream,family"`
	Label  string `json:"label"`
	Detail string `json:"detail"`
	URL    string `json:"url"` // path of the page
}

const (
	mostResults = 20
	canBeAsked  = "Ask for a part of a hoster's name, an AS number (AS26780, 26780, 1.10), a prefix (208.66.192.0/22), an address, a C&C family or one of its aliases (Rustock, Ozdok), or the id of an incident."
)

func (s *Server) addSearch() {
	register(s, reading("/search", "search", tagBoard, "What a name, AS number, prefix, address, family or incident leads to", "Each result has the path of its page."), s.search)
}

// finder gathers results; each page is there once, where it ranked best.
type finder struct {
	s       *Server
	ctx     context.Context
	board   Status
	housed  []cnc.Housed
	results []ranked
}

type ranked struct {
	Result
	rank int // lower is better
}

// The ranks: what was meant literally before what only contains the word.
const (
	exactly   = iota
	belonging // leads from what was meant to what it belongs to
	beginning
	inside
	elsewhere
)

func (f *finder) add(rank int, kind, label, path, detail string, args ...any) {
	if len(args) > 0 {
		detail = fmt.Sprintf(detail, args...)
	}
	x := ranked{Result{kind, label, detail, path}, rank}
	if i := slices.IndexFunc(f.results, func(o ranked) bool { return o.URL == path }); i >= 0 {
		if rank < f.results[i].rank {
			f.results[i] = x
		}
		return
	}
	f.results = append(f.results, x)
}

func (s *Server) search(ctx context.Context, in *struct {
	Q string `query:"q" maxLength:"200" doc:"what is looked for" example:"208.66.195.15"`
}) (*body[Search], error) {
	q := strings.Join(strings.Fields(strings.ToValidUTF8(in.Q, "")), " ")
	out := Search{Query: q, Results: []Result{}}
	if q == "" {
		out.Understood, out.Hint = "nothing", canBeAsked
		return &body[Search]{out}, nil
	}
	f := &finder{s: s, ctx: ctx, board: s.board.now()}
	if s.deps.Families != nil {
		var err error
		if f.housed, err = s.deps.Families.Housed(ctx); err != nil {
			return nil, err
		}
	}
	var err error
	prefix, isPrefix := spaceIn(q)
	asn, isASN := asnIn(q)
	switch {
	case isPrefix:
		out.Understood, err = f.space(prefix)
	case isASN:
		out.Understood = "an AS number: " + bgp.ASN(asn)
		f.as(asn)
		err = f.words(q)
	default:
		out.Understood = "words"
		err = f.words(q)
	}
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(f.results, func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) })
	for i := range f.results[:min(len(f.results), mostResults)] {
		out.Results = append(out.Results, f.results[i].Result)
	}
	out.More = len(f.results) - len(out.Results)
	if len(out.Results) == 0 {
		out.Hint = canBeAsked
	}
	return &body[Search]{out}, nil
}

// spaceIn reads a prefix, an address, or the beginning of an IPv4 address at a dot: 208.66.192 is
// 208.66.192.0/24, and 208.66. is 208.66.0.0/16.
func spaceIn(q string) (netip.Prefix, bool) {
	if p, err := parsePrefix("q", q); err == nil {
		return p, true
	}
	parts := strings.Split(strings.TrimSuffix(q, "."), ".")
	if len(parts) != 3 && (len(parts) != 2 || !strings.HasSuffix(q, ".")) { // 1.10 is an AS number
		return netip.Prefix{}, false
	}
	bits := 8 * len(parts)
	for len(parts) < 4 {
		parts = append(parts, "0")
	}
	a, err := netip.ParseAddr(strings.Join(parts, "."))
	if err != nil {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, bits), true
}

// asnIn reads an AS number as people write it: AS26780, as 26780, ASN26780, 26780, 1.10.
func asnIn(q string) (uint32, bool) {
	low := strings.ToLower(q)
	for _, before := range []string{"asn", "as"} {
		if rest, ok := strings.CutPrefix(low, before); ok {
			low = strings.TrimLeft(rest, " :#-")
			break
		}
	}
	if low == "" || low[0] < '0' || low[0] > '9' {
		return 0, false
	}
	asn, err := bgp.ParseASN(low)
	return asn, err == nil && asn != 0
}

// space finds whose a prefix or address is.
func (f *finder) space(p netip.Prefix) (understood string, err error) {
	kind, label := "prefix", p.String()
	if p.IsSingleIP() {
		kind, label = "address", p.Addr().String()
	}
	understood = kindInWords[kind] + ": " + label
	var around []Space
	if f.s.deps.Space != nil {
		found, err := busy(f.ctx, f.s, func() (*[]Space, error) {
			x, err := f.s.deps.Space(f.ctx, p)
			return &x, err
		})
		if err != nil {
			return "", err
		}
		around = *found
	}
	detail := "lies in nothing that is watched"
	for _, x := range around {
		heard := "heard"
		if x.Listed {
			heard = "on the watchlist"
		}
		of := f.namesOf(x.Hosters)
		within := x.Prefix.Bits() <= p.Bits()
		for _, id := range x.Hosters {
			relation := "has " + x.Prefix.String() + ", around " + label
			if !within {
				relation = "has " + x.Prefix.String() + ", within " + label
			} else if x.Prefix == p {
				relation = "has " + label
			}
			f.hoster(belonging, id, relation)
		}
		switch {
		case x.Prefix == p:
			detail = heard + of
		case within:
			f.add(belonging, "prefix", x.Prefix.String(), prefixPage(x.Prefix), "covers %s; %s%s", label, heard, of)
		default:
			f.add(beginning, "prefix", x.Prefix.String(), prefixPage(x.Prefix), "lies in %s; %s%s", label, heard, of)
		}
		if within && x.Prefix != p && len(x.Hosters) > 0 && strings.HasPrefix(detail, "lies in nothing") {
			detail = "lies in " + x.Prefix.String() + of
		}
	}
	f.add(exactly, kind, label, prefixPage(p), "%s", detail)
	return understood, f.sighted(p, label)
}

var kindInWords = map[string]string{"prefix": "a prefix", "address": "an address"}

// prefixPage is the path of the page of a prefix, or of an address.
func prefixPage(p netip.Prefix) string {
	if p.IsSingleIP() {
		return "/prefixes/" + p.Addr().String()
	}
	return "/prefixes/" + p.String()
}

// sighted adds the families whose C&C were seen in a prefix.
func (f *finder) sighted(p netip.Prefix, label string) error {
	if f.s.deps.Records == nil {
		return nil
	}
	found, err := busy(f.ctx, f.s, func() (*[]timeline.Record, error) {
		list, _, err := f.s.deps.Records.Records(f.ctx, timeline.RecordQuery{Kinds: []timeline.RecordKind{timeline.Sighting}, Prefix: p, Newest: true, Limit: 200})
		return &list, err
	})
	if err != nil {
		return err
	}
	for i := range *found {
		r := &(*found)[i]
		var x cnc.Sighting
		if json.Unmarshal(r.Body, &x) != nil || !p.Contains(x.Addr) { // what covers it was asked for too
			continue
		}
		f.add(beginning, "family", x.Family, familyPage(x.Family), "%s seen at %s, last on %s by %s", kindOfHost(x.Kind), x.Addr, x.At.Format("2006-01-02"), x.Source)
	}
	return nil
}

func kindOfHost(k cnc.Kind) string {
	if k == cnc.CNC || k == "" {
		return "C&C"
	}
	return string(k)
}

func familyPage(name string) string { return "/families/" + url.PathEscape(name) }

// hoster adds one by its id, with how it stands.
func (f *finder) hoster(rank int, id, why string) {
	h := f.standing(id)
	if h == nil {
		return
	}
	if why == "" {
		why = asns(h.ASNs)
	}
	f.add(rank, "hoster", h.Name, "/hosters/"+url.PathEscape(h.Hoster), "%s", joined(why, f.stands(h)))
}

func (f *finder) standing(id string) *watch.Standing {
	for i := range f.board.Hosters {
		if f.board.Hosters[i].Hoster == id {
			return &f.board.Hosters[i]
		}
	}
	return nil
}

// stands is how a hoster stands, in words.
func (f *finder) stands(h *watch.Standing) string {
	for i := range f.board.Incidents {
		if x := &f.board.Incidents[i]; x.ID == h.Incident {
			return joined(h.State, x.Summary)
		}
	}
	return h.State
}

func asns(list []uint32) string {
	var out []string
	for _, a := range list[:min(len(list), 4)] {
		out = append(out, bgp.ASN(a))
	}
	if n := len(list) - len(out); n > 0 {
		out = append(out, fmt.Sprintf("%d more", n))
	}
	return strings.Join(out, ", ")
}

func (f *finder) namesOf(ids []string) string {
	var out []string
	for _, id := range ids {
		if h := f.standing(id); h != nil {
			out = append(out, h.Name)
		}
	}
	if len(out) == 0 {
		return ""
	}
	return ", of " + strings.Join(out, ", ")
}

// as adds what is known of an AS number.
func (f *finder) as(asn uint32) {
	name := ""
	if f.s.deps.Register != nil {
		if x, ok := f.s.deps.Register.AS(asn, f.board.Now); ok {
			name = x.Name
		}
	}
	var carries []string
	for i := range f.board.Hosters {
		h := &f.board.Hosters[i]
		if slices.Contains(h.ASNs, asn) {
			f.hoster(exactly, h.Hoster, "has "+bgp.ASN(asn))
			name = cmp.Or(name, h.Name)
		}
		if slices.ContainsFunc(h.Upstreams, func(u watch.UpstreamShare) bool { return u.ASN == asn }) {
			carries = append(carries, h.Name)
		}
	}
	number := strconv.FormatUint(uint64(asn), 10)
	if len(carries) > 0 {
		f.add(belonging, "upstream", bgp.ASN(asn), "/upstreams/"+number, "%s", joined(name, fmt.Sprintf("is or was upstream of %s", some(carries))))
	}
	f.movedTo(func(n cnc.Network) bool { return n.ASN == asn }, belonging)
	f.add(belonging, "as", bgp.ASN(asn), "/asns/"+number, "%s", joined(name, "what it announces of what is watched"))
}

func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
}

// some names the first few.
func some(list []string) string {
	if n := len(list) - 3; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:3], ", "), n)
	}
	return strings.Join(list, ", ")
}

// movedTo adds networks to which families moved.
func (f *finder) movedTo(is func(cnc.Network) bool, rank int) {
	type taken struct {
		cnc.Network
		families []string
	}
	var all []*taken
	for i := range f.housed {
		for _, n := range f.housed[i].MovedTo {
			if !is(n) {
				continue
			}
			j := slices.IndexFunc(all, func(t *taken) bool { return t.ASN == n.ASN })
			if j < 0 {
				all = append(all, &taken{Network: n})
				j = len(all) - 1
			}
			if what := f.housed[i].Family + " from " + f.housed[i].Name; !slices.Contains(all[j].families, what) {
				all[j].families = append(all[j].families, what)
			}
		}
	}
	for _, t := range all {
		f.add(rank, "as", bgp.ASN(t.ASN), "/asns/"+strconv.FormatUint(uint64(t.ASN), 10), "%s", joined(t.Name, "took in "+some(t.families)))
	}
}

// words looks for a name, a family or an incident.
func (f *finder) words(q string) error {
	low := strings.ToLower(q)
	rank := func(texts ...string) (int, bool) {
		best, ok := elsewhere, false
		for _, t := range texts {
			t = strings.ToLower(t)
			switch {
			case t == low:
				best, ok = exactly, true
			case strings.HasPrefix(t, low):
				best, ok = min(best, beginning), true
			case strings.Contains(t, low):
				best, ok = min(best, inside), true
			}
		}
		return best, ok
	}
	for i := range f.board.Hosters {
		h := &f.board.Hosters[i]
		if r, ok := rank(h.Name, h.Hoster); ok {
			f.hoster(r, h.Hoster, "")
		}
	}
	f.familiesNamed(q, rank)
	if len(low) > 2 {
		f.movedTo(func(n cnc.Network) bool { return strings.Contains(strings.ToLower(n.Name), low) }, inside)
	}
	return f.incidents(q)
}

// familiesNamed adds families by name and alias: those that are at a watched hoster first.
func (f *finder) familiesNamed(q string, rank func(...string) (int, bool)) {
	names := cnc.DefaultFamilies()
	if f.s.deps.Families != nil {
		names = f.s.deps.Families.Names()
	}
	at := map[string][]string{}
	for i := range f.housed {
		at[f.housed[i].Family] = append(at[f.housed[i].Family], f.housed[i].Name)
	}
	detail := func(family string, aliases []string) string {
		where, called := "not seen at a watched hoster", ""
		if list := at[family]; len(list) > 0 {
			where = "seen at " + some(list)
		}
		if len(aliases) > 0 {
			called = "also called " + some(aliases)
		}
		return joined(called, where)
	}
	known := map[string]bool{}
	if x, ok := names.Of(q); ok {
		known[x.Name] = true
		f.add(exactly, "family", x.Name, familyPage(x.Name), "%s", detail(x.Name, x.Aliases))
	}
	for _, x := range names.All() {
		r, ok := rank(append([]string{x.Name}, x.Aliases...)...)
		if len(q) < 3 && r > exactly { // two letters are in half of all names
			ok = false
		}
		if !ok || known[x.Name] {
			continue
		}
		if known[x.Name] = true; len(at[x.Name]) == 0 && r > exactly {
			r = elsewhere
		}
		f.add(r, "family", x.Name, familyPage(x.Name), "%s", detail(x.Name, x.Aliases))
	}
	for i := range f.housed { // families that no table knows
		name := f.housed[i].Family
		if r, ok := rank(name); ok && !known[name] {
			known[name] = true
			f.add(r, "family", name, familyPage(name), "%s", detail(name, nil))
		}
	}
}

// incidents adds the one with this id, and open ones whose id begins so.
func (f *finder) incidents(q string) error {
	add := func(rank int, x *watch.Incident) {
		name := x.Hoster
		if h := f.standing(x.Hoster); h != nil {
			name = h.Name
		}
		f.add(rank, "incident", x.ID, "/incidents/"+url.PathEscape(x.ID), "%s; %s, %s", name, x.Phase, x.Summary)
	}
	for i := range f.board.Incidents {
		switch x := &f.board.Incidents[i]; {
		case x.ID == q:
			add(exactly, x)
		case len(q) > 3 && strings.HasPrefix(x.ID, q):
			add(beginning, x)
		}
	}
	if f.s.deps.Records == nil || strings.Contains(q, " ") {
		return nil
	}
	list, _, err := findRecords(f.ctx, f.s.deps.Records, timeline.RecordQuery{Kinds: []timeline.RecordKind{timeline.Incident}, IDs: []string{q}, Latest: true}, 1, all[watch.Incident])
	if err != nil {
		return err
	}
	for i := range list {
		add(exactly, &list[i])
	}
	return nil
}

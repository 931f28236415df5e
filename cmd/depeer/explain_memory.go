package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"depeer/watch"
	"depeer/watch/timeline"
	"depeer/web"
)

// explainMemory says from the memory what counted at a moment, and what was concluded.
func explainMemory(cmd *cobra.Command, word string, at time.Time, asJSON bool) (err error) {
	cfg, err := loadConfig(cmd)
	if err != nil {
		return err
	}
	q, err := subject(word, cfg)
	if err != nil {
		return err
	}
	q.From, q.To = at, at
	ctx := cmd.Context()
	a, done, err := openAsker(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	m := &memoryExplainer{asker: a, cfg: cfg, at: at}
	list, err := m.explain(ctx, q)
	if err != nil {
		return nothingKnown(err, cmd)
	}
	w := cmd.OutOrStdout()
	if asJSON {
		enc := json.NewEncoder(w)
		for i := range list {
			if err := enc.Encode(&list[i]); err != nil {
				return err
			}
		}
		return nil
	}
	r := &replayer{incidents: m.incidents}
	for i := range list {
		explain(w, &list[i], r)
	}
	writeFound(w, cfg, m.events)
	told, err := toldOf(ctx, a.Reader, list, at)
	if err != nil {
		return err
	}
	writeTold(w, told)
	fmt.Fprintf(w, "\nFrom the memory: peers count that held the prefix within %s before, and were heard at that moment.\n", duration(cfg.Policy.Baseline))
	writeGaps(w, m.gaps, at)
	return nil
}

// ExplainAt explains what counted at a moment, from the memory.
func (p *pastOf) ExplainAt(ctx context.Context, word string, at time.Time) (*web.Explanations, error) {
	a, err := p.asker(ctx)
	if err != nil {
		return nil, err
	}
	_, policy := p.m.lists.watchlist()
	return explainAt(ctx, a, policy, word, at)
}

// explainAt is the answer of the web about a moment.
func explainAt(ctx context.Context, a *timeline.Asker, policy watch.Policy, word string, at time.Time) (*web.Explanations, error) {
	cfg := &Config{Policy: policy}
	cfg.Hosters = a.Hosters
	q, err := subject(word, cfg)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", err, web.ErrUnknown)
	}
	q.From, q.To = at, at
	m := &memoryExplainer{asker: a, cfg: cfg, at: at}
	list, err := m.explain(ctx, q)
	if err != nil {
		return nil, err
	}
	x := &web.Explanations{At: at, Memory: true, Explanations: list, Events: []watch.Event{}, Incidents: append([]watch.Incident{}, m.incidents...), Gaps: append([]watch.Gap{}, m.gaps...), Told: []web.Told{}}
	for _, e := range slices.Backward(m.events) {
		if len(x.Events) < web.MostConcluded && !e.At.After(at) {
			x.Events = append(x.Events, e)
		}
	}
	told, err := toldOf(ctx, a.Reader, list, at)
	for _, t := range slices.Backward(told) {
		x.Told = append(x.Told, t)
	}
	return x, err
}

// memoryExplainer explains from what is remembered.
type memoryExplainer struct {
	asker *timeline.Asker
	cfg   *Config
	at    time.Time

	incidents []watch.Incident // open at that moment
	events    []watch.Event    // of the day before
	gaps      []watch.Gap
}

// explainedBefore is how far back the usual level and the events are looked for.
const explainedBefore = 24 * time.Hour

// explain explains every prefix of what is asked about.
func (m *memoryExplainer) explain(ctx context.Context, q timeline.Asking) ([]watch.Explanation, error) {
	q.From = m.at.Add(-explainedBefore)
	whole, err := m.asker.Timeline(ctx, q)
	if err != nil {
		return nil, err
	}
	m.gaps, m.events = whole.Gaps, whole.Events
	slices.Reverse(m.gaps)
	for _, i := range whole.Incidents {
		if !i.Opened.After(m.at) && (i.Resolved == nil || i.Resolved.After(m.at)) {
			if i, err = m.asOf(ctx, i); err != nil {
				return nil, err
			}
			m.incidents = append(m.incidents, i)
		}
	}
	out := []watch.Explanation{}
	for _, info := range whole.Prefixes {
		if info.First.After(m.at) {
			continue
		}
		one := timeline.Asking{Prefix: info.Prefix, From: q.From, To: m.at, Believed: q.Believed}
		x, err := m.prefix(ctx, one, whole)
		if err != nil {
			return nil, err
		}
		x.Hoster = cmp.Or(whole.Hoster, x.Hoster)
		out = append(out, x)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w of %s up to then", timeline.ErrNothing, whole.Subject)
	}
	return out, nil
}

// asOf gives an incident as it was told last by the moment: what became of it later was not known.
func (m *memoryExplainer) asOf(ctx context.Context, i watch.Incident) (watch.Incident, error) {
	records, _, err := m.asker.Reader.Records(ctx, timeline.RecordQuery{Kinds: []timeline.RecordKind{timeline.Incident}, IDs: []string{i.ID}, Limit: 1000})
	if err != nil {
		return i, err
	}
	found := false
	for _, r := range records {
		var x watch.Incident
		if err := json.Unmarshal(r.Body, &x); err != nil {
			return i, fmt.Errorf("incident %s as it is stored cannot be read: %w", i.ID, err)
		}
		if !x.At.After(m.at) && (!found || x.Revision > i.Revision) {
			i, found = x, true
		}
	}
	return i, nil
}

// prefix explains one prefix.
func (m *memoryExplainer) prefix(ctx context.Context, q timeline.Asking, whole *timeline.Timeline) (watch.Explanation, error) {
	policy := m.cfg.Policy
	t, err := m.asker.Timeline(ctx, q)
	if err != nil {
		return watch.Explanation{}, err
	}
	routes, err := m.asker.RoutesAt(ctx, q)
	if err != nil {
		return watch.Explanation{}, err
	}
	x := watch.Explanation{Prefix: q.Prefix, Hoster: t.Hoster, At: m.at, Seeded: !slices.ContainsFunc(t.Missing, unseeded), Thresholds: policy,
		Upstreams: m.shares(whole, q.Prefix), Zombies: nil}
	lane := &t.Visibility[0]
	x.Eligible = lane.Points[len(lane.Points)-1].Eligible
	for _, r := range routes.Routes {
		if r.Known {
			x.Holding++
		}
		x.Peers = append(x.Peers, peerView(&r))
	}
	x.Eligible = max(x.Eligible, x.Holding)
	x.Baseline = usual(lane, q.From, m.at) * float64(x.Eligible)
	x.LostAt, x.BackAt = policy.WithdrawnBelow*x.Baseline, policy.RestoredAbove*x.Baseline
	x.Least = policy.MinPeers
	m.judge(&x, t)
	return x, nil
}

// unseeded finds the sentence that says that there was no table to start from.
func unseeded(s string) bool { return strings.HasPrefix(s, "No table") }

func peerView(r *timeline.Route) watch.PeerView {
	v := watch.PeerView{Peer: r.Peer.String(), State: "up", Counted: r.Known, Holds: true, Path: r.Path.String(), Since: r.Since}
	if !r.Known {
		v.State = "away"
	}
	return v
}

// usual is the level that a lane had for most of the time.
func usual(l *timeline.Lane, from, to time.Time) float64 {
	type part struct {
		value  float64
		lasted time.Duration
	}
	var parts []part
	var all time.Duration
	for i, p := range l.Points {
		end := to
		if i+1 < len(l.Points) {
			end = l.Points[i+1].At
		}
		if d := end.Sub(p.At); p.Eligible > 0 && d > 0 {
			parts = append(parts, part{p.Value, d})
			all += d
		}
	}
	slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.value, b.value) })
	var sum time.Duration
	for _, p := range parts {
		if sum += p.lasted; sum*2 >= all {
			return p.value
		}
	}
	return 0
}

// shares gives the upstreams of the prefix's family at that moment.
func (m *memoryExplainer) shares(whole *timeline.Timeline, prefix netip.Prefix) []watch.UpstreamShare {
	family := 4
	if prefix.Addr().Is6() {
		family = 6
	}
	out := []watch.UpstreamShare{}
	for i := range whole.Upstreams {
		l := &whole.Upstreams[i]
		if l.Family != family || l.Peers < m.cfg.Policy.MinPeers {
			continue
		}
		u := watch.UpstreamShare{ASN: l.ASN, Family: family, Share: l.Points[len(l.Points)-1].Value, Baseline: usual(l, whole.From, whole.To), Peers: l.Peers}
		u.LostAt = m.cfg.Policy.LostBelow * u.Baseline
		for j := range m.events {
			e := &m.events[j]
			if e.Upstream != l.ASN || e.Family != 0 && e.Family != family {
				continue
			}
			switch e.Kind {
			case watch.UpstreamLost:
				u.Lost, u.Since = true, e.FirstSeen
			case watch.UpstreamRestored:
				u.Lost, u.Since = false, time.Time{}
			}
		}
		if u.Share > 0 || u.Baseline > 0 || u.Lost {
			out = append(out, u)
		}
	}
	return out
}

// judge says what was concluded of the prefix, and why, or why nothing was.
func (m *memoryExplainer) judge(x *watch.Explanation, t *timeline.Timeline) {
	x.State = "steady"
	for i := range t.Events {
		e := &t.Events[i]
		if e.Prefix == nil || *e.Prefix != x.Prefix {
			continue
		}
		switch e.Kind {
		case watch.RouteWithdrawn:
			x.State, x.Since = "lost", e.FirstSeen
		case watch.RouteRestored:
			x.State, x.Since = "steady", e.FirstSeen
		}
	}
	lane := &t.Visibility[0]
	n := float64(x.Holding)
	switch {
	case x.State == "lost":
		x.Verdict = "withdrawn: at most " + percent(m.cfg.Policy.WithdrawnBelow) + " of the peers that used to see it still did"
	case x.Eligible == 0:
		x.Verdict = "no alert: nobody who used to see it was heard at that moment"
	case x.Eligible < m.cfg.Policy.MinPeers:
		x.Verdict = "no alert would be raised: too few peers have spoken of it (min_peers)"
	case n <= x.LostAt:
		x.State, x.Since = "falling", fellAt(lane, m.cfg.Policy.WithdrawnBelow)
		x.Verdict = "it had gone, and no alert was recorded by then"
		if end := x.Since.Add(m.cfg.Policy.Hold); m.at.Before(end) {
			x.HoldEnds = end
			x.Verdict = "an alert was pending: it waited for path hunting to end (hold)"
		}
	case n >= x.BackAt:
		x.Verdict = "no alert: it was seen as usual"
	default:
		x.Verdict = "no alert: it was seen by fewer peers than usual, but not by so few that it was withdrawn"
	}
}

// fellAt is when a lane last came to or below a part of one.
func fellAt(l *timeline.Lane, below float64) (at time.Time) {
	for i, p := range l.Points {
		if p.Value <= below && (i == 0 || l.Points[i-1].Value > below) {
			at = p.At
		}
	}
	return at
}

// writeFound prints what was concluded within the day before.
func writeFound(w io.Writer, cfg *Config, events []watch.Event) {
	if len(events) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", inkFor(w).bold("Concluded within the day before"))
	p := &factPrinter{out: &checked{w: w}, ink: inkFor(w), width: width(w)}
	p.story = newStoryteller(p.out, cfg.Hosters, true)
	const most = 15
	if n := len(events) - most; n > 0 {
		fmt.Fprintf(w, "  %d earlier ones: depeer events\n", n)
		events = events[n:]
	}
	for i := range events {
		_ = p.event(&events[i])
	}
}

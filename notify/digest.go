package notify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"depeer/watch"
)

// DigestText is a digest, ready to be told.
type DigestText struct {
	Subscription string    `json:"subscription"`
	From         time.Time `json:"from"`
	To           time.Time `json:"to"`
	Text         string    `json:"text"`
	Facts        []Fact    `json:"facts"`
}

// Routed is by whom a hoster is routed now.
type Routed struct {
	Hoster, Name string
	Tags         []string // of the hoster
	By           []uint32 // empty: by nobody
}

// Digest sums up what a subscription would have been told between two moments: who
// lost and gained which upstreams, and by whom each is still routed. stories holds
// revisions of any order; board may be empty.
func (r *Rules) Digest(name string, from, to time.Time, stories []Story, board []Routed) (Story, bool) {
	i := slices.IndexFunc(r.subs, func(s *subscription) bool { return s.Name == name && s.Digest.Every != "" })
	if i < 0 {
		return Story{}, false
	}
	sub := *r.subs[i]
	sub.Digest = DigestTimes{} // what it would want if it were told at once
	latest := map[string]*Story{}
	for i := range stories {
		s := &stories[i]
		if s.At.Before(from) || !s.At.Before(to) || !sub.wants(s) {
			continue
		}
		if have := latest[s.ID]; have == nil || have.Revision < s.Revision {
			latest[s.ID] = s
		}
	}
	all := make([]*Story, 0, len(latest))
	for _, s := range latest {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *Story) int { return cmp.Or(a.opened().Compare(b.opened()), cmp.Compare(a.ID, b.ID)) })

	text, worst := digestText(all, from, to)
	d := &DigestText{Subscription: name, From: from, To: to, Text: text, Facts: digestFacts(all, board, &sub)}
	title := fmt.Sprintf("%s digest: %s from %s to %s", upperFirst(r.subs[i].Digest.Every), counted(len(all), "incident"), from.UTC().Format("2 January"), to.UTC().Format("2 January"))
	return Story{Kind: DigestStory, ID: ident("digest", name, to.UTC().Format(time.RFC3339)), Revision: 1, At: to, Over: true, Severity: worst, Summary: title, Digest: d}, true
}

func digestText(all []*Story, from, to time.Time) (string, watch.Severity) {
	worst, open := watch.Info, 0
	var lines []string
	for _, s := range all {
		if rank(s.Severity) > rank(worst) {
			worst = s.Severity
		}
		if lasts(s.Kind) && !s.Over {
			open++
		}
		lines = append(lines, "- "+s.opened().UTC().Format("2 Jan 15:04")+" "+line(s.Summary, 180))
	}
	if len(all) == 0 {
		return "Nothing happened to what you watch.", worst
	}
	const most = 10
	more := ""
	if n := len(lines) - most; n > 0 {
		more = fmt.Sprintf("\n- and %d more", n)
	}
	still := "all of them are over"
	if open > 0 {
		still = fmt.Sprintf("%d not over yet", open)
	}
	return fmt.Sprintf("%s, %s:\n", counted(len(all), "incident"), still) + strings.Join(first(lines, most), "\n") + more, worst
}

// digestFacts: gained, lost, still routed by whom.
func digestFacts(all []*Story, board []Routed, sub *subscription) []Fact {
	var lost, gained, routed, dark []string
	routedBy := map[string][]uint32{}
	names := map[string]string{}
	for _, s := range all {
		i := s.Incident
		if i == nil {
			continue
		}
		if len(i.Lost) > 0 {
			lost = append(lost, s.Name+" "+asns(i.Lost))
		}
		if len(i.Gained) > 0 {
			gained = append(gained, s.Name+" "+asns(i.Gained))
		}
		routedBy[i.Hoster], names[i.Hoster] = union(slices.Clone(i.Remaining), i.Gained...), s.Name
	}
	for _, b := range board {
		if !sub.match.aboutHoster(b) {
			continue
		}
		routedBy[b.Hoster], names[b.Hoster] = b.By, b.Name
	}
	ids := make([]string, 0, len(routedBy))
	for id := range routedBy {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		if len(routedBy[id]) == 0 {
			dark = append(dark, names[id])
			continue
		}
		routed = append(routed, names[id]+" by "+asns(routedBy[id]))
	}
	var out []Fact
	for _, f := range []struct {
		name string
		list []string
	}{{"Lost", lost}, {"Gained", gained}, {"Still routed", routed}, {"Routed by nobody", dark}} {
		if len(f.list) > 0 {
			out = append(out, Fact{f.name, line(strings.Join(f.list, "; "), maxLine)})
		}
	}
	return out
}

// aboutHoster reports whether the match leaves a hoster in, as far as its name and tags tell.
func (m *matcher) aboutHoster(r Routed) bool {
	return (len(m.Hosters) == 0 || slices.Contains(m.Hosters, r.Hoster)) && (len(m.Tags) == 0 || overlap(m.Tags, r.Tags))
}

// Period is the time that a digest sums up, which ends at the last moment at which it was
// to be sent.
func (d DigestTimes) Period(zone string, now time.Time) (from, to time.Time, err error) {
	loc, err := location(cmp.Or(d.Zone, zone))
	if err != nil {
		return from, to, err
	}
	minutes, err := clockMinutes(cmp.Or(d.At, "08:00"))
	if err != nil {
		return from, to, err
	}
	days := 1
	if d.Every == "weekly" {
		days = 7
	}
	y, m, day := now.In(loc).Date()
	for i := 0; i <= 8; i++ {
		to = time.Date(y, m, day-i, 0, minutes, 0, 0, loc)
		if to.After(now) || days == 7 && to.Weekday() != time.Weekday(max(0, slices.Index(dayNames, cmp.Or(d.Day, "mon")))) {
			continue
		}
		return time.Date(y, m, day-i-days, 0, minutes, 0, 0, loc), to, nil
	}
	return from, to, fmt.Errorf("digest: no moment before %s", now)
}

package notify

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"depeer/watch"
)

// Subscription says who wants to hear of what, where, and when not. It is written in
// the configuration, or made at run time; its JSON has the keys of the YAML.
type Subscription struct {
	Name        string      `yaml:"name" json:"name"`                         // [a-z0-9-]{1,64}
	Match       Match       `yaml:"match" json:"match,omitzero"`              // what it is about; without, every incident from severity warning on
	Except      []Match     `yaml:"except" json:"except,omitempty"`           // and what not
	To          []string    `yaml:"to" json:"to"`                             // names of receivers
	Mention     []string    `yaml:"mention" json:"mention,omitempty"`         // in the receiver's own syntax, where people are to be woken
	Updates     Updates     `yaml:"updates" json:"updates,omitempty"`         // what follows the first message; all where empty
	Hours       []Window    `yaml:"hours" json:"hours,omitempty"`             // it holds in these alone; what is still open when one begins is told then
	Quiet       Quiet       `yaml:"quiet" json:"quiet,omitzero"`              // what falls into these is told when they end, in its latest state
	Maintenance []Window    `yaml:"maintenance" json:"maintenance,omitempty"` // what falls into these is told when they end, if it still lasts
	Wait        Span        `yaml:"wait" json:"wait,omitempty"`               // before the first message; what is over by then is never told
	Every       Span        `yaml:"every" json:"every,omitempty"`             // at most one change in this time; that of the configuration where 0
	Group       Group       `yaml:"group" json:"group,omitzero"`              // several incidents in one message
	Repeat      Span        `yaml:"repeat" json:"repeat,omitempty"`           // remind this often of what is open and not acknowledged; 0: never
	Escalate    []Step      `yaml:"escalate" json:"escalate,omitempty"`       // who is told when nobody acknowledges
	Digest      DigestTimes `yaml:"digest" json:"digest,omitzero"`            // a summary of a day or a week, instead of single messages
	By          string      `yaml:"-" json:"by,omitempty"`                    // who made it at run time; "" for those of the configuration
}

// Match is a set of conditions. Each that is given must hold; of a list one suffices.
type Match struct {
	Incidents []string       `yaml:"incidents" json:"incidents,omitempty"` // ids
	Hosters   []string       `yaml:"hosters" json:"hosters,omitempty"`     // ids
	Tags      []string       `yaml:"tags" json:"tags,omitempty"`           // of the hoster
	ASNs      []uint32       `yaml:"asns" json:"asns,omitempty"`           // of the hoster, or a new origin of its prefixes
	Upstreams []uint32       `yaml:"upstreams" json:"upstreams,omitempty"` // that were lost or gained, or that an event names
	Prefixes  []netip.Prefix `yaml:"prefixes" json:"prefixes,omitempty"`   // covering one that is concerned, or covered by it
	Kinds     []string       `yaml:"kinds" json:"kinds,omitempty"`         // of an event: upstream.lost, feed.*
	Classes   []watch.Class  `yaml:"classes" json:"classes,omitempty"`     // of the incident
	Severity  watch.Severity `yaml:"severity" json:"severity,omitempty"`   // at least; warning where neither this, kinds nor classes are given
	Score     float64        `yaml:"score" json:"score,omitempty"`         // at least; nothing but migrations has one
	Sources   []string       `yaml:"sources" json:"sources,omitempty"`     // feeds or collectors that saw it
}

// Quiet is when people sleep.
type Quiet struct {
	Windows []Window       `yaml:"windows" json:"windows,omitempty"`
	Unless  watch.Severity `yaml:"unless" json:"unless,omitempty"` // from this severity on they are woken; nobody is where empty
}

// Group puts several incidents into one message.
type Group struct {
	By   string `yaml:"by" json:"by,omitempty"`     // upstream, class or all; "": every incident has its own
	Wait Span   `yaml:"wait" json:"wait,omitempty"` // for more, before the first message; 30s where 0
}

// Step is who is told next.
type Step struct {
	After   Span     `yaml:"after" json:"after"` // the moment from which the first message was due
	To      []string `yaml:"to" json:"to"`
	Mention []string `yaml:"mention" json:"mention,omitempty"`
}

// DigestTimes is when a digest is sent.
type DigestTimes struct {
	Every string `yaml:"every" json:"every,omitempty"` // daily or weekly; "": it is no digest
	At    string `yaml:"at" json:"at,omitempty"`       // time of day; 08:00 where empty
	Day   string `yaml:"day" json:"day,omitempty"`     // of a weekly one; mon where empty
	Zone  string `yaml:"zone" json:"zone,omitempty"`   // that of the configuration where empty
}

// Updates says what follows a first message.
type Updates string

// The ways to follow a story.
const (
	AllUpdates       Updates = "all"       // every change, and the end
	ImportantUpdates Updates = "important" // what got worse or is of another class, and the end
	NoUpdates        Updates = "none"      // nothing
)

// Silence keeps what it matches from being told, until it ends. What was told
// before is still closed, quietly, when it is over.
type Silence struct {
	ID     string    `yaml:"id" json:"id"`
	Match  Match     `yaml:"match" json:"match,omitzero"` // empty: everything
	From   time.Time `yaml:"from" json:"from,omitzero"`   // from the beginning of time where zero
	Until  time.Time `yaml:"until" json:"until"`
	Reason string    `yaml:"reason" json:"reason"`
	By     string    `yaml:"by" json:"by,omitempty"`
}

// Span is a duration whose text has days too: 15m, 36h, 7d.
type Span time.Duration

// UnmarshalText reads what time.ParseDuration does, and days.
func (s *Span) UnmarshalText(text []byte) error {
	bad := fmt.Errorf("%q is no duration (60s, 15m, 36h, 7d)", text)
	in, days := string(text), time.Duration(0)
	if before, after, ok := strings.Cut(in, "d"); ok {
		n, err := time.ParseDuration(before + "h")
		if err != nil || n > 36500*time.Hour {
			return bad
		}
		days, in = 24*n, cmp.Or(after, "0s")
	}
	x, err := time.ParseDuration(in)
	if err != nil || x < 0 || days < 0 || x > 100*365*24*time.Hour {
		return bad
	}
	*s = Span(days + x)
	return nil
}

// MarshalText writes 15m, 36h, 7d, 1m30s.
func (s Span) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Span) String() string {
	const day = Span(24 * time.Hour)
	if s > 0 && s%day == 0 {
		return fmt.Sprintf("%dd", s/day)
	}
	out := time.Duration(s).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(out, zero) {
			out = out[:len(out)-2]
		}
	}
	return out
}

// defaultGroupWait is how long a message waits for more of the same.
const defaultGroupWait = Span(30 * time.Second)

// wait is how long the first message waits.
func (s *Subscription) wait() time.Duration {
	w := s.Wait
	if s.Group.By != "" {
		w = max(w, cmp.Or(s.Group.Wait, defaultGroupWait))
	}
	return time.Duration(w)
}

var (
	subscriptionName = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
	severities       = []watch.Severity{watch.Info, watch.Warning, watch.Critical}
	classes          = []watch.Class{watch.Depeered, watch.Blackout, watch.Rewired, watch.Moved, watch.Repeered, watch.UpstreamFailure, watch.HijackSuspect}
	kindNames        = []watch.EventKind{watch.RouteWithdrawn, watch.RouteRestored, watch.UpstreamLost, watch.UpstreamRestored, watch.UpstreamGained,
		watch.TransitLost, watch.OriginNew, watch.OriginGone, watch.PrefixNew, watch.HosterDark, watch.HosterReturned,
		watch.FeedLost, watch.FeedStale, watch.FeedRestored, kindMoved, kindWatched}
	groupings = []string{"", "upstream", "class", "all"}
)

// The kinds of migrations (depeer/watch/cnc).
const (
	kindMoved   watch.EventKind = "cnc.moved"
	kindWatched watch.EventKind = "cnc.watch"
)

// rank orders severities; what is unknown is least.
func rank(s watch.Severity) int { return slices.Index(severities, s) }

// faultList collects faults with their keys.
type faultList struct {
	path string
	all  []error
}

func (f *faultList) add(key, format string, args ...any) {
	text := fmt.Errorf(format, args...)
	f.all = append(f.all, fmt.Errorf("%s%s: %w", f.path, key, text))
}

// Validate reports every fault, each with its key and value. receivers are the names there are.
func (s *Subscription) Validate(receivers []string, zone string) error {
	f := &faultList{}
	if !subscriptionName.MatchString(s.Name) {
		f.add("name", "%q is no name (small letters, digits and dashes, at most 64)", s.Name)
	}
	s.Match.faults(f, "match")
	for i := range s.Except {
		s.Except[i].faults(f, fmt.Sprintf("except[%d]", i))
	}
	known := func(key string, names []string) {
		if len(names) == 0 {
			f.add(key, "names no receiver")
		}
		for i, n := range names {
			if !slices.Contains(receivers, n) {
				f.add(fmt.Sprintf("%s[%d]", key, i), "%q is no receiver (%s)", n, list(receivers, "there is none"))
			}
		}
	}
	known("to", s.To)
	if !slices.Contains([]Updates{"", AllUpdates, ImportantUpdates, NoUpdates}, s.Updates) {
		f.add("updates", "%q is none of all, important, none", s.Updates)
	}
	for key, ws := range map[string][]Window{"hours": s.Hours, "quiet.windows": s.Quiet.Windows, "maintenance": s.Maintenance} {
		for i := range ws {
			if _, err := ws[i].compile(zone); err != nil {
				f.add(fmt.Sprintf("%s[%d].%s", key, i, before(err)), "%s", after(err))
			}
		}
	}
	if s.Quiet.Unless != "" && rank(s.Quiet.Unless) < 0 {
		f.add("quiet.unless", "%q is none of info, warning, critical", s.Quiet.Unless)
	}
	if !slices.Contains(groupings, s.Group.By) {
		f.add("group.by", "%q is none of upstream, class, all", s.Group.By)
	}
	if s.Repeat != 0 && s.Repeat < Span(time.Minute) {
		f.add("repeat", "%s is less than 1m", s.Repeat)
	}
	for i, e := range s.Escalate {
		known(fmt.Sprintf("escalate[%d].to", i), e.To)
		if e.After <= 0 {
			f.add(fmt.Sprintf("escalate[%d].after", i), "%s is not positive", e.After)
		} else if i > 0 && e.After <= s.Escalate[i-1].After {
			f.add(fmt.Sprintf("escalate[%d].after", i), "%s is not after the step before (%s)", e.After, s.Escalate[i-1].After)
		}
	}
	s.Digest.faults(f, zone)
	slices.SortStableFunc(f.all, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) }) // the windows are in a map
	return errors.Join(f.all...)
}

// before and after split an error that begins with a key.
func before(err error) string { s, _, _ := strings.Cut(err.Error(), ": "); return s }
func after(err error) string  { _, s, _ := strings.Cut(err.Error(), ": "); return s }

func (d *DigestTimes) faults(f *faultList, zone string) {
	if d.Every == "" {
		if *d != (DigestTimes{}) {
			f.add("digest.every", "is missing (daily or weekly)")
		}
		return
	}
	if d.Every != "daily" && d.Every != "weekly" {
		f.add("digest.every", "%q is neither daily nor weekly", d.Every)
	}
	if _, err := clockMinutes(cmp.Or(d.At, "08:00")); err != nil {
		f.add("digest.at", "%w", err)
	}
	if d.Day != "" && (d.Every != "weekly" || !slices.Contains(dayNames, d.Day)) {
		f.add("digest.day", "%q is no day of a weekly digest (mon ... sun)", d.Day)
	}
	if _, err := location(cmp.Or(d.Zone, zone)); err != nil {
		f.add("digest.zone", "%w", err)
	}
}

func (m *Match) faults(f *faultList, path string) {
	if m.Severity != "" && rank(m.Severity) < 0 {
		f.add(path+".severity", "%q is none of info, warning, critical", m.Severity)
	}
	for i, c := range m.Classes {
		if !slices.Contains(classes, c) {
			f.add(fmt.Sprintf("%s.classes[%d]", path, i), "%q is none of %s", c, list(classes, ""))
		}
	}
	for i, k := range m.Kinds {
		if !slices.ContainsFunc(kindNames, func(n watch.EventKind) bool { return kindMatches(k, n) }) {
			f.add(fmt.Sprintf("%s.kinds[%d]", path, i), "%q is none of %s; feed.* is all of feed", k, list(kindNames, ""))
		}
	}
	for i, p := range m.Prefixes {
		if !p.IsValid() {
			f.add(fmt.Sprintf("%s.prefixes[%d]", path, i), "is no prefix")
		}
	}
	for i, a := range m.Upstreams {
		if a == 0 {
			f.add(fmt.Sprintf("%s.upstreams[%d]", path, i), "0 is nobody's (RFC 7607)")
		}
	}
	if m.Score < 0 {
		f.add(path+".score", "%v is negative", m.Score)
	}
}

// Validate reports every fault, each with its key and value.
func (s *Silence) Validate() error {
	f := &faultList{}
	if !subscriptionName.MatchString(s.ID) {
		f.add("id", "%q is no name (small letters, digits and dashes, at most 64)", s.ID)
	}
	s.Match.faults(f, "match")
	if s.Until.IsZero() {
		f.add("until", "is missing: a silence has an end")
	} else if !s.From.IsZero() && !s.From.Before(s.Until) {
		f.add("until", "%s is not after from (%s)", s.Until.Format(time.RFC3339), s.From.Format(time.RFC3339))
	}
	if strings.TrimSpace(s.Reason) == "" {
		f.add("reason", "is missing: others want to know why nobody is told")
	}
	return errors.Join(f.all...)
}

func list[T ~string](all []T, none string) string {
	if len(all) == 0 {
		return none
	}
	var b strings.Builder
	for i, s := range all {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(s))
	}
	return b.String()
}

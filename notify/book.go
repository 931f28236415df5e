package notify

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// Book is every thread that may still have something to be told, for all receivers. It
// decides nothing (see [Rules.Decide]) and sends nothing; time is an argument. It is
// not safe for concurrent use.
type Book struct {
	rules   *Rules
	threads map[string]*Thread // by receiver and key, see place
	story   map[string]*Thread // by receiver and story
	group   map[string]*Thread // by receiver and group: the last one begun
	hoster  map[string]*Thread // by receiver, hoster: the last one of incidents
	eyes    map[string]*Thread // by receiver, feed and collector
	notes   map[string][]Note  // by incident
}

// NewBook makes an empty one.
func NewBook(r *Rules) *Book {
	return &Book{rules: r, threads: map[string]*Thread{}, story: map[string]*Thread{}, group: map[string]*Thread{}, hoster: map[string]*Thread{},
		eyes: map[string]*Thread{}, notes: map[string][]Note{}}
}

// place is where a thread is kept.
func place(receiver, key string) string { return receiver + "." + key }

func (t *Thread) place() string { return place(t.Receiver, t.Key) }

// put adds a thread that was kept, or a new one.
func (b *Book) put(t *Thread) {
	b.threads[t.place()] = t
	b.index(t)
}

func (b *Book) index(t *Thread) {
	for i := range t.Stories {
		s := &t.Stories[i]
		b.story[place(t.Receiver, s.ID)] = t
		if eye := s.eye(); eye != "" && t.Ended.IsZero() {
			b.eyes[place(t.Receiver, eye)] = t
		}
		if s.Kind == IncidentStory && t.Group == "" {
			if have := b.hoster[place(t.Receiver, s.Hoster)]; have == nil || !have.Since.After(t.Since) {
				b.hoster[place(t.Receiver, s.Hoster)] = t
			}
		}
	}
	if t.Group != "" {
		if have := b.group[place(t.Receiver, t.Group)]; have == nil || !have.Since.After(t.Since) {
			b.group[place(t.Receiver, t.Group)] = t
		}
	}
}

// drop forgets a thread; what is heard of it later begins with what was kept.
func (b *Book) drop(t *Thread) {
	delete(b.threads, t.place())
	for _, index := range []map[string]*Thread{b.story, b.group, b.hoster, b.eyes} {
		for _, key := range t.indexed() {
			if index[key] == t {
				delete(index, key)
			}
		}
	}
}

func (t *Thread) indexed() []string {
	out := []string{place(t.Receiver, t.Group)}
	for i := range t.Stories {
		s := &t.Stories[i]
		out = append(out, place(t.Receiver, s.ID), place(t.Receiver, s.Hoster), place(t.Receiver, s.eye()))
	}
	return out
}

// Hear takes in a revision of a story, for every receiver that wants it, and gives
// the threads that changed. recall gives a thread that was kept and dropped, or nil.
func (b *Book) Hear(s Story, now time.Time, recall func(place string) *Thread) (changed []*Thread) {
	for _, receiver := range b.rules.receivers {
		if t := b.hear(receiver, s, now, recall); t != nil {
			changed = append(changed, t)
		}
	}
	return changed
}

func (b *Book) hear(receiver string, s Story, now time.Time, recall func(string) *Thread) *Thread {
	if t := b.story[place(receiver, s.ID)]; t != nil {
		if !t.take(s, now) {
			return nil
		}
		b.index(t)
		return t
	}
	if eye := s.eye(); eye != "" {
		if t := b.eyes[place(receiver, eye)]; t != nil && t.Ended.IsZero() {
			open := &t.Stories[len(t.Stories)-1]
			if !s.At.After(open.At) {
				return nil // told before
			}
			s.ID, s.Revision = open.ID, open.Revision+1
			t.take(s, now)
			return t
		}
	}
	by, ok := b.rules.wanted(receiver, &s)
	if !ok {
		return nil
	}
	group := groupsOf(by, &s)
	t := b.goesOn(receiver, &s, group, now)
	if t == nil {
		t = recall(place(receiver, keyOf(receiver, &s)))
	}
	if t == nil && s.Over && lasts(s.Kind) {
		return nil // nobody was told of it, and it is over
	}
	if t == nil {
		t = &Thread{Key: keyOf(receiver, &s), Receiver: receiver, Since: now, Joined: now, Group: first1(group)}
	}
	if !t.take(s, now) {
		b.put(t)
		return nil
	}
	t.hear(b.notes[s.ID])
	b.put(t)
	return t
}

// goesOn finds the thread that a new story belongs to: one of the same group, or that
// of an incident of the same hoster which ended only just now.
func (b *Book) goesOn(receiver string, s *Story, groups []string, now time.Time) *Thread {
	for _, g := range groups {
		t := b.group[place(receiver, g)]
		if t != nil && t.Ended.IsZero() && now.Sub(t.Joined) <= joinWithin && len(t.Stories) < maxStories {
			return t
		}
	}
	if s.Kind != IncidentStory || len(groups) > 0 || s.Over {
		return nil
	}
	if t := b.hoster[place(receiver, s.Hoster)]; t != nil && !t.Ended.IsZero() && now.Sub(t.Ended) <= b.rules.cfg.Settle {
		return t
	}
	return nil
}

// groupsOf names what the story may share with others.
func groupsOf(by string, s *Story) (out []string) {
	if s.Kind != IncidentStory {
		return nil
	}
	switch by {
	case "all":
		return []string{"all"}
	case "class":
		return []string{"class:" + string(s.Class)}
	case "upstream":
		if s.Incident != nil {
			for _, a := range slices.Concat(s.Incident.Lost, s.Incident.Gained) {
				out = append(out, "upstream:"+strconv.FormatUint(uint64(a), 10))
			}
		}
	}
	return out
}

func first1(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}

// Note takes in all that was said of an incident, oldest first, and gives the threads
// that changed.
func (b *Book) Note(incident string, notes []Note) (changed []*Thread) {
	b.notes[incident] = notes
	for _, receiver := range b.rules.receivers {
		if t := b.story[place(receiver, incident)]; t != nil && t.hear(notes) {
			changed = append(changed, t)
		}
	}
	return changed
}

const forgetAfter = 60 * 24 * time.Hour

// done reports whether nothing more will come of the thread by itself.
func (b *Book) done(t *Thread, d Decision, now time.Time) bool {
	if d.Send || !d.At.IsZero() || t.Claim != nil {
		return false
	}
	if now.Sub(t.Joined) > forgetAfter {
		return true // its end was missed
	}
	if t.Ended.IsZero() {
		return !lasts(t.lead().Kind) && now.Sub(t.Joined) > time.Hour
	}
	return now.Sub(t.Ended) > b.rules.cfg.Settle
}

// sorted gives the threads in a fixed order.
func (b *Book) sorted() []*Thread {
	out := make([]*Thread, 0, len(b.threads))
	for _, t := range b.threads {
		out = append(out, t)
	}
	slices.SortFunc(out, func(x, y *Thread) int {
		return cmp.Or(x.Since.Compare(y.Since), cmp.Compare(x.Receiver, y.Receiver), cmp.Compare(x.Key, y.Key))
	})
	return out
}

package archive

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"
)

// layout is how a project lays out its archive.
type layout struct {
	base    string
	ris     bool
	updates time.Duration // step of files of updates
	dumps   time.Duration // step of table dumps
}

func layoutOf(archive, base string) layout {
	l := layout{base: "https://archive.routeviews.org", updates: 15 * time.Minute, dumps: 2 * time.Hour}
	if archive == RIS {
		l = layout{base: "https://data.ris.ripe.net", ris: true, updates: 5 * time.Minute, dumps: 8 * time.Hour}
	}
	if base != "" {
		l.base = strings.TrimRight(base, "/")
	}
	return l
}

// kind is what is in a file.
type kind uint8

const (
	updates kind = iota
	dumps
)

// pace is the time between two files as an index shows it: other years had other
// steps, and RouteViews' was never quite even. It is the middle one of all steps.
func (l *layout) pace(list []file) time.Duration {
	if len(list) < 4 {
		return l.updates
	}
	steps := make([]time.Duration, 0, len(list))
	for i := range list[1:] {
		steps = append(steps, list[i+1].at.Sub(list[i].at))
	}
	slices.Sort(steps)
	return steps[len(steps)/2]
}

// hole reports whether a file is missing between two that follow one another.
func hole(before, after time.Time, pace time.Duration) bool { return after.Sub(before) > pace*3/2 }

// folder is the address of the folder of a month, with a slash at its end.
func (l *layout) folder(collector string, k kind, month time.Time) string {
	m := month.UTC().Format("2006.01")
	if l.ris {
		return l.base + "/" + collector + "/" + m + "/"
	}
	below := "/UPDATES/"
	if k == dumps {
		below = "/RIBS/"
	}
	if collector == "route-views2" { // the first one has no folder of its own
		return l.base + "/bgpdata/" + m + below
	}
	return l.base + "/" + collector + "/bgpdata/" + m + below
}

// file is one file of an archive: the time in its name, when it begins.
type file struct {
	at   time.Time
	name string
	url  string
}

// derived is the file that begins at the time given, by the rules of today.
func (l *layout) derived(collector string, k kind, at time.Time) file {
	word, ext := "updates", ".bz2"
	switch {
	case k == dumps && l.ris:
		word = "bview"
	case k == dumps:
		word = "rib"
	}
	if l.ris {
		ext = ".gz"
	}
	name := word + "." + at.UTC().Format("20060102.1504") + ext
	return file{at: at, name: name, url: l.folder(collector, k, at) + name}
}

// listed finds the names of archives in the index of a folder, whatever page the
// server makes of it.
var listed = regexp.MustCompile(`\b(updates|bview|rib)\.([0-9]{8})\.([0-9]{4})\.(gz|bz2)\b`)

// parseIndex gives the files that the index of a folder names, in order of time,
// each once.
func parseIndex(page []byte, folder string) (found [2][]file) {
	for _, m := range listed.FindAllSubmatch(page, -1) {
		at, err := time.Parse("200601021504", string(m[2])+string(m[3]))
		if err != nil {
			continue
		}
		k := updates
		if string(m[1]) != "updates" {
			k = dumps
		}
		name := string(m[0])
		found[k] = append(found[k], file{at: at, name: name, url: folder + name})
	}
	for k := range found {
		slices.SortFunc(found[k], func(a, b file) int { return cmp.Or(a.at.Compare(b.at), strings.Compare(a.name, b.name)) })
		found[k] = slices.CompactFunc(found[k], func(a, b file) bool { return a.at.Equal(b.at) })
	}
	return found
}

// monthOf is the first moment of the month.
func monthOf(at time.Time) time.Time {
	at = at.UTC()
	return time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
}

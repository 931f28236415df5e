package cnc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Family is one name of malware with all that people call it.
type Family struct {
	Name    string   `yaml:"name"`    // canonical, as it is shown
	Aliases []string `yaml:"aliases"` // in any spelling
	Kind    Kind     `yaml:"kind"`    // what its hosts do, where a source does not say; CNC where empty
	Tool    bool     `yaml:"tool"`    // anybody may run it: its servers are of many owners and say little about one
}

// UnknownFamily is the family of a host of which nobody said whose it is.
const UnknownFamily = "unknown"

// Families gives each family one name. It is made once and never changed, so that its
// methods may be called from any goroutine.
type Families struct {
	byKey map[string]*Family
	all   []*Family
}

// NewFamilies makes the table of those that depeer knows (see DefaultFamilies) and of more.
// One of more that has the name of a known one adds to it. An alias that belongs to two
// families is an error, "families[i].aliases[k]: text".
func NewFamilies(more []Family) (*Families, error) {
	f := &Families{byKey: map[string]*Family{}}
	for _, x := range families {
		f.add(x, nil)
	}
	var errs []error
	for i, x := range more {
		if familyKey(x.Name) == "" {
			errs = append(errs, fmt.Errorf("families[%d].name: %q has no letter and no digit", i, x.Name))
			continue
		}
		f.add(x, func(k int, format string, args ...any) {
			where := fmt.Sprintf("families[%d].name", i)
			if k >= 0 {
				where = fmt.Sprintf("families[%d].aliases[%d]", i, k)
			}
			errs = append(errs, fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...)))
		})
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return f, nil
}

// add enters a family. Without a way to report a fault it panics: the table is wrong.
func (f *Families) add(x Family, fault func(alias int, format string, args ...any)) {
	if fault == nil {
		fault = func(_ int, format string, args ...any) { panic("families: " + fmt.Sprintf(format, args...)) }
	}
	own := f.byKey[familyKey(x.Name)]
	switch {
	case own == nil:
		own = &Family{Name: x.Name, Kind: x.Kind, Tool: x.Tool}
		f.byKey[familyKey(x.Name)] = own
		f.all = append(f.all, own)
	case familyKey(own.Name) != familyKey(x.Name):
		fault(-1, "%q is an alias of %s", x.Name, own.Name)
		return
	default:
		if x.Kind != "" {
			own.Kind = x.Kind
		}
		own.Tool = own.Tool || x.Tool
	}
	for k, a := range x.Aliases {
		key := familyKey(a)
		switch have := f.byKey[key]; {
		case key == "":
			fault(k, "%q has no letter and no digit", a)
		case have != nil && have != own:
			fault(k, "%q is %s already", a, have.Name)
		case have == nil:
			f.byKey[key] = own
			own.Aliases = append(own.Aliases, a)
		}
	}
}

// DefaultFamilies is the table of those that depeer knows.
var DefaultFamilies = sync.OnceValue(func() *Families {
	f, err := NewFamilies(nil)
	if err != nil {
		panic(err)
	}
	return f
})

// All lists the families in order of name.
func (f *Families) All() []Family {
	out := make([]Family, len(f.all))
	for i, x := range f.all {
		out[i] = *x
		out[i].Aliases = slices.Clone(x.Aliases)
	}
	slices.SortFunc(out, func(a, b Family) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Canonical gives the one name of what a source calls a family: "QakBot" for "win.qakbot",
// "Qbot" and "QAKBOT (obama235)", "Mega-D" for "Mega-D/Ozdok". What nobody
// knows keeps its words, lower case, without "C2" and the like at its end, so that two
// spellings of it are one. Canonical of a canonical name is that name. "" gives UnknownFamily.
func (f *Families) Canonical(label string) string {
	if x := f.lookup(label); x != nil {
		return x.Name
	}
	words := familyWords(label)
	for len(words) > 1 && genericWord[words[len(words)-1]] {
		words = words[:len(words)-1]
	}
	if len(words) == 0 || words[0] == "unknown" || words[0] == "unidentified" {
		return UnknownFamily
	}
	return strings.Join(words, " ")
}

// Of gives the family that a label means; false where it is none that is known.
func (f *Families) Of(label string) (Family, bool) {
	if x := f.lookup(label); x != nil {
		return *x, true
	}
	return Family{}, false
}

// In finds a known family in words about something else: the name of a file, a title, a tag.
// It is the one whose name comes first; false where there is none.
func (f *Families) In(text string) (string, bool) {
	words := familyWords(text)
	for i := range words {
		for n := min(4, len(words)-i); n > 0; n-- {
			key := strings.Join(words[i:i+n], "")
			if x := f.byKey[key]; x != nil && (len(key) > 3 || n > 1 || len(words) == 1) {
				return x.Name, true
			}
		}
	}
	return "", false
}

func (f *Families) lookup(label string) *Family {
	if x := f.byKey[familyKey(label)]; x != nil {
		return x
	}
	// win.qakbot, elf.mirai: Malpedia's names begin with the system.
	if system, rest, ok := strings.Cut(label, "."); ok && malpediaSystem[strings.ToLower(strings.TrimSpace(system))] {
		if x := f.byKey[familyKey(rest)]; x != nil {
			return x
		}
	}
	plain := label
	if i := strings.IndexByte(plain, '('); i > 0 { // "Qakbot (AA)", "Browser Exploitation Framework (BeEF)"
		if x := f.byKey[familyKey(plain[:i])]; x != nil {
			return x
		}
		if j := strings.IndexByte(plain, ')'); j > i {
			if x := f.byKey[familyKey(plain[i:j])]; x != nil {
				return x
			}
		}
		plain = plain[:i]
	}
	words := familyWords(plain)
	for len(words) > 1 && genericWord[words[len(words)-1]] {
		words = words[:len(words)-1]
		if x := f.byKey[strings.Join(words, "")]; x != nil {
			return x
		}
	}
	// "Mega-D/Ozdok", "shiotob/urlzone/bebloh": several names of one family.
	var found *Family
	for part := range strings.FieldsFuncSeq(label, func(r rune) bool { return r == '/' || r == ',' || r == '|' }) {
		if part == label {
			break
		}
		x := f.byKey[familyKey(part)]
		if x == nil {
			continue
		}
		if found != nil && found != x {
			return nil
		}
		found = x
	}
	return found
}

// genericWord are words behind a name that say what it is, not which.
var genericWord = map[string]bool{
	"c2": true, "cnc": true, "c2s": true, "cc": true, "botnet": true, "trojan": true, "malware": true, "bot": true, "worm": true,
	"backdoor": true, "framework": true, "panel": true, "server": true, "loader": true, "stealer": true, "infostealer": true, "rat": true,
	"ransomware": true, "banker": true, "cryptominer": true, "downloader": true, "rootkit": true, "spyware": true, "tool": true, "iocs": true, "ioc": true,
}

var malpediaSystem = map[string]bool{
	"win": true, "win32": true, "win64": true, "elf": true, "osx": true, "apk": true, "ios": true, "js": true, "php": true, "py": true, "ps1": true, "vbs": true, "jar": true,
	"asp": true, "fas": true, "sh": true, "symbian": true, "aix": true,
}

// familyKey is a name without case, spaces and signs.
func familyKey(s string) string { return strings.Join(familyWords(s), "") }

// familyWords cuts a label into its words of letters and digits, lower case.
func familyWords(s string) []string {
	const most = 200
	if s = strings.ToLower(strings.ToValidUTF8(clip(s, most), "")); len(s) > most {
		s = clip(s, most)
	}
	return strings.FieldsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r < 0x80
	})
}

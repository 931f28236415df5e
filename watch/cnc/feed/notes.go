package feed

import (
	"bufio"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"depeer/watch/cnc"
)

// parseNotes reads a researcher's notes of one campaign: headings, and under them what was found, one a line. The
// family and the day stand in the first lines or in the file's name. What is under "C2" are C&C servers, what
// is under "download", "payload", "distro" gives malware away; senders, hashes, references and the
// text of scripts are counted and left.
func parseNotes(in *intake, r io.Reader) error {
	n := &notes{in: in, kind: cnc.CNC}
	n.family = in.o.Family
	if n.family == "" {
		n.family, _ = in.o.Families.In(path.Base(in.o.Name))
	}
	in.dayOfName()
	b := bufio.NewReader(r)
	for count := 0; ; count++ {
		line, err := readLine(b)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		text := strings.TrimSpace(line)
		if text == "" || strings.Trim(text, "*=-_#~ ") == "" {
			n.blank = true
			continue
		}
		if count < 6 && n.top(text) {
			n.blank = false
			continue
		}
		if err := n.line(text); err != nil {
			return err
		}
		n.blank = false
	}
}

type notes struct {
	in     *intake
	family string
	kind   cnc.Kind // of the present section, "" where it holds no hosts
	of     string   // the family that its heading names
	blank  bool     // the line before was empty
}

var topWords = regexp.MustCompile(`(?i)^threat\s+(identification|attribution)\s*:`)

// top reads the first lines: "THREAT IDENTIFICATION: QAKBOT (BB)", "02.05.2022 | Qakbot | AA | ...".
func (n *notes) top(text string) bool {
	if topWords.MatchString(text) {
		_, name, _ := strings.Cut(text, ":")
		if x, ok := n.in.o.Families.Of(strings.TrimSpace(name)); ok {
			n.name(x.Name)
		} else if x, ok := n.in.o.Families.In(name); ok {
			n.name(x)
		} else if n.family == "" {
			n.family = strings.TrimSpace(name)
		}
		return true
	}
	if strings.Contains(text, "|") {
		day := dayIn(text)
		if !day.IsZero() {
			n.in.o.At, n.in.o.Precision = day, "day"
		}
		for part := range strings.SplitSeq(text, "|") {
			if x, ok := n.in.o.Families.Of(strings.TrimSpace(part)); ok {
				n.name(x.Name)
				return true
			}
		}
		return !day.IsZero()
	}
	return false
}

// name takes a family that the text gives, unless whoever imports it knows better.
func (n *notes) name(family string) {
	if n.in.o.Family == "" {
		n.family = family
	}
}

var (
	headingCNC = regexp.MustCompile(`(?i)\b(c2|c2s|c2's|c&c|cnc|c and c|command and control|tier ?1)\b`)
	headingGet = regexp.MustCompile(`(?i)(download|distro|drop(ped|per)? ?url|drops?\b|payload|redirect|landing|opendir|maldoc url|zip url|hosting|\burls?\b|domains?\b)`)
	headingNot = regexp.MustCompile(`(?i)(sender|subject|hash|password|reference|evidence|mutex|attachment|recipient|exec|content|script|command|strings|properties|target|certificate|scheduled|registry|memory|email|traffic from|config)`)
	hexDigest  = regexp.MustCompile(`^[0-9a-fA-F]{32,128}$`)
	labelled   = regexp.MustCompile(`(?i)^\.?(url|zip|dll|xls|xlsb|js|hta|msi|c2|ip|domain|link|lnk|iso|wsf|one|pdf|html)\s*[:=>-]*\s+(\S+)$`)
)

// heading reports whether a line is one, and what stands under it.
func (n *notes) heading(text string) bool {
	if len(text) > 90 || strings.Contains(text, "://") {
		return false
	}
	words := strings.Trim(text, " :>")
	if words == "" {
		return true
	}
	if f := strings.Fields(words); len(f) > 1 && hexDigest.MatchString(f[1]) { // ".dll d212b3da..."
		return false
	}
	_, host := hostIn(strings.Fields(words)[0])
	switch {
	case headingNot.MatchString(words) && (text == strings.ToUpper(text) || n.blank) && !host:
		n.kind, n.of = "", ""
	case headingCNC.MatchString(words) && !host:
		n.kind, n.of = cnc.CNC, ""
	case headingGet.MatchString(words) && !host && (n.blank || text == strings.ToUpper(text)):
		n.kind, n.of = cnc.Malware, ""
	case strings.EqualFold(words, "network"), strings.HasPrefix(strings.ToLower(words), "epoch"):
		n.kind, n.of = cnc.CNC, ""
	case n.blank && (words[0] == '.' || text == strings.ToUpper(text)) && !host && len(strings.Fields(words)) < 8:
		// ".dll", "JLNK PROPERTIES": hosts under a kind of file give it away; what is unknown holds none.
		n.kind, n.of = "", ""
		if words[0] == '.' {
			n.kind = cnc.Malware
		}
	default:
		return false
	}
	if x, ok := n.in.o.Families.In(words); ok && n.kind == cnc.CNC {
		n.of = x
	}
	return true
}

func (n *notes) line(text string) error {
	if n.heading(text) {
		return nil
	}
	if err := n.in.entry(); err != nil {
		return err
	}
	word := text
	kind := n.kind
	if m := labelled.FindStringSubmatch(text); m != nil {
		word = m[2]
		if kind == "" || strings.Contains(m[2], "://") {
			kind = cnc.Malware
		}
	} else if f := strings.Fields(text); len(f) > 1 {
		// "1.2.3.4:443 - tier 1", "http://... (redirects)": the host leads, and a remark follows.
		if !slices.Contains([]string{"-", "|", "(", "->", "=>", "#", "//"}, f[1]) && f[1][0] != '(' {
			n.in.drop(cnc.NotASource, "%.60q", text)
			return nil
		}
		word = f[0]
	}
	s, ok := hostIn(word)
	switch {
	case hexDigest.MatchString(word), strings.Contains(word, "@"), !ok, s.URL == "" && s.Name != "" && fileName(s.Name):
		n.in.drop(cnc.NotASource, "%.60q", text)
		return nil
	case ordinary(first(s.Name, hostOf(s.URL))):
		n.in.drop(cnc.Ordinary, "%.80s", word)
		return nil
	case kind == "" && s.URL == "" && s.Port == 0:
		n.in.drop(cnc.NotASource, "%.60q under a heading that promises no host", text)
		return nil
	case kind == "":
		kind = cnc.Malware
		if s.URL == "" {
			kind = cnc.CNC
		}
	}
	if s.URL == "" && s.Port != 0 { // nobody gives malware away at 192.0.2.1:2222
		kind = cnc.CNC
	}
	s.Kind, s.Family = kind, first(n.of, n.family)
	n.in.take(s)
	return nil
}

package feed

import (
	"encoding/json"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"depeer/watch/cnc"
)

// mispEvent is what is read of a MISP event (the MISP core format, draft-dulaunoy-misp-core-format).
type mispEvent struct {
	Info      string          `json:"info"`
	Date      string          `json:"date"`
	Timestamp json.RawMessage `json:"timestamp"`
	Attribute []mispAttribute `json:"Attribute"`
	Object    []mispObject    `json:"Object"`
	Tag       []mispTag       `json:"Tag"`
	Galaxy    []mispGalaxy    `json:"Galaxy"`
}

type mispAttribute struct {
	Type      string          `json:"type"`
	Category  string          `json:"category"`
	Value     string          `json:"value"`
	Comment   string          `json:"comment"`
	Relation  string          `json:"object_relation"`
	Timestamp json.RawMessage `json:"timestamp"`
	First     *string         `json:"first_seen"`
	Last      *string         `json:"last_seen"`
	Deleted   mispBool        `json:"deleted"`
	Tag       []mispTag       `json:"Tag"`
	Galaxy    []mispGalaxy    `json:"Galaxy"`
}

type mispObject struct {
	Name      string          `json:"name"`
	Comment   string          `json:"comment"`
	Deleted   mispBool        `json:"deleted"`
	First     *string         `json:"first_seen"`
	Last      *string         `json:"last_seen"`
	Attribute []mispAttribute `json:"Attribute"`
}

type mispTag struct {
	Name string `json:"name"`
}

type mispGalaxy struct {
	Type    string `json:"type"`
	Cluster []struct {
		Value string `json:"value"`
	} `json:"GalaxyCluster"`
}

// mispBool is true, "1" or 1: MISP's exports differ.
type mispBool bool

func (b *mispBool) UnmarshalJSON(raw []byte) error {
	s := strings.Trim(string(raw), `"`)
	*b = s == "true" || s == "1"
	return nil
}

// parseMISP reads events: one, {"Event": ...}, a list of them, or the answer of a search {"response": [...]}.
func parseMISP(in *intake, r io.Reader) error {
	s := newStream(r)
	s.src.limit = maxEvent
	s.src.left = maxEvent
	take := func(raw json.RawMessage) error {
		var e struct {
			Event *mispEvent `json:"Event"`
			mispEvent
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			if err := in.entry(); err != nil {
				return err
			}
			in.drop(cnc.Malformed, "%v", err)
			return nil
		}
		if e.Event != nil {
			return in.misp(e.Event)
		}
		return in.misp(&e.mispEvent)
	}
	var bare []json.RawMessage
	err := s.values(func(raw json.RawMessage) error {
		// The elements of an event's own lists lead to it; those of a list of events are events.
		if len(raw) > 8 && strings.HasPrefix(strings.TrimLeft(string(raw[1:min(len(raw), 80)]), " \t\r\n"), `"Event"`) {
			return take(raw)
		}
		if len(bare) >= in.o.MaxEntries {
			return errEnough
		}
		bare = append(bare, raw)
		return nil
	}, func(own map[string]json.RawMessage) error {
		if raw, ok := own["Event"]; ok {
			return take(raw)
		}
		if _, ok := own["info"]; ok { // an event without its wrapping
			raw, err := wrapEvent(own, bare)
			if err != nil {
				return err
			}
			bare = nil
			return take(raw)
		}
		return nil
	})
	for _, raw := range bare {
		if err != nil {
			break
		}
		err = take(raw)
	}
	return err
}

const maxEvent = 256 << 20

// wrapEvent puts an event together again of its members: attributes, objects and tags are told apart by what they have.
func wrapEvent(own map[string]json.RawMessage, parts []json.RawMessage) (json.RawMessage, error) {
	var attributes, objects, tags []json.RawMessage
	for _, p := range parts {
		var x struct {
			Value *string           `json:"value"`
			Name  *string           `json:"name"`
			List  []json.RawMessage `json:"Attribute"`
		}
		if json.Unmarshal(p, &x) != nil {
			continue
		}
		switch {
		case x.Value != nil:
			attributes = append(attributes, p)
		case x.List != nil:
			objects = append(objects, p)
		case x.Name != nil:
			tags = append(tags, p)
		}
	}
	all := map[string]any{"Attribute": attributes, "Object": objects, "Tag": tags}
	for k, v := range own {
		all[k] = v
	}
	delete(all, "Galaxy")
	return json.Marshal(all)
}

// misp takes the attributes of an event.
func (in *intake) misp(e *mispEvent) error {
	at, precision, ok := when(e.Date)
	if !ok || at.IsZero() {
		at, precision, _ = when(unquote(e.Timestamp))
	}
	family := mispFamily(in, e.Tag, e.Galaxy)
	if family == "" {
		family, _ = in.o.Families.In(e.Info)
	}
	ctx := mispContext{family: family, at: at, precision: precision, note: e.Info, kind: mispKind(e.Tag, "")}
	for i := range e.Attribute {
		if err := in.attribute(&e.Attribute[i], ctx, nil); err != nil {
			return err
		}
	}
	for i := range e.Object {
		o := &e.Object[i]
		c := ctx
		if k := mispKind(nil, o.Comment); k != "" {
			c.kind = k
		}
		c.first, c.last, c.gone = o.First, o.Last, bool(o.Deleted)
		for k := range o.Attribute {
			if err := in.attribute(&o.Attribute[k], c, o); err != nil {
				return err
			}
		}
	}
	return nil
}

type mispContext struct {
	family, precision, note string
	at                      time.Time
	kind                    cnc.Kind
	first, last             *string
	gone                    bool
}

// attribute takes one attribute. The port of an object goes with its address.
func (in *intake) attribute(a *mispAttribute, c mispContext, o *mispObject) error {
	if err := in.entry(); err != nil {
		return err
	}
	value, second, _ := strings.Cut(a.Value, "|")
	var s cnc.Sighting
	var ok bool
	switch a.Type {
	case "ip-dst", "domain", "hostname", "url", "uri", "link":
		if a.Type == "link" && a.Category == "External analysis" {
			in.drop(cnc.Ordinary, "%.80s", a.Value)
			return nil
		}
		s, ok = hostIn(a.Value)
	case "ip-dst|port", "hostname|port":
		s, ok = hostIn(value)
		n, err := strconv.ParseUint(second, 10, 16)
		if err != nil {
			in.drop(cnc.BadPort, "%.20q", second)
			return nil
		}
		s.Port = uint16(n)
	case "domain|ip":
		if s, ok = hostIn(second); ok {
			s.Name = value
		}
	default: // hashes, files, who attacked (ip-src)
		in.drop(cnc.NotASource, "%s", a.Type)
		return nil
	}
	switch {
	case !ok:
		in.drop(cnc.BadHost, "%.80q is no host", a.Value)
		return nil
	case bool(a.Deleted) || c.gone:
		in.drop(cnc.Doubtful, "%.80s was deleted", a.Value)
		return nil
	}
	if o != nil && s.Port == 0 && s.URL == "" {
		s.Port = portOf(o)
	}
	if !in.mispTime(&s, a, c) {
		return nil
	}
	s.Family = first(mispFamily(in, a.Tag, a.Galaxy), c.family)
	if s.Kind = mispKind(a.Tag, a.Comment); s.Kind == "" {
		s.Kind = c.kind
	}
	if s.Kind == "" {
		s.Kind = cnc.CNC
		if a.Category == "Payload delivery" || a.Category == "Payload installation" {
			s.Kind = cnc.Malware
		}
	}
	s.Note = first(a.Comment, c.note)
	in.take(s)
	return nil
}

// mispTime: what the attribute says of its sight, or its object, or else the day of the event. The
// timestamp of an attribute is that of its last edit.
func (in *intake) mispTime(s *cnc.Sighting, a *mispAttribute, c mispContext) bool {
	seen := func(own, of *string) string {
		if own != nil && *own != "" {
			return *own
		}
		if of != nil {
			return *of
		}
		return ""
	}
	if !span(s, seen(a.First, c.first), seen(a.Last, c.last)) {
		in.drop(cnc.BadTime, "%.40q, %.40q", seen(a.First, c.first), seen(a.Last, c.last))
		return false
	}
	if s.At.IsZero() {
		s.At, s.Precision = c.at, c.precision
	}
	if t, _, ok := when(unquote(a.Timestamp)); ok {
		s.Reported = t
	}
	return true
}

func portOf(o *mispObject) uint16 {
	for _, a := range o.Attribute {
		if a.Type == "port" && (a.Relation == "dst-port" || a.Relation == "port") {
			n, _ := strconv.ParseUint(a.Value, 10, 16)
			return uint16(n)
		}
	}
	return 0
}

func unquote(raw json.RawMessage) string { return strings.Trim(string(raw), `"`) }

var galaxyTag = regexp.MustCompile(`(?i)^misp-galaxy:(?:malware|mitre-malware|mitre-tool|tool|malpedia|rat|banker|botnet|stealer|backdoor|ransomware|mitre-enterprise-attack-malware)="([^"]+?)(?: - [SG]\d+)?"`)

// mispFamily finds the family that tags and galaxies name: MISP's own clusters first, then tags that are a known name.
func mispFamily(in *intake, tags []mispTag, galaxies []mispGalaxy) string {
	for _, t := range tags {
		if m := galaxyTag.FindStringSubmatch(t.Name); m != nil {
			return m[1]
		}
	}
	for _, g := range galaxies {
		switch g.Type {
		case "malpedia", "mitre-malware", "tool", "rat", "banker", "botnet", "stealer", "backdoor", "mitre-tool":
			for _, c := range g.Cluster {
				if name, _, _ := strings.Cut(c.Value, " - S"); name != "" {
					return name
				}
			}
		}
	}
	for _, t := range tags {
		name := t.Name
		if _, value, ok := strings.Cut(name, `="`); ok {
			name = strings.TrimSuffix(value, `"`)
		}
		if x, ok := in.o.Families.Of(name); ok {
			return x.Name
		}
	}
	return ""
}

// mispKind reads what tags and a comment say that a host does; "" where nothing.
func mispKind(tags []mispTag, comment string) cnc.Kind {
	text := strings.ToLower(comment)
	for _, t := range tags {
		text += " " + strings.ToLower(t.Name)
	}
	switch {
	case strings.Contains(text, "c2") || strings.Contains(text, "c&c") || strings.Contains(text, "command and control") || strings.Contains(text, "command-and-control"):
		return cnc.CNC
	case strings.Contains(text, "phish"):
		return cnc.Phishing
	case strings.Contains(text, "download") || strings.Contains(text, "payload delivery") || strings.Contains(text, "hosting") || strings.Contains(text, "kill-chain:\"delivery\""):
		return cnc.Malware
	}
	return ""
}

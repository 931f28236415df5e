package main

import (
	"encoding"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"depeer/bgp"
	"depeer/watch"
)

// decoder fills Go values from nodes, by the `yaml` tags of their fields. What
// the text does not mention keeps its value. Types decide how a scalar is read:
// uint32 is an AS number, time.Duration knows days, and a string type called
// Secret may come from a file.
type decoder struct {
	*faults
	configReader
	blind bool // nothing could be read: judging the values would repeat that
}

func (d *decoder) fault(n *node, format string, args ...any) {
	d.add(n.line, d.here(), format, args...)
}

var (
	typePrefix   = reflect.TypeFor[netip.Prefix]()
	typeAddr     = reflect.TypeFor[netip.Addr]()
	typeTime     = reflect.TypeFor[time.Time]()
	typeDuration = reflect.TypeFor[time.Duration]()
	typeText     = reflect.TypeFor[encoding.TextUnmarshaler]()
	typeValidity = reflect.TypeFor[watch.Validity]()
)

// decode fills v, which must be settable, from n.
func (d *decoder) decode(n *node, v reflect.Value) {
	if n.kind == nothing || n.kind == unread {
		return // "prefixes:" with every item commented out
	}
	switch {
	case v.Type() == typeValidity:
		d.validity(n, v.Addr().Interface().(*watch.Validity))
	case v.Type() == typePrefix || v.Type() == typeAddr || v.Type() == typeTime:
		d.scalar(n, v)
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.decode(n, v.Elem())
	case v.Kind() == reflect.Struct:
		d.fields(n, v)
	case v.Kind() == reflect.Slice:
		d.list(n, v)
	default:
		d.scalar(n, v)
	}
}

func (d *decoder) list(n *node, v reflect.Value) {
	if n.kind == scalar && v.Type().Elem().Kind() == reflect.String {
		// listen: "127.0.0.1:1790" is a list of one.
		one := *n
		n = &node{kind: list, line: n.line, items: []node{one}}
	}
	if n.kind != list {
		d.fault(n, "must be a list, is %s", n.shown())
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i := range n.items {
		// An element that is wrong stays, as a zero: the indexes of later faults
		// must be those of the text.
		d.in(step{index: i}, func() {
			if n.items[i].kind == nothing {
				d.fault(&n.items[i], "is empty")
				return
			}
			d.decode(&n.items[i], out.Index(i))
		})
	}
	v.Set(out)
}

func (d *decoder) fields(n *node, v reflect.Value) {
	if n.kind != mapping {
		d.fault(n, "must be a mapping, is %s", n.shown())
		return
	}
	names := fieldNames(v.Type())
	for i, k := range n.keys {
		d.in(step{key: k.name}, func() {
			f := slices.Index(names, k.name)
			if f < 0 || k.name == "" {
				d.unknownKey(k, names)
				return
			}
			d.decode(&n.items[i], v.Field(f))
		})
	}
}

// fieldNames gives the key of each field by its index, "" where it has none.
func fieldNames(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if name != "-" {
			names[i] = name
		}
	}
	return names
}

// shown is a node as a complaint shows it.
func (n *node) shown() string {
	if n.kind == scalar {
		return strconv.Quote(n.text)
	}
	return n.kind.String()
}

// text is the scalar with its environment variables put in. A fault does not
// show the value where it is a secret.
func (d *decoder) text(n *node, secret bool) (string, bool) {
	if n.kind != scalar {
		d.fault(n, "must be a single value, is %s", n.kind)
		return "", false
	}
	if !strings.Contains(n.text, "$") {
		return n.text, true
	}
	s, err := expand(n.text, d.env)
	switch {
	case err == nil:
		return s, true
	case secret:
		d.fault(n, "%v", err)
	default:
		d.fault(n, "%q: %v", n.text, err)
	}
	return "", false
}

// expand puts environment variables where s says ${NAME}; $$ is one $.
func expand(s string, env func(string) (string, bool)) (string, error) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "$")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		switch {
		case strings.HasPrefix(after, "$"):
			b.WriteByte('$')
			s = after[1:]
		case strings.HasPrefix(after, "{"):
			name, rest, closed := strings.Cut(after[1:], "}")
			if !closed || name == "" {
				return "", fmt.Errorf("${ needs a name and a } ($$ is a dollar sign)")
			}
			value, set := env(name)
			if !set {
				return "", fmt.Errorf("the environment has no %s", name)
			}
			b.WriteString(value)
			s = rest
		default:
			b.WriteByte('$')
			s = after
		}
	}
}

// scalar fills a value that is written in one piece.
func (d *decoder) scalar(n *node, v reflect.Value) {
	secret := isSecret(v.Type())
	s, ok := d.text(n, secret)
	if !ok {
		return
	}
	var value any
	var err error
	switch {
	case v.Type() == typePrefix:
		value, err = parsePrefix(s)
	case v.Type() == typeAddr:
		value, err = parseAddr(s)
	case v.Type() == typeTime:
		value, _, err = parseTime(s)
	case v.Type() == typeDuration:
		value, err = parseDuration(s)
	case secret:
		value, err = d.secret(s)
	case v.Type().PkgPath() != "" && v.Addr().Type().Implements(typeText):
		err = v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s))
		value = v.Interface()
	case v.Kind() == reflect.String:
		value = s
	case v.Kind() == reflect.Uint32:
		value, err = bgp.ParseASN(s)
	case v.Kind() == reflect.Bool:
		value, err = parseBool(s)
	case v.Kind() == reflect.Float64:
		value, err = parseFloat(s)
	case v.CanInt():
		value, err = parseInt(s, v.Type().Bits())
	default:
		panic("configuration: no way to read a " + v.Type().String())
	}
	if err != nil {
		d.fault(n, "%v", err)
		return
	}
	v.Set(reflect.ValueOf(value).Convert(v.Type()))
}

// isSecret knows the type by its name: each package that has secrets has its own.
func isSecret(t reflect.Type) bool { return t.Kind() == reflect.String && t.Name() == "Secret" }

// secret reads the file that "file:/path" names; the value itself is never shown.
func (d *decoder) secret(s string) (string, error) {
	path, ok := strings.CutPrefix(s, "file:")
	if !ok {
		return s, nil
	}
	text, err := d.readFile(path)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// validity reads {from: ..., to: ...}. The day that to names belongs to it.
func (d *decoder) validity(n *node, v *watch.Validity) {
	var bounds struct {
		From string `yaml:"from"`
		To   string `yaml:"to"`
	}
	d.fields(n, reflect.ValueOf(&bounds).Elem())
	read := func(name, s string, day time.Duration) time.Time {
		at := n.get(name)
		if s == "" && (at == nil || at.kind != scalar || slices.Contains(d.broken(), d.here()+"."+name)) {
			return time.Time{}
		}
		t, whole, err := parseTime(s)
		if err != nil {
			d.in(step{key: name}, func() { d.fault(at, "%v", err) })
			return time.Time{}
		}
		if whole {
			t = t.Add(day)
		}
		return t
	}
	v.From = read("from", bounds.From, 0)
	v.To = read("to", bounds.To, 24*time.Hour)
}

// parseTime reads a day (true: it is a whole day, its midnight UTC is returned)
// or an RFC 3339 time.
func parseTime(s string) (time.Time, bool, error) {
	t, err := time.Parse(time.DateOnly, s)
	day := err == nil
	if !day {
		t, err = time.Parse(time.RFC3339Nano, s)
	}
	// A year that RFC 3339 cannot write could not be told to anybody.
	if err != nil || t.UTC().Year() < 1 || t.UTC().Year() > 9998 {
		return time.Time{}, false, fmt.Errorf("%q is neither a day (2008-12-31) nor a time (2008-12-31T18:00:00Z)", s)
	}
	return t.UTC(), day, nil
}

// parseDuration reads what time.ParseDuration does, with days: 7d, 1d12h.
func parseDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf("%q is no duration (60s, 5m, 36h, 7d)", s)
	days, rest, found := strings.Cut(s, "d")
	if !found {
		t, err := time.ParseDuration(s)
		if err != nil {
			if _, number := strconv.ParseFloat(s, 64); number == nil {
				return 0, fmt.Errorf("%q has no unit (did you mean %ss?)", s, s)
			}
			return 0, bad
		}
		return t, nil
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil || n > 36500 {
		return 0, bad
	}
	t := time.Duration(n) * 24 * time.Hour
	if rest != "" {
		more, err := time.ParseDuration(rest)
		if err != nil || more < 0 || more > 1000*time.Hour {
			return 0, bad
		}
		t += more
	}
	return t, nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err == nil {
		if p.Addr().Is4In6() {
			return p, fmt.Errorf("%q is an IPv4 prefix written as IPv6", s)
		}
		return p, nil
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return p, fmt.Errorf("%q has no length (did you mean %s/%d?)", s, a, a.BitLen())
	}
	return p, fmt.Errorf("%q is no prefix (192.0.2.0/24, 2001:db8::/32)", s)
}

func parseAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return a, fmt.Errorf("%q is no IP address", s)
	}
	return a.Unmap(), nil
}

func parseBool(s string) (bool, error) {
	if s != "true" && s != "false" {
		return false, fmt.Errorf("%q is neither true nor false", s)
	}
	return s == "true", nil
}

func parseFloat(s string) (float64, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0, fmt.Errorf("%q is no number", s)
	}
	return f, nil
}

func parseInt(s string, bits int) (int64, error) {
	n, err := strconv.ParseInt(s, 10, bits)
	if err != nil {
		return 0, fmt.Errorf("%q is no whole number", s)
	}
	return n, nil
}

package feed

import (
	"errors"
	"strings"

	"depeer/watch/cnc"
)

// patternHosts reads the hosts of a STIX pattern (STIX 2.1 section 9): comparisons of the value of
// addresses, names and URLs with = or IN, joined by AND and OR. A port of network-traffic in the same observation goes with its
// hosts. Negated comparisons, LIKE, MATCHES and sets of addresses name no host.
func patternHosts(pattern string) ([]cnc.Sighting, error) {
	tokens, err := patternTokens(pattern)
	if err != nil {
		return nil, err
	}
	var out []cnc.Sighting
	begin, port := 0, uint16(0)
	for i := 0; i < len(tokens); i++ {
		switch t := tokens[i]; {
		case t.text == "[" && !t.quoted:
			begin, port = len(out), 0
		case t.text == "]" && !t.quoted:
			for k := begin; k < len(out) && port != 0; k++ {
				if out[k].URL == "" {
					out[k].Port = port
				}
			}
			begin = len(out)
		case t.quoted || i+2 >= len(tokens) || !strings.Contains(t.text, ":"):
		default:
			values, next := comparison(tokens, i+1)
			if values == nil {
				continue
			}
			object, property, _ := strings.Cut(t.text, ":")
			if object == "network-traffic" && property == "dst_port" && len(values) == 1 {
				port, _ = parsePort16(values[0])
			}
			if hostProperty(object, property) {
				for _, v := range values {
					if s, ok := hostIn(v); ok {
						out = append(out, s)
					}
				}
			}
			i = next - 1
		}
	}
	if len(out) == 0 {
		return nil, errors.New("names no host")
	}
	return out, nil
}

func hostProperty(object, property string) bool {
	switch object {
	case "ipv4-addr", "ipv6-addr", "domain-name", "url", "hostname":
		return property == "value"
	case "network-traffic":
		return property == "dst_ref.value"
	}
	return false
}

// comparison reads the values behind a property at i, and says where it ends; nil where it is no = or IN.
func comparison(tokens []patternToken, i int) ([]string, int) {
	switch op := tokens[i]; {
	case op.quoted:
		return nil, i
	case op.text == "=" && i+1 < len(tokens):
		return []string{tokens[i+1].text}, i + 2
	case strings.EqualFold(op.text, "IN") && i+1 < len(tokens) && tokens[i+1].text == "(":
		values := []string{}
		for i += 2; i < len(tokens) && (tokens[i].quoted || tokens[i].text != ")"); i++ {
			if tokens[i].quoted {
				values = append(values, tokens[i].text)
			}
		}
		return values, i
	}
	return nil, i
}

type patternToken struct {
	text   string
	quoted bool
}

const maxPattern = 64 << 10

func patternTokens(s string) ([]patternToken, error) {
	if len(s) > maxPattern {
		return nil, errors.New("is too long")
	}
	var out []patternToken
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			i++
		case c == '\'':
			var b strings.Builder
			for i++; ; i++ {
				if i >= len(s) {
					return nil, errors.New("has a text without an end")
				}
				if s[i] == '\\' && i+1 < len(s) {
					i++
				} else if s[i] == '\'' {
					i++
					break
				}
				b.WriteByte(s[i])
			}
			out = append(out, patternToken{b.String(), true})
		case strings.IndexByte("[]()=,", c) >= 0:
			out = append(out, patternToken{text: string(c)})
			i++
		default:
			end := i
			for end < len(s) && strings.IndexByte(" \t\r\n[]()=,'", s[end]) < 0 {
				end++
			}
			out = append(out, patternToken{text: s[i:end]})
			i = end
			// ipv4-addr:value!='x', hashes.'SHA-256': what is glued to a sign is no plain comparison.
		}
	}
	return out, nil
}

func parsePort16(s string) (uint16, bool) {
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		if n = n*10 + int(s[i]-'0'); n > 65535 {
			return 0, false
		}
	}
	return uint16(n), n > 0
}

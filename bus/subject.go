package bus

import (
	"encoding/hex"
	"hash/fnv"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const maxToken = 64

// token makes one subject token of any text: what NATS gives a meaning to (dots,
// wildcards, spaces) and what is not ASCII becomes a dash, and a long text is cut
// and ends in a hash. Two texts may share a token; the body has the text itself.
func token(s string) string {
	out := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '-'
	}, s)
	if out == "" {
		return "unknown"
	}
	if len(out) <= maxToken {
		return out
	}
	h := fnv.New64a()
	h.Write([]byte(s))
	sum := hex.EncodeToString(h.Sum(nil))
	return out[:maxToken-len(sum)-1] + "-" + sum
}

// cloudEvent holds the attributes of a CloudEvent 1.0.
type cloudEvent struct {
	id      string
	source  string // URI reference
	kind    string // its type
	subject string
	at      time.Time
	feed    string // our own extension attribute
}

// The header names. CloudEvents attributes are lower case with "ce-" before them
// (NATS protocol binding, section 3.1.3.1). The binding maps datacontenttype like
// any other attribute; content-type says the same to readers that follow the HTTP
// binding, and must not be application/cloudevents, which means structured mode.
const (
	headerVersion     = "ce-specversion"
	headerID          = "ce-id"
	headerSource      = "ce-source"
	headerType        = "ce-type"
	headerTime        = "ce-time"
	headerSubject     = "ce-subject"
	headerFeed        = "ce-feed" // CloudEvents 1.0 section 3.1: extension attributes are named like the others
	headerDataType    = "ce-datacontenttype"
	headerContentType = "content-type"

	contentType = "application/json"
)

// message is the event in binary mode.
func (e cloudEvent) message(subject string, body []byte) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Data = body
	m.Header = nats.Header{
		nats.MsgIdHdr:     {encodeHeader(e.id)},
		headerVersion:     {"1.0"},
		headerID:          {encodeHeader(e.id)},
		headerSource:      {encodeHeader(e.source)},
		headerType:        {encodeHeader(e.kind)},
		headerTime:        {e.at.UTC().Format(time.RFC3339Nano)},
		headerDataType:    {contentType},
		headerContentType: {contentType},
	}
	if e.feed != "" {
		m.Header[headerFeed] = []string{encodeHeader(e.feed)}
	}
	if e.subject != "" {
		m.Header[headerSubject] = []string{encodeHeader(e.subject)}
	}
	return m
}

// encodeHeader percent-encodes as section 3.1.3.2 of the binding asks: the space,
// the double quote, the percent sign and all that is not printable ASCII.
func encodeHeader(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c > 0x20 && c < 0x7f && c != '"' && c != '%' {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

// decodeHeader undoes encodeHeader; what is no percent-encoding stays as it is.
func decodeHeader(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out, err := url.PathUnescape(s)
	if err != nil {
		return s
	}
	return out
}

func hosterSource(id string) string { return "/depeer/hosters/" + url.PathEscape(id) }
func feedSource(name string) string { return "/depeer/feeds/" + url.PathEscape(name) }

package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"depeer/notify"
	"depeer/notify/notifytest"
)

const (
	secret  = "whsec_cGxhbnRlZC13ZWJob29rLXNpZ25pbmctc2VjcmV0"
	second  = "another-planted-signing-secret"
	path    = "planted-path-token"
	query   = "planted-query-token"
	bearer  = "planted-bearer-token"
	maxSize = 64 << 10
)

// program is one that holds to both specifications.
type program struct {
	notifytest.Board
	binary bool
}

func (p *program) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p.Want(len(body) <= maxSize, "%d bytes", len(body))
	p.Want(r.Method == "POST" && r.Header.Get("Authorization") == "Bearer "+bearer, "not what was configured")
	id, stamp := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
	if _, err := strconv.ParseInt(stamp, 10, 64); err != nil {
		p.Fault("webhook-timestamp %q", stamp)
	}
	signatures := strings.Split(r.Header.Get("webhook-signature"), " ")
	p.Want(len(signatures) == 2 && verify(signatures[0], "planted-webhook-signing-secret", id, stamp, body) && verify(signatures[1], second, id, stamp, body),
		"wrong signatures %q", signatures)
	var e struct {
		SpecVersion, ID, Source, Type, Subject, Time, DataContentType string
		Data                                                          json.RawMessage
	}
	if p.binary {
		p.Want(r.Header.Get("Content-Type") == "application/json", "binary with %q", r.Header.Get("Content-Type"))
		get := func(name string) string {
			v, err := url.PathUnescape(r.Header.Get("ce-" + name))
			p.Want(err == nil, "ce-%s: %v", name, err)
			return v
		}
		e.SpecVersion, e.ID, e.Source, e.Type, e.Subject, e.Time = get("specversion"), get("id"), get("source"), get("type"), get("subject"), get("time")
		e.Data = body
	} else {
		p.Want(r.Header.Get("Content-Type") == "application/cloudevents+json; charset=UTF-8", "structured with %q", r.Header.Get("Content-Type"))
		p.Want(json.Unmarshal(body, &e) == nil && e.DataContentType == "application/json", "no event: %.200s", body)
	}
	p.Want(e.SpecVersion == "1.0" && e.ID != "" && e.Source != "" && e.Type == Type && e.ID == id, "attributes %+v", e)
	if _, err := time.Parse(time.RFC3339Nano, e.Time); err != nil {
		p.Fault("time %q", e.Time)
	}
	var d Data
	if err := json.Unmarshal(e.Data, &d); err != nil {
		p.Fault("data: %v", err)
		return
	}
	var all any
	_ = json.Unmarshal(e.Data, &all)
	shown := notifytest.Shown{Title: d.Title, Text: notifytest.Flat(all), Closed: d.Resolved}
	if d.Picture != nil {
		shown.Picture = d.Picture.PNG
	}
	p.Put(e.Subject, shown)
	w.WriteHeader(http.StatusNoContent)
}

func verify(signature, key, id, stamp string, body []byte) bool {
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = io.Copy(mac, io.MultiReader(strings.NewReader(id+"."+stamp+"."), bytes.NewReader(body)))
	return signature == "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestReceiver(t *testing.T) {
	for _, mode := range []string{"structured", "binary"} {
		t.Run(mode, func(t *testing.T) {
			notifytest.Run(t, notifytest.HTTP{
				Subject: notifytest.Subject{Secrets: []string{secret, "planted-webhook-signing-secret", second, path, query, bearer}, Pictures: true},
				Start:   func(*testing.T) notifytest.Service { return &program{binary: mode == "binary"} },
				New: func(t *testing.T, at notifytest.Place) notify.Receiver {
					c := DefaultConfig()
					c.URL = notify.Secret(at.URL + "/hook/" + path + "?key=" + query)
					c.Secrets, c.Mode, c.Picture, c.MaxSize = []notify.Secret{secret, second}, mode, true, maxSize
					c.Headers = []Header{{"Authorization", "Bearer " + bearer}}
					r, err := New(c, Deps{HTTP: at.HTTP})
					if err != nil {
						t.Fatal(err)
					}
					return r
				},
			})
		})
	}
}

// The example of the Standard Webhooks reference libraries.
func TestSignatureOfTheReference(t *testing.T) {
	c := DefaultConfig()
	c.URL, c.Secrets = "https://example.org", []notify.Secret{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
	r, err := New(c, Deps{Now: func() time.Time { return time.Unix(1614265330, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	r.sign(h, "msg_p5jXN8AQM9LWM0D4loKWxJek", []byte(`{"test": 2432232314}`))
	if got := h.Get("webhook-signature"); got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("%s", got)
	}
}

func TestValidate(t *testing.T) {
	c := DefaultConfig()
	c.URL, c.Mode, c.MaxSize, c.Source = "ftp://user:hunter2@x", "both", 1, ""
	c.Secrets = []notify.Secret{"short", "whsec_!"}
	c.Headers = []Header{{"Content-Type", "x"}, {"a b", "x"}, {"X-Y", "a\r\nb"}}
	want := `url: is no http or https URL
secrets[0]: is shorter than 16 bytes
secrets[1]: what follows whsec_ is no base64
headers[0].name: "Content-Type" is set by depeer
headers[1].name: "a b" is no header
headers[2].value: has a line break
mode: "both" is neither structured nor binary
max_size: 1 is not between 8192 and 16777216
source: "" is no URI reference`
	if err := c.Validate(); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	if _, err := New(c, Deps{}); err == nil {
		t.Error("New takes what Validate refuses")
	}
}

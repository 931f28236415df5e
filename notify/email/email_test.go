package email

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	netmail "net/mail"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/html"

	"depeer/notify"
	"depeer/notify/notifytest"
)

const password = "planted-smtp-password"

// certificate is one for 127.0.0.1, and who trusts it.
var certificate = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s.TLS.Certificates[0], pool
})

// server is an SMTP server (RFC 5321) with one mailbox, which shows a Message-ID once.
type server struct {
	notifytest.Board
	address string
	mode    string // starttls, tls, none
	fail    func(verb, argument string) string

	mu      sync.Mutex
	letters []string // raw, in order; guarded by mu
	rcpts   []string
}

func serve(t *testing.T, mode string) *server {
	t.Helper()
	s := &server{mode: mode}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.session(c) })
		}
	})
	return s
}

func (s *server) session(c net.Conn) {
	defer func() { _ = c.Close() }()
	cert, _ := certificate()
	secure := s.mode == "tls"
	if secure {
		c = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
	}
	in := bufio.NewReader(c)
	say := func(format string, args ...any) { fmt.Fprintf(c, format+"\r\n", args...) }
	say("220 mail.example.org ESMTP")
	authed, from := false, ""
	var rcpts []string
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		s.Want(strings.HasSuffix(line, "\r\n"), "a line without CR LF: %q", line)
		verb, argument, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		verb = strings.ToUpper(verb)
		if s.fail != nil {
			if answer := s.fail(verb, argument); answer != "" {
				say("%s", answer)
				continue
			}
		}
		switch verb {
		case "EHLO":
			say("250-mail.example.org")
			if s.mode == "starttls" && !secure {
				say("250-STARTTLS")
			}
			say("250-AUTH PLAIN")
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go ahead")
			c = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
			in, secure = bufio.NewReader(c), true
		case "AUTH":
			_, token, _ := strings.Cut(argument, " ")
			text, _ := base64.StdEncoding.DecodeString(token)
			authed = string(text) == "\x00depeer\x00"+password
			s.Want(authed && (secure || s.mode == "none"), "AUTH %t, encrypted %t", authed, secure)
			say("235 welcome")
		case "MAIL":
			s.Want(authed, "MAIL without AUTH")
			from, rcpts = argument, nil
			say("250 ok")
		case "RCPT":
			rcpts = append(rcpts, argument)
			say("250 ok")
		case "DATA":
			s.Want(from != "" && len(rcpts) > 0, "DATA without MAIL or RCPT")
			say("354 go on")
			raw, err := body(in)
			if err != nil {
				return
			}
			s.keep(raw, rcpts)
			say("250 queued")
		case "RSET", "NOOP":
			say("250 ok")
		case "QUIT":
			say("221 bye")
			return
		default:
			s.Fault("the verb %q", verb)
			say("500 what?")
		}
	}
}

// body reads up to the lone dot, and takes the doubled ones back.
func body(in *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", err
		}
		if line == ".\r\n" {
			return b.String(), nil
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
}

func (s *server) keep(raw string, rcpts []string) {
	s.mu.Lock()
	s.letters = append(s.letters, raw)
	s.rcpts = append(s.rcpts, rcpts...)
	s.mu.Unlock()
	for line := range strings.SplitSeq(raw, "\n") {
		s.Want(len(line) <= 999, "a line of %d bytes", len(line))
	}
	m, err := netmail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		s.Fault("%v", err)
		return
	}
	h := m.Header
	for _, name := range []string{"Message-Id", "Date", "Subject", "From", "To", "List-Id", "Auto-Submitted", "References", "In-Reply-To"} {
		s.Want(len(h[name]) == 1, "%d of %s", len(h[name]), name)
	}
	_, err = h.Date()
	s.Want(err == nil, "Date: %v", err)
	s.Want(h.Get("Auto-Submitted") == "auto-generated" && h.Get("List-Id") == "depeer <depeer.example.org>", "%v", h)
	s.Want(strings.HasPrefix(h.Get("Message-ID"), "<") && strings.HasSuffix(h.Get("Message-ID"), "@example.org>"), "Message-ID %s", h.Get("Message-ID"))
	var shown notifytest.Shown
	for name := range h {
		if name == "Bcc" || name == "Cc" {
			shown.Active = append(shown.Active, "header "+name)
		}
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	s.Want(err == nil, "Subject: %v", err)
	shown.Title = subject
	s.parts(h.Get("Content-Type"), h.Get("Content-Transfer-Encoding"), m.Body, &shown)
	s.Put(h.Get("Message-ID")+h.Get("To"), shown)
}

// parts reads a MIME tree.
func (s *server) parts(kind, encoding string, r io.Reader, shown *notifytest.Shown) {
	media, params, err := mime.ParseMediaType(kind)
	s.Want(err == nil, "Content-Type %q: %v", kind, err)
	if strings.HasPrefix(media, "multipart/") {
		for mr := multipart.NewReader(r, params["boundary"]); ; {
			p, err := mr.NextRawPart()
			if err != nil {
				s.Want(err == io.EOF, "multipart: %v", err)
				return
			}
			if media == "multipart/related" && p.Header.Get("Content-ID") != "" {
				s.Want(p.Header.Get("Content-ID") == "<timeline>", "Content-ID %q", p.Header.Get("Content-ID"))
			}
			s.parts(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p, shown)
		}
	}
	switch encoding {
	case "quoted-printable":
		r = quotedprintable.NewReader(r)
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, r)
	}
	content, err := io.ReadAll(r)
	s.Want(err == nil, "%s: %v", media, err)
	switch media {
	case "text/plain":
		shown.Text = string(content)
	case "text/html":
		s.html(string(content), shown)
	case "image/png":
		shown.Picture = content
	default:
		s.Fault("a part of %s", media)
	}
}

// html notes what acts in a page, and whether it says what the text says.
func (s *server) html(page string, shown *notifytest.Shown) {
	var words strings.Builder
	for z := html.NewTokenizer(strings.NewReader(page)); z.Next() != html.ErrorToken; {
		t := z.Token()
		if t.Type == html.TextToken {
			words.WriteString(t.Data + " ")
		}
		if t.Type != html.StartTagToken && t.Type != html.SelfClosingTagToken {
			continue
		}
		if t.Data == "script" || t.Data == "iframe" || t.Data == "form" {
			shown.Active = append(shown.Active, "<"+t.Data+">")
		}
		for _, a := range t.Attr {
			if a.Key == "href" || a.Key == "src" && a.Val != "cid:timeline" || strings.HasPrefix(a.Key, "on") {
				shown.Active = append(shown.Active, a.Val)
			}
		}
	}
	shown.Text += "\n" + words.String()
}

func receiver(t *testing.T, address, mode string, dial notifytest.Dial, to ...string) notify.Receiver {
	t.Helper()
	c := DefaultConfig()
	host, port, _ := net.SplitHostPort(address)
	c.Host, c.TLS, c.User, c.Password = host, mode, "depeer", password
	c.Port, _ = strconv.Atoi(port)
	c.From, c.To = "depeer <depeer@example.org>", to
	if len(to) == 0 {
		c.To = []string{"Anna <anna@example.net>"}
	}
	_, pool := certificate()
	r, err := New(c, Deps{Dial: dial, TLS: &tls.Config{RootCAs: pool}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReceiver(t *testing.T) {
	for _, mode := range []string{"starttls", "tls", "none"} {
		t.Run(mode, func(t *testing.T) {
			s := notifytest.Subject{Secrets: []string{password}, Appends: true, Quiet: true, NoClose: true, Pictures: true}
			s.Open = func(t *testing.T) (notify.Receiver, notifytest.Screen) {
				server := serve(t, mode)
				return receiver(t, server.address, mode, nil), server
			}
			if mode == "starttls" {
				notifytest.Contents(t, s)
			} else {
				r, screen := s.Open(t)
				if _, err := r.Send(t.Context(), notifytest.Blackout()); err != nil || len(screen.Shown()) != 1 {
					t.Errorf("%v, %+v", err, screen.Shown())
				}
			}
			create := func(t *testing.T, address string, dial notifytest.Dial) notify.Receiver {
				if mode == "none" {
					return receiver(t, strings.Replace(address, "gone.invalid", "127.0.0.2", 1), "starttls", dial)
				}
				return receiver(t, address, mode, dial)
			}
			notifytest.Conn(t, s, create)
			notifytest.Silent(t, s, create)
			r, _ := s.Open(t)
			notifytest.NoSecrets(t, s.Secrets, r)
		})
	}
}

// Each reply of the server is judged, and none of them shows the password that it repeats.
func TestReplies(t *testing.T) {
	s := notifytest.Subject{Secrets: []string{password}}
	for _, c := range []struct {
		verb, answer string
		retry        bool
	}{
		{"EHLO", "421 try later", true},
		{"AUTH", "535 5.7.8 no: " + password + " is wrong", false},
		{"AUTH", "454 4.7.0 temporary failure", true},
		{"MAIL", "451 4.3.0 try again", true},
		{"MAIL", "550 5.7.1 we do not like you", false},
		{"RCPT", "450 4.2.1 greylisted", true},
		{"RCPT", "550 5.1.1 no such user", false},
		{"DATA", "452 4.3.1 disk full", true},
		{"DATA", "554 5.6.0 no", false},
	} {
		t.Run(c.verb+" "+c.answer[:3], func(t *testing.T) {
			server := serve(t, "starttls")
			server.fail = func(verb, _ string) string {
				if verb == c.verb || verb == "HELO" && c.verb == "EHLO" {
					return c.answer
				}
				return ""
			}
			_, err := receiver(t, server.address, "starttls", nil).Send(t.Context(), notifytest.Blackout())
			s.CheckError(t, err, c.retry)
		})
	}
}

func TestServerWithoutEncryptionGetsNothing(t *testing.T) {
	server := serve(t, "none")
	_, err := receiver(t, server.address, "starttls", nil).Send(t.Context(), notifytest.Blackout())
	if err == nil || len(server.Shown()) > 0 {
		t.Errorf("%v, %d mails", err, len(server.Shown()))
	}
}

func TestUnknownCertificate(t *testing.T) {
	server := serve(t, "tls")
	r := receiver(t, server.address, "tls", nil).(*Receiver)
	r.deps.TLS = nil
	_, err := r.Send(t.Context(), notifytest.Blackout())
	notifytest.Subject{Secrets: []string{password}}.CheckError(t, err, true)
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v", err)
	}
}

// One bad address does not keep the mail from the others, and whoever has it does not get
// it again.
func TestRecipientsAreApart(t *testing.T) {
	server := serve(t, "starttls")
	grey := true
	server.fail = func(verb, argument string) string {
		switch {
		case verb == "RCPT" && strings.Contains(argument, "gone@"):
			return "550 5.1.1 no such user"
		case verb == "RCPT" && strings.Contains(argument, "grey@") && grey:
			grey = false
			return "450 4.2.0 greylisted"
		}
		return ""
	}
	r := receiver(t, server.address, "starttls", nil, "anna@example.net", "gone@example.net", "grey@example.net", "bert@example.net")
	s := notifytest.Subject{}
	_, err := r.Send(t.Context(), notifytest.Blackout())
	s.CheckError(t, err, true)
	_, err = r.Send(t.Context(), notifytest.Blackout())
	s.CheckError(t, err, false)
	server.mu.Lock()
	defer server.mu.Unlock()
	if got := strings.Join(server.rcpts, " "); strings.Count(got, "anna@") != 1 || strings.Count(got, "grey@") != 1 || strings.Count(got, "bert@") != 1 {
		t.Errorf("%s", got)
	}
	for _, l := range server.letters {
		if to := strings.Count(l[:strings.Index(l, "\r\n\r\n")], "@example.net"); to != 1 {
			t.Errorf("a recipient sees %d addresses", to)
		}
	}
}

func TestThread(t *testing.T) {
	server := serve(t, "starttls")
	r := receiver(t, server.address, "starttls", nil)
	m := notifytest.Blackout()
	before, err := r.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	next := notifytest.Resolve(m, 5, before)
	if _, err := r.Send(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	var headers []netmail.Header
	for _, l := range server.letters {
		m, err := netmail.ReadMessage(bytes.NewReader([]byte(l)))
		if err != nil {
			t.Fatal(err)
		}
		headers = append(headers, m.Header)
	}
	if len(headers) != 2 {
		t.Fatalf("%d mails", len(headers))
	}
	root, first := headers[0].Get("References"), headers[0].Get("Message-ID")
	if headers[1].Get("In-Reply-To") != first || headers[1].Get("References") != root+" "+first || headers[1].Get("Message-ID") == first {
		t.Errorf("%v\n%v", headers[0], headers[1])
	}
}

func TestValidate(t *testing.T) {
	c := Config{Host: "a b", Port: -1, TLS: "none", User: "u", Password: "p", From: "x", ReplyTo: "y", ListID: "a b", Changes: "some"}
	want := `host: "a b" is no name of a server
port: -1 is no port
tls: none would send the password in the clear to a b
from: "x" is no address
to: is empty
reply_to: "y" is no address
list_id: "a b" has more than letters, digits, dots and -
changes: "some" is neither loud nor all`
	if err := c.Validate(); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

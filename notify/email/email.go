// Package email sends mail over SMTP: text and HTML, the picture inline.
//
// A mail cannot be changed, so what a receiver gets is a thread: every mail of an incident
// refers to one id derived from Message.Key, and to the mail before it. Its Message-ID is
// derived from Message.ID: one that is sent again has the same, and mailboxes that look
// show it once. By default only the first, loud changes, reminders and the end are sent.
//
// Each recipient gets a mail of his own. Those whom the server refuses for good do not
// keep it from the others; whoever has it does not get it again when it is tried again for
// the rest, unless the process dies in between.
//
// Mail carries List-Id and Auto-Submitted, so that filters find it and robots do not answer.
package email

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wneessen/go-mail"

	"depeer/notify"
	"depeer/notify/plain"
	"depeer/notify/post"
)

// Deps are what a receiver works with.
type Deps struct {
	Dial func(ctx context.Context, network, address string) (net.Conn, error) // a net.Dialer's where nil
	TLS  *tls.Config                                                          // certificates to trust; the system's where nil
}

// Receiver sends mail. It may be used by many goroutines; each Send is a connection.
type Receiver struct {
	plain.Sealed
	config  Config
	deps    Deps
	domain  string // of From
	secrets *post.Secrets

	mu   sync.Mutex
	half []half // messages that some recipients have and others not; guarded by mu
}

// half is a message that went to some of its recipients.
type half struct {
	id   string
	done map[string]bool
}

// maxHalf bounds how many of them are remembered.
const maxHalf = 256

var _ notify.Receiver = (*Receiver)(nil)

// New gives a receiver.
func New(config Config, deps Deps) (*Receiver, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	from, err := netmail.ParseAddress(config.From)
	if err != nil {
		return nil, err
	}
	if deps.Dial == nil {
		deps.Dial = (&net.Dialer{Timeout: 30 * time.Second}).DialContext
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	secrets := post.NewSecrets(string(config.Password), "\x00"+config.User+"\x00"+string(config.Password))
	return &Receiver{Sealed: plain.Seal("email receiver"), config: config, deps: deps, domain: domain, secrets: secrets}, nil
}

const act = "send mail"

// Send sends the mail where people are to see one.
func (r *Receiver) Send(ctx context.Context, m *notify.Message) (notify.Receipt, error) {
	quiet := m.Reason == notify.Changed && !m.Loud || m.Reason == notify.Acked
	if quiet && r.config.Changes == "loud" {
		return m.Before, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, notify.Temporary(0, "%s: %w", act, err)
	}
	m = plain.Copy(m)
	todo := r.todo(m.ID)
	// go-mail looks at the context while it dials; here its end ends the connection too.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client, err := r.client(ctx)
	if err != nil {
		return nil, notify.Permanent("%s: %s", act, r.clean(err))
	}
	if err := client.DialWithContext(ctx); err != nil {
		return nil, r.judge(ctx, "connect", err)
	}
	defer client.Close()
	var refused, later []error
	for _, to := range todo {
		letter, err := r.letter(m, to)
		if err != nil {
			return nil, notify.Permanent("%s: write it: %s", act, r.clean(err))
		}
		if err := client.Send(letter); err != nil {
			judged := r.judge(ctx, "to one of the recipients", err)
			var e *notify.Error
			if errors.As(judged, &e) && e.Retry {
				later = append(later, judged)
				break // the connection may be of no use any more
			}
			refused = append(refused, judged)
			continue
		}
		r.note(m.ID, to)
	}
	if len(later) > 0 {
		return nil, later[0]
	}
	r.forget(m.ID)
	if len(refused) > 0 {
		return nil, notify.Permanent("%s: %d of %d recipients were refused: %w", act, len(refused), len(r.config.To), refused[0])
	}
	return notify.Receipt{"message_id": r.id("id", m.ID)}, nil
}

// todo are the recipients who have not got the message.
func (r *Receiver) todo(id string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, to := range r.config.To {
		have := false
		for _, h := range r.half {
			have = have || h.id == id && h.done[to]
		}
		if !have {
			out = append(out, to)
		}
	}
	return out
}

func (r *Receiver) note(id, to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.half {
		if h.id == id {
			h.done[to] = true
			return
		}
	}
	r.half = append(r.half, half{id, map[string]bool{to: true}})
	if len(r.half) > maxHalf {
		r.half = r.half[1:]
	}
}

func (r *Receiver) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, h := range r.half {
		if h.id == id {
			r.half = append(r.half[:i:i], r.half[i+1:]...)
			return
		}
	}
}

func (r *Receiver) client(ctx context.Context) (*mail.Client, error) {
	conf := r.deps.TLS.Clone()
	if conf == nil {
		conf = &tls.Config{}
	}
	conf.ServerName = r.config.Host
	conf.MinVersion = tls.VersionTLS12
	options := []mail.Option{
		mail.WithPort(r.config.port()), mail.WithTimeout(30 * time.Second), mail.WithTLSConfig(conf), mail.WithoutNoop(),
		mail.WithHELO(r.domain), mail.WithDialContextFunc(r.dial(ctx, conf)),
	}
	switch r.config.TLS {
	case "starttls":
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	case "tls":
		options = append(options, mail.WithSSL(), mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	}
	if r.config.User != "" {
		auth := mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover)
		if r.config.TLS != "starttls" {
			// go-mail does not know that our connection is encrypted from its first byte. Without
			// encryption, Validate allows a password to this machine only.
			auth = mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthPlainNoEnc, mail.SMTPAuthLoginNoEnc)
		}
		options = append(options, auth, mail.WithUsername(r.config.User), mail.WithPassword(string(r.config.Password)))
	}
	return mail.NewClient(r.config.Host, options...)
}

// dial opens the connection, encrypted where it is from its first byte, and closes it when
// ctx ends.
func (r *Receiver) dial(ctx context.Context, conf *tls.Config) mail.DialContextFunc {
	return func(dialing context.Context, network, address string) (net.Conn, error) {
		conn, err := r.deps.Dial(dialing, network, net.JoinHostPort(r.config.Host, strconv.Itoa(r.config.port())))
		if err != nil {
			return nil, err
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		if r.config.TLS != "tls" {
			return bound{conn, stop}, nil
		}
		secured := tls.Client(bound{conn, stop}, conf)
		if err := secured.HandshakeContext(dialing); err != nil {
			_ = secured.NetConn().Close()
			return nil, err
		}
		return secured, nil
	}
}

// bound is a connection that a context ends.
type bound struct {
	net.Conn
	stop func() bool
}

func (b bound) Close() error {
	b.stop()
	return b.Conn.Close()
}

func (r *Receiver) clean(err error) string {
	return plain.Cut(plain.Line(r.secrets.Hide(err.Error())), 300)
}

// judge decides by the server's reply code (RFC 5321 section 4.2.1): 4 is passing, 5 is
// for good. What has no code is the way there.
func (r *Receiver) judge(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return notify.Temporary(0, "%s: %s: %w", act, what, ctx.Err())
	}
	code := 0
	var reply *textproto.Error
	var unsent *mail.SendError
	var judged *notify.Error
	switch {
	case errors.Is(err, notify.ErrRefused):
		return notify.Permanent("%s: %s: %s", act, what, r.clean(err))
	case errors.As(err, &judged):
		return &notify.Error{Retry: judged.Retry, After: judged.After, Err: fmt.Errorf("%s: %s: %s", act, what, r.clean(err))}
	case errors.As(err, &reply):
		code = reply.Code
	case errors.As(err, &unsent):
		code = unsent.ErrorCode()
	}
	if code >= 500 && code < 600 {
		return notify.Permanent("%s: %s: %s", act, what, r.clean(err))
	}
	return notify.Temporary(0, "%s: %s: %s", act, what, r.clean(err))
}

// id is a message id that depends on nothing but name.
func (r *Receiver) id(kind, name string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + name))
	return hex.EncodeToString(sum[:16]) + ".depeer@" + r.domain
}

// letter is the mail for one recipient.
func (r *Receiver) letter(m *notify.Message, to string) (*mail.Msg, error) {
	l := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := errors.Join(l.From(r.config.From), l.To(to)); err != nil {
		return nil, err
	}
	if r.config.ReplyTo != "" {
		if err := l.ReplyTo(r.config.ReplyTo); err != nil {
			return nil, err
		}
	}
	sign, word := plain.Mark(m)
	l.Subject(sign + " " + word + ": " + plain.Cut(m.Title, 200))
	l.SetDateWithValue(time.Now())
	l.SetMessageIDWithValue(r.id("id", m.ID))
	root := "<" + r.id("key", m.Key) + ">"
	references, before := root, root
	if id := m.Before["message_id"]; id != "" && id == plain.Line(id) && !strings.ContainsAny(id, "<> ") {
		before = "<" + id + ">"
		references += " " + before
	}
	l.SetGenHeaderPreformatted("In-Reply-To", before)
	l.SetGenHeaderPreformatted("References", references)
	list := r.config.ListID
	if list == "" {
		list = "depeer." + r.domain
	}
	l.SetGenHeaderPreformatted("List-Id", "depeer <"+list+">")
	l.SetGenHeaderPreformatted("Auto-Submitted", "auto-generated")
	l.SetGenHeaderPreformatted("X-Auto-Response-Suppress", "All")
	if m.Loud && !m.Resolved && word == "CRITICAL" {
		l.SetImportance(mail.ImportanceHigh)
	}
	text, page, err := render(m)
	if err != nil {
		return nil, err
	}
	l.SetBodyString(mail.TypeTextPlain, text)
	l.AddAlternativeString(mail.TypeTextHTML, page)
	if m.Picture != nil {
		err := l.EmbedReader("timeline.png", bytes.NewReader(m.Picture.PNG), mail.WithFileContentID("<"+pictureID+">"), mail.WithFileContentType("image/png"))
		if err != nil {
			return nil, err
		}
	}
	return l, nil
}

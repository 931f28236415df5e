// Package syslog writes each message as one line of syslog (RFC 5424), over UDP (RFC 5426),
// TCP with octet counting (RFC 6587), TLS (RFC 5425) or the local socket.
//
// Syslog acknowledges nothing: delivered means that the line was handed to the network, or
// to the other side's TCP. A line that is sent again is there twice; both carry the same id
// in their structured data, [depeer@32473 id="..." key="..."], by which they are told apart.
// Every revision is a line. Each Send is a connection, or a datagram, of its own.
package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"depeer/notify"
	"depeer/notify/plain"
	"depeer/watch"
)

// Config is one syslog server.
type Config struct {
	Network  string `yaml:"network"` // udp, tcp, tls, or local for the socket of this machine
	Address  string `yaml:"address"` // host:port; for local a path, /dev/log where empty
	Facility string `yaml:"facility"`
	Hostname string `yaml:"hostname"` // this machine's where empty
	App      string `yaml:"app"`
	MaxSize  int    `yaml:"max_size"` // bytes of a line; 0: 2048 over UDP and locally, 8192 over TCP and TLS
}

// DefaultConfig is a local syslog.
func DefaultConfig() Config { return Config{Network: "local", Facility: "daemon", App: "depeer"} }

var facilities = map[string]int{"user": 1, "daemon": 3, "local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20,
	"local5": 21, "local6": 22, "local7": 23}

var (
	hostName = regexp.MustCompile(`^[!-~]{1,255}$`)
	appName  = regexp.MustCompile(`^[!-~]{1,48}$`)
)

// Validate joins what is wrong.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	switch c.Network {
	case "udp", "tcp", "tls":
		if host, port, err := net.SplitHostPort(c.Address); err != nil || host == "" || port == "" {
			fault("address: %q is no host:port", c.Address)
		}
	case "local":
		if c.Address != "" && !strings.HasPrefix(c.Address, "/") {
			fault("address: %q is no path", c.Address)
		}
	default:
		fault("network: %q is none of udp, tcp, tls, local", c.Network)
	}
	if _, ok := facilities[c.Facility]; !ok {
		fault("facility: %q is none of user, daemon, local0 to local7", c.Facility)
	}
	if c.Hostname != "" && !hostName.MatchString(c.Hostname) {
		fault("hostname: %q has other characters than printable ASCII", c.Hostname)
	}
	if !appName.MatchString(c.App) {
		fault("app: %q is not 1 to 48 characters of printable ASCII", c.App)
	}
	if c.MaxSize != 0 && (c.MaxSize < 480 || c.MaxSize > 65000) {
		fault("max_size: %d is not between 480 and 65000", c.MaxSize)
	}
	return errors.Join(faults...)
}

// Deps are what a receiver works with.
type Deps struct {
	Dial func(ctx context.Context, network, address string) (net.Conn, error) // a net.Dialer's where nil
	TLS  *tls.Config                                                          // certificates to trust; the system's where nil
}

// Receiver writes lines. It may be used by many goroutines.
type Receiver struct {
	config   Config
	deps     Deps
	hostname string
	limit    int
}

var _ notify.Receiver = (*Receiver)(nil)

// New gives a receiver.
func New(config Config, deps Deps) (*Receiver, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if deps.Dial == nil {
		deps.Dial = (&net.Dialer{Timeout: 30 * time.Second}).DialContext
	}
	r := &Receiver{config: config, deps: deps, hostname: config.Hostname, limit: config.MaxSize}
	if r.hostname == "" {
		if name, err := os.Hostname(); err == nil && hostName.MatchString(name) {
			r.hostname = name
		} else {
			r.hostname = "-"
		}
	}
	if r.limit == 0 {
		r.limit = 2048
		if config.Network == "tcp" || config.Network == "tls" {
			r.limit = 8192
		}
	}
	return r, nil
}

// Send writes one line.
func (r *Receiver) Send(ctx context.Context, m *notify.Message) (notify.Receipt, error) {
	line := r.line(plain.Copy(m))
	framed := line
	network, address := r.config.Network, r.config.Address
	switch network {
	case "tcp", "tls":
		network = "tcp"
		framed = strconv.Itoa(len(line)) + " " + line // RFC 6587 section 3.4.1, RFC 5425 section 4.3
	case "local":
		network = "unixgram"
		if address == "" {
			address = "/dev/log"
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, notify.Temporary(0, "syslog: %w", err)
	}
	conn, err := r.deps.Dial(ctx, network, address)
	if err != nil {
		return nil, judge(ctx, "connect", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if r.config.Network == "tls" {
		conf := r.deps.TLS.Clone()
		if conf == nil {
			conf = &tls.Config{}
		}
		conf.MinVersion = tls.VersionTLS12
		if conf.ServerName == "" {
			conf.ServerName, _, _ = net.SplitHostPort(address)
		}
		secured := tls.Client(conn, conf)
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, judge(ctx, "begin TLS", err)
		}
		conn = secured
	}
	if _, err := conn.Write([]byte(framed)); err != nil {
		_ = conn.Close()
		return nil, judge(ctx, "write", err)
	}
	if err := conn.Close(); err != nil {
		return nil, judge(ctx, "close", err)
	}
	return notify.Receipt{"id": m.ID}, nil
}

func judge(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	var e *notify.Error
	if errors.Is(err, notify.ErrRefused) || errors.As(err, &e) && !e.Retry {
		return notify.Permanent("syslog: %s: %w", what, err)
	}
	return notify.Temporary(0, "syslog: %s: %w", what, err)
}

// priority is PRI (section 6.2.1).
func (r *Receiver) priority(m *notify.Message) int {
	severity := 6
	switch {
	case m.Resolved:
		severity = 5
	case m.Severity == watch.Critical:
		severity = 2
	case m.Severity == watch.Warning:
		severity = 4
	}
	return facilities[r.config.Facility]*8 + severity
}

var values = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`)

// line is the message by the grammar of section 6: one line, within the limit. The title
// is never cut for the rest.
func (r *Receiver) line(m *notify.Message) string {
	var sd strings.Builder
	param := func(name, value string, limit int) {
		if value = plain.CutBytes(plain.Line(value), limit); value != "" {
			fmt.Fprintf(&sd, ` %s="%s"`, name, values.Replace(value))
		}
	}
	param("id", m.ID, 80)
	param("key", m.Key, 80)
	param("severity", string(m.Severity), 10)
	if m.Incident != nil {
		param("hoster", m.Incident.Hoster, 32)
		param("incident", m.Incident.ID, 40)
		param("revision", strconv.Itoa(m.Incident.Revision), 10)
		param("class", string(m.Incident.Class), 20)
	}
	id := string(m.Reason)
	if id == "" {
		id = "-"
	}
	head := fmt.Sprintf("<%d>1 %s %s %s - %s [depeer@32473%s] \ufeff", r.priority(m), m.At.UTC().Format("2006-01-02T15:04:05.000000Z07:00"),
		r.hostname, r.config.App, plain.CutBytes(plain.Line(strings.ReplaceAll(id, " ", "")), 32), sd.String())
	_, word := plain.Mark(m)
	parts := []string{plain.Line(m.Text)}
	parts = append(parts, m.Changes...)
	for _, f := range m.Facts {
		parts = append(parts, f.Name+": "+f.Value)
	}
	if m.Next != "" {
		parts = append(parts, "Next: "+m.Next)
	}
	text := plain.CutBytes(word+": "+m.Title, max(200, r.limit-len(head)-100))
	if m.Link != "" && len(head)+len(text)+len(m.Link)+1 < r.limit {
		text += " " + m.Link
	}
	for _, p := range parts {
		if p != "" {
			text += "; " + p
		}
	}
	return head + plain.CutBytes(text, r.limit-len(head))
}

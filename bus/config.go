package bus

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// DefaultDir is where an embedded server keeps its streams when neither
// embedded.dir nor urls is given. It is relative to the working directory.
const DefaultDir = "depeer-data/bus"

// Config is the part `bus` of the configuration: either a server in this process
// (Embedded, the default) or the servers at URLs.
type Config struct {
	Embedded Embedded      `yaml:"embedded"`
	URLs     []string      `yaml:"urls"`     // nats://, tls://, ws:// or wss://; no embedded server is started
	Auth     Auth          `yaml:"auth"`     // what we present at URLs, or ask from those who connect to embedded.listen
	TLS      TLS           `yaml:"tls"`      // likewise
	Streams  Streams       `yaml:"streams"`  // bounds
	Replicas int           `yaml:"replicas"` // copies of each stream, 1 to 5; 0: one, or what the stream already has
	Pending  int           `yaml:"pending"`  // messages on their way before Publish waits
	Timeout  time.Duration `yaml:"timeout"`  // for connecting, for one request, for one acknowledgement
	Patience time.Duration `yaml:"patience"` // a message not acknowledged for this long, retries included, is given up and reported
}

// Embedded is the server in this process.
type Embedded struct {
	Dir        string        `yaml:"dir"`         // DefaultDir where empty
	Listen     string        `yaml:"listen"`      // "127.0.0.1:4222" lets other tools in; nobody by default
	Sync       time.Duration `yaml:"sync"`        // time between two fsyncs; one second where zero
	SyncAlways bool          `yaml:"sync_always"` // fsync before each acknowledgement
}

// Auth is how a client proves who it is. Without TLS all of it travels in the clear.
type Auth struct {
	User        string `yaml:"user"`
	Password    Secret `yaml:"password"`
	Token       Secret `yaml:"token"`
	Credentials string `yaml:"credentials"` // file with a JWT and its nkey; for urls only
}

// TLS names PEM files.
type TLS struct {
	CA   string `yaml:"ca"`   // who may have signed the other side's certificate; the system's where empty
	Cert string `yaml:"cert"` // ours
	Key  string `yaml:"key"`
}

// Streams bounds each stream.
type Streams struct {
	Routes     Limits `yaml:"routes"`
	Events     Limits `yaml:"events"`
	Incidents  Limits `yaml:"incidents"`
	Sightings  Limits `yaml:"sightings"`
	Gaps       Limits `yaml:"gaps"`
	Deliveries Limits `yaml:"deliveries"`
}

// Limits bounds one stream.
type Limits struct {
	MaxAge     time.Duration `yaml:"max_age"`
	MaxBytes   Size          `yaml:"max_bytes"`
	Duplicates time.Duration `yaml:"duplicates"` // a message id is remembered this long; about 250 bytes of memory each
	Discard    Discard       `yaml:"discard"`
}

// Discard says what a full stream does.
type Discard string

// The ways of a full stream.
const (
	DiscardOld Discard = "old" // drop the oldest messages
	DiscardNew Discard = "new" // refuse new ones
)

// Size is a number of bytes; in text also "512KiB", "1MiB" or "2GiB".
type Size int64

var sizeUnits = []struct {
	name  string
	shift uint
}{{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}}

// UnmarshalText reads a whole number of bytes, KiB, MiB, GiB or TiB.
func (s *Size) UnmarshalText(text []byte) error {
	digits, shift := strings.TrimSpace(string(text)), uint(0)
	for _, u := range sizeUnits {
		if d, ok := strings.CutSuffix(digits, u.name); ok {
			digits, shift = strings.TrimSpace(d), u.shift
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64>>shift {
		return fmt.Errorf("%q is no size (a whole number of bytes, KiB, MiB, GiB or TiB)", text)
	}
	*s = Size(n << shift)
	return nil
}

// String writes the size in the largest unit that divides it.
func (s Size) String() string {
	for i := len(sizeUnits) - 1; i >= 0; i-- {
		if u := sizeUnits[i]; s != 0 && s%(1<<u.shift) == 0 {
			return strconv.FormatInt(int64(s)>>u.shift, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalText writes what String does.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Secret is a string that no log, error or dump shows.
type Secret string

const hidden = "<secret>"

// String hides the secret.
func (s Secret) String() string { return hidden }

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return hidden }

// MarshalText hides the secret from JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// DefaultConfig is a server in this process that nobody else can reach. A week of
// routes is kept, and a year of what was concluded from them.
func DefaultConfig() Config {
	concluded := Limits{MaxAge: 365 * 24 * time.Hour, MaxBytes: 256 << 20, Duplicates: 24 * time.Hour, Discard: DiscardOld}
	return Config{
		Streams: Streams{
			Routes:     Limits{MaxAge: 7 * 24 * time.Hour, MaxBytes: 4 << 30, Duplicates: 2 * time.Minute, Discard: DiscardOld},
			Events:     concluded,
			Incidents:  concluded,
			Sightings:  concluded,
			Gaps:       concluded,
			Deliveries: concluded,
		},
		Pending:  4096,
		Timeout:  5 * time.Second,
		Patience: 30 * time.Second,
	}
}

// Validate reports every fault of the configuration, each with its key and value.
func (c *Config) Validate() error {
	var errs []error
	fault := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("bus.%s: %w", key, fmt.Errorf(format, args...)))
	}
	if len(c.URLs) > 0 && c.Embedded != (Embedded{}) {
		fault("embedded", "has no use beside bus.urls: give one of them")
	}
	for i, u := range c.URLs {
		if err := validURL(u); err != nil {
			fault(fmt.Sprintf("urls[%d]", i), "%w", err)
		}
	}
	if c.Embedded.Sync < 0 {
		fault("embedded.sync", "%s is negative", c.Embedded.Sync)
	}
	if err := c.validListen(); err != nil {
		fault("embedded.listen", "%w", err)
	}
	if (c.Auth.User == "") != (c.Auth.Password == "") {
		fault("auth", "user and password go together")
	}
	if c.Auth.User != "" && c.Auth.Token != "" {
		fault("auth", "give a user with a password, or a token, not both")
	}
	if c.Auth.Credentials != "" && len(c.URLs) == 0 {
		fault("auth.credentials", "is for bus.urls only")
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		fault("tls", "cert and key go together")
	}
	if c.Replicas < 0 || c.Replicas > 5 {
		fault("replicas", "%d is not between 0 and 5", c.Replicas)
	} else if c.Replicas > 1 && len(c.URLs) == 0 {
		fault("replicas", "%d copies need bus.urls: the embedded server is one", c.Replicas)
	}
	if c.Pending < 1 {
		fault("pending", "%d is less than 1", c.Pending)
	}
	if c.Timeout <= 0 {
		fault("timeout", "%s is not positive", c.Timeout)
	}
	if c.Patience < c.Timeout {
		fault("patience", "%s is less than timeout (%s)", c.Patience, c.Timeout)
	}
	for _, s := range c.Streams.all() {
		errs = append(errs, s.limits.faults("bus.streams."+s.key)...)
	}
	return errors.Join(errs...)
}

// leastBytes is room for a few messages of the largest kind.
const leastBytes = 1 << 20

func (l Limits) faults(path string) []error {
	var errs []error
	fault := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s.%s: %w", path, key, fmt.Errorf(format, args...)))
	}
	if l.MaxAge < time.Second {
		fault("max_age", "%s is less than 1s: a stream has to be bounded", l.MaxAge)
	}
	if l.MaxBytes < leastBytes {
		fault("max_bytes", "%s is less than %s: a stream has to be bounded", l.MaxBytes, Size(leastBytes))
	}
	if l.Duplicates < 100*time.Millisecond {
		fault("duplicates", "%s is less than 100ms", l.Duplicates)
	} else if l.Duplicates > l.MaxAge {
		fault("duplicates", "%s is more than max_age (%s)", l.Duplicates, l.MaxAge)
	}
	if l.Discard != DiscardOld && l.Discard != DiscardNew {
		fault("discard", "%q is neither %q nor %q", l.Discard, DiscardOld, DiscardNew)
	}
	return errs
}

// validURL gives no part of a URL that does not parse: it may hold a password.
func validURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("is no URL (want nats://host:port)")
	}
	switch u.Scheme {
	case "nats", "tls", "ws", "wss":
	default:
		return fmt.Errorf("%q is neither nats, tls, ws nor wss (%s)", u.Scheme, u.Redacted())
	}
	if u.Hostname() == "" {
		return fmt.Errorf("%s names no host", u.Redacted())
	}
	return nil
}

func (c *Config) validListen() error {
	if c.Embedded.Listen == "" {
		return nil
	}
	host, _, err := splitListen(c.Embedded.Listen)
	if err != nil {
		return err
	}
	if isLoopback(host) {
		return nil
	}
	if c.Auth.User == "" && c.Auth.Token == "" {
		return fmt.Errorf("%s is not a loopback address: set bus.auth, or anybody could publish alarms", c.Embedded.Listen)
	}
	if c.TLS.Cert == "" {
		return fmt.Errorf("%s is not a loopback address: set bus.tls, or the password travels in the clear", c.Embedded.Listen)
	}
	return nil
}

func splitListen(addr string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("%q is no address (want host:port)", addr)
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%q: %q is no port", addr, p)
	}
	return host, int(n), nil
}

// isLoopback is false for an empty host, which means every address.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// load reads the files. It is nil where none is named.
func (t TLS) load() (*tls.Config, error) {
	if t == (TLS{}) {
		return nil, nil
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("bus.tls.ca: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("bus.tls.ca: %s holds no certificate", t.CA)
		}
		out.RootCAs, out.ClientCAs = pool, pool
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("bus.tls.cert: %w", err)
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}

package rislive

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"depeer/bgp/wire"
)

// DefaultURL is RIS Live over WebSocket; its HTTP stream is at
// https://ris-live.ripe.net/v1/stream/?format=json.
const DefaultURL = "wss://ris-live.ripe.net/v1/ws/"

// Config is a source of the type rislive.
type Config struct {
	Name      string   `yaml:"name"`
	URL       string   `yaml:"url"`       // ws:// or wss://; http:// or https:// is the stream of everything
	Client    string   `yaml:"client"`    // the name by which the RIPE NCC knows us, sent as the parameter "client"
	Subscribe string   `yaml:"subscribe"` // "auto", "list" or "all": see Subscriptions
	Hosts     []string `yaml:"hosts"`     // collectors to keep ("rrc21"); all where empty
	Raw       bool     `yaml:"raw"`       // ask for the octets of each message: twice the volume, and the truth

	// Subscriptions is up to how many of them "auto" hears by list. Each one costs
	// the server a comparison for each message that RIS sees, and us a message to
	// send after each loss of the connection; everything costs us a few hundredths of
	// a core. "list" goes on to 100,000, and then is not ready and says why.
	Subscriptions int `yaml:"subscriptions"`

	Ping            time.Duration `yaml:"ping"`             // between two pings
	ReadTimeout     time.Duration `yaml:"read_timeout"`     // without a single message, pongs included, the connection is lost
	BackOffMin      time.Duration `yaml:"backoff_min"`      // before the second attempt to connect
	BackOffMax      time.Duration `yaml:"backoff_max"`      // it doubles up to this
	Queue           int           `yaml:"queue"`            // messages that wait for their turn
	FutureTolerance time.Duration `yaml:"future_tolerance"` // how far ahead of our clock a stamp may be
}

// The values of Config.Subscribe.
const (
	SubscribeAuto = "auto" // list, while it is small enough
	SubscribeList = "list" // what is watched and what was learned
	SubscribeAll  = "all"  // everything, filtered here
)

// DefaultConfig hears RIS Live.
func DefaultConfig() Config {
	return Config{
		Name: "rislive", URL: DefaultURL, Client: "depeer", Subscribe: SubscribeAuto, Raw: true, Subscriptions: 1000,
		Ping: 30 * time.Second, ReadTimeout: 90 * time.Second, BackOffMin: time.Second, BackOffMax: 2 * time.Minute,
		Queue: 100_000, FutureTolerance: 10 * time.Second,
	}
}

var (
	validName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
	validHost = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$`)
)

// Validate tells all faults together, each one as "key: what is wrong with the value".
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !validName.MatchString(c.Name) {
		fault("name: %q is no name (1 to 32 of a-z, 0-9 and -)", c.Name)
	}
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss" && u.Scheme != "http" && u.Scheme != "https":
		fault("url: %q is no address of a stream (ws, wss, http or https)", redact(c.URL))
	case u.Scheme[0] == 'h' && c.Subscribe == SubscribeList:
		fault("subscribe: %q needs a WebSocket (ws or wss), and url is %q", c.Subscribe, redact(c.URL))
	}
	if c.Client == "" || len(c.Client) > 64 || strings.ContainsFunc(c.Client, func(r rune) bool { return r <= ' ' || r > '~' }) {
		fault("client: %q is no name (1 to 64 visible ASCII characters)", c.Client)
	}
	switch c.Subscribe {
	case SubscribeAuto, SubscribeList, SubscribeAll:
	default:
		fault("subscribe: %q is neither auto, list nor all", c.Subscribe)
	}
	for i, h := range c.Hosts {
		if !validHost.MatchString(h) {
			fault("hosts[%d]: %q is no collector", i, h)
		}
	}
	if len(c.Hosts) > maxHosts {
		fault("hosts: %d collectors are too many (%d)", len(c.Hosts), maxHosts)
	}
	between := func(key string, v, low, high time.Duration) {
		if v < low || v > high {
			fault("%s: %v is not between %v and %v", key, v, low, high)
		}
	}
	between("ping", c.Ping, time.Second, time.Hour)
	between("read_timeout", c.ReadTimeout, time.Second, 24*time.Hour)
	if c.ReadTimeout <= c.Ping {
		fault("read_timeout: %v is not longer than ping, %v: a quiet connection would be taken for a lost one", c.ReadTimeout, c.Ping)
	}
	between("backoff_min", c.BackOffMin, 10*time.Millisecond, time.Hour)
	between("backoff_max", c.BackOffMax, c.BackOffMin, 24*time.Hour)
	between("future_tolerance", c.FutureTolerance, 0, time.Hour)
	if c.Queue < 1 || c.Queue > 10_000_000 {
		fault("queue: %d is not between 1 and 10000000 messages", c.Queue)
	}
	if c.Subscriptions < 1 || c.Subscriptions > 100_000 {
		fault("subscriptions: %d is not between 1 and 100000", c.Subscriptions)
	}
	return errors.Join(faults...)
}

// redact leaves out of an address what may be secret.
func redact(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(unreadable)"
	}
	return u.Redacted()
}

// Deps is what a feed needs of others.
type Deps struct {
	Watch  *wire.Shared     // what is wanted
	Logger *slog.Logger     // nil: silent
	HTTP   *http.Client     // nil: http.DefaultClient's way, without a limit of time
	Random func() float64   // in [0,1), spreads the attempts to connect; nil: math/rand/v2
	Now    func() time.Time // nil: time.Now
}

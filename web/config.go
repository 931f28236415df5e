package web

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"depeer/web/access"
)

// Config is the part `web` of the configuration.
type Config struct {
	Listen      string         `yaml:"listen"`       // host:port; "" for no listener
	Metrics     string         `yaml:"metrics"`      // host:port of /metrics alone; "": on Listen
	URL         string         `yaml:"url"`          // where browsers find it: https://depeer.example.net
	Hosts       []string       `yaml:"hosts"`        // other names that it may be asked for
	TLS         TLS            `yaml:"tls"`          //
	BehindProxy []netip.Prefix `yaml:"behind_proxy"` // addresses of the proxies that do TLS; nobody else may connect
	Auth        access.Config  `yaml:"auth"`         //
	Limits      Limits         `yaml:"limits"`       //
}

// TLS is the server's certificate: files in PEM, read again when they change.
type TLS struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// Limits bound what clients may use up.
type Limits struct {
	Rate    float64 `yaml:"rate"`    // requests a second of one client; 0: no limit
	Burst   int     `yaml:"burst"`   // and so many at once
	Readers int     `yaml:"readers"` // of the stream at a time, of all clients
}

// DefaultConfig listens where only this machine can ask.
func DefaultConfig() Config {
	return Config{Listen: "127.0.0.1:8080", Auth: access.DefaultConfig(), Limits: Limits{Rate: 300, Burst: 600, Readers: defaultReaders}}
}

const defaultReaders = 1000

// Validate reports every fault of the configuration, each with its key and value.
func (c *Config) Validate() error {
	var errs []error
	fault := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("web.%s: %s", key, fmt.Sprintf(format, args...)))
	}
	for _, x := range [][2]string{{"listen", c.Listen}, {"metrics", c.Metrics}} {
		if err := validateListen(x[1]); err != nil {
			fault(x[0], "%v", err)
		}
	}
	if c.Metrics != "" && c.Listen == "" {
		fault("metrics", "%q has nothing to say while listen is empty", c.Metrics)
	}
	if c.Metrics != "" && c.Metrics == c.Listen && !strings.HasSuffix(c.Listen, ":0") {
		fault("metrics", "%q is the address of listen: leave it empty to have /metrics there", c.Metrics)
	}
	if c.URL != "" {
		if err := access.SafeURL(c.URL); err != nil {
			fault("url", "%v", err)
		}
	}
	for i, h := range c.Hosts {
		if h == "" || strings.ContainsAny(h, "/: ") {
			fault(fmt.Sprintf("hosts[%d]", i), "%q is no name (want depeer.example.net, without port)", h)
		}
	}
	switch {
	case c.TLS.Cert != "" && c.TLS.Key == "":
		fault("tls.key", "is missing, and cert is set")
	case c.TLS.Key != "" && c.TLS.Cert == "":
		fault("tls.cert", "is missing, and key is set")
	}
	c.validateWho(fault)
	c.validateLimits(fault)
	return errors.Join(append(errs, c.Auth.Validate())...)
}

// validateWho refuses what would let strangers in, or show secrets on the way.
func (c *Config) validateWho(fault func(key, format string, args ...any)) {
	for _, x := range []struct{ key, listen string }{{"listen", c.Listen}, {"metrics", c.Metrics}} {
		switch {
		case x.listen == "" || validateListen(x.listen) != nil || access.LoopbackListener(x.listen):
		case !c.Auth.Required():
			fault(x.key, "%q is not a loopback address: anybody could ask, and nobody is asked who they are. Set auth.tokens or auth.oidc, and tls or behind_proxy; or listen on 127.0.0.1", x.listen)
		case c.TLS.Cert == "" && len(c.BehindProxy) == 0:
			fault(x.key, "%q would carry tokens and logins in the clear: set tls, or behind_proxy to the addresses of the proxy that does it", x.listen)
		}
	}
	if len(c.BehindProxy) > 0 && !c.Auth.Required() {
		fault("behind_proxy", "whoever the proxy lets through would be asked nothing: set auth.tokens or auth.oidc")
	}
	for i, p := range c.BehindProxy {
		if p.IsValid() && p.Bits() == 0 {
			fault(fmt.Sprintf("behind_proxy[%d]", i), "%s is everybody: anybody could say to be a proxy", p)
		}
	}
	if c.Auth.OIDC.Issuer != "" && c.URL == "" {
		fault("url", "is missing: the login provider has to know where to send the browser back to")
	}
}

func (c *Config) validateLimits(fault func(key, format string, args ...any)) {
	if c.Limits.Rate < 0 || c.Limits.Rate > 1e6 {
		fault("limits.rate", "%v is not between 0 (no limit) and 1000000", c.Limits.Rate)
	}
	if c.Limits.Rate > 0 && c.Limits.Burst < 10 {
		fault("limits.burst", "%d is less than 10: a page asks several things at once", c.Limits.Burst)
	}
	if c.Limits.Readers < 0 || c.Limits.Readers > 100_000 {
		fault("limits.readers", "%d is not between 1 and 100000 (0 is the default, %d)", c.Limits.Readers, defaultReaders)
	}
}

func validateListen(listen string) error {
	if listen == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("%q is no address (want host:port)", listen)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q: %q is no port", listen, port)
	}
	return nil
}

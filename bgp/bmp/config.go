package bmp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"time"

	"depeer/bgp/wire"
)

// Config is a BMP station. The zero value of a list means none.
type Config struct {
	Name    string   `yaml:"name"`    // of the feed, [a-z0-9-]{1,32}
	Listen  []string `yaml:"listen"`  // host:port where routers connect; an empty host is every address
	Routers []Router `yaml:"routers"` // who may connect; empty: loopback only
	Connect []string `yaml:"connect"` // host:port of routers that wait for the station to connect (RFC 7854 section 3.2)
	TLS     TLS      `yaml:"tls"`     // for listen; BMP itself has none

	// Views are the tables that count: adj-rib-in-pre (after the policy where a
	// router sends only that), adj-rib-in-post, adj-rib-out, loc-rib. A view of
	// Adj-RIB-In and adj-rib-out exclude each other: one session would count twice.
	Views []string `yaml:"views"`

	MaxRouters     int           `yaml:"max_routers"`     // connections at once
	MaxPeers       int           `yaml:"max_peers"`       // of one router
	MaxMessage     int           `yaml:"max_message"`     // octets of a BMP message
	StampTolerance time.Duration `yaml:"stamp_tolerance"` // how old a router's time may be to be believed
	StaleAfter     time.Duration `yaml:"stale_after"`     // a router silent for so long counts as stale
	ReadTimeout    time.Duration `yaml:"read_timeout"`    // ends a connection that is silent for so long; 0: never
}

// Router is who may connect: one address, or all of a prefix.
type Router struct {
	Address netip.Addr   `yaml:"address"`
	Prefix  netip.Prefix `yaml:"prefix"`
	Name    string       `yaml:"name"` // the collector, with an address only; else the router's sysName
}

// TLS is what routers are asked for and shown. Files are PEM.
type TLS struct {
	Cert     string `yaml:"cert"`
	Key      string `yaml:"key"`
	ClientCA string `yaml:"client_ca"` // routers must present a certificate of this authority
}

// Deps is what a station needs from the program.
type Deps struct {
	Watch  *wire.Shared
	Logger *slog.Logger // slog.Default() where nil
}

// DefaultConfig listens on loopback, on the port that GoBGP sends to.
func DefaultConfig() Config {
	return Config{
		Name: "bmp", Listen: []string{"127.0.0.1:11019"}, Views: []string{"adj-rib-in-pre"},
		MaxRouters: 256, MaxPeers: 10_000, MaxMessage: 256 << 10,
		StampTolerance: 2 * time.Minute, StaleAfter: time.Hour,
	}
}

const (
	leastMessage = 64 << 10 // an UPDATE of RFC 8654, nearly, with its headers
	mostMessage  = 16 << 20
)

var (
	feedName   = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
	routerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
)

// Validate reports every fault of the configuration, each with its key and value.
func (c *Config) Validate() error {
	var errs []error
	fault := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %w", key, fmt.Errorf(format, args...)))
	}
	if !feedName.MatchString(c.Name) {
		fault("name", "%q is not 1 to 32 of a-z, 0-9 and -", c.Name)
	}
	if len(c.Listen) == 0 && len(c.Connect) == 0 {
		fault("listen", "is empty, and so is connect: no router could be heard")
	}
	for i, a := range c.Listen {
		if err := hostPort(a, true); err != nil {
			fault(fmt.Sprintf("listen[%d]", i), "%w", err)
		}
	}
	for i, a := range c.Connect {
		if err := hostPort(a, false); err != nil {
			fault(fmt.Sprintf("connect[%d]", i), "%w", err)
		} else if slices.Contains(c.Connect[:i], a) {
			fault(fmt.Sprintf("connect[%d]", i), "%q is listed twice", a)
		}
	}
	c.validRouters(fault)
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		fault("tls", "cert and key go together")
	}
	if c.TLS.ClientCA != "" && c.TLS.Cert == "" {
		fault("tls.client_ca", "%q has no use without cert and key", c.TLS.ClientCA)
	}
	if _, err := parseViews(c.Views); err != nil {
		fault("views", "%w", err)
	}
	between := func(key string, v, least, most int) {
		if v < least || v > most {
			fault(key, "%d is not between %d and %d", v, least, most)
		}
	}
	between("max_routers", c.MaxRouters, 1, 65_535)
	between("max_peers", c.MaxPeers, 1, 1_000_000)
	between("max_message", c.MaxMessage, leastMessage, mostMessage)
	if c.StampTolerance < 0 {
		fault("stamp_tolerance", "%s is negative", c.StampTolerance)
	}
	if c.StaleAfter < time.Second {
		fault("stale_after", "%s is less than 1s", c.StaleAfter)
	}
	if c.ReadTimeout < 0 {
		fault("read_timeout", "%s is negative", c.ReadTimeout)
	}
	return errors.Join(errs...)
}

func (c *Config) validRouters(fault func(key, format string, args ...any)) {
	names, addrs := map[string]bool{}, map[netip.Addr]bool{}
	for i, r := range c.Routers {
		key := fmt.Sprintf("routers[%d]", i)
		switch {
		case r.Address.IsValid() == r.Prefix.IsValid():
			fault(key, "give an address or a prefix")
			continue
		case r.Address.IsValid() && (r.Address.Is4In6() || r.Address.Zone() != "" || r.Address.IsUnspecified()):
			fault(key+".address", "%s is no plain address", r.Address)
		case r.Address.IsValid() && addrs[r.Address]:
			fault(key+".address", "%s is listed twice", r.Address)
		case r.Prefix.IsValid() && (r.Prefix != r.Prefix.Masked() || r.Prefix.Addr().Is4In6()):
			fault(key+".prefix", "%s is no prefix (%s is)", r.Prefix, r.Prefix.Masked())
		}
		addrs[r.Address] = true
		switch {
		case r.Name == "":
		case !r.Address.IsValid():
			fault(key+".name", "%q is one name for all of %s: name routers by address", r.Name, r.Prefix)
		case !routerName.MatchString(r.Name):
			fault(key+".name", "%q is not 1 to 63 of letters, digits, '.', '_' and '-'", r.Name)
		case names[r.Name]:
			fault(key+".name", "%q is listed twice", r.Name)
		}
		names[r.Name] = true
	}
}

func hostPort(a string, listen bool) error {
	host, port, err := net.SplitHostPort(a)
	if err != nil {
		return fmt.Errorf("%q is no address (want host:port)", a)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 && !listen {
		return fmt.Errorf("%q: %q is no port", a, port)
	}
	if listen && host != "" && host != "localhost" {
		if _, err := netip.ParseAddr(host); err != nil {
			return fmt.Errorf("%q: %q is no address of this host", a, host)
		}
	}
	if !listen && host == "" {
		return fmt.Errorf("%q names no host", a)
	}
	return nil
}

// load reads the files. It is nil where none is named.
func (t TLS) load() (*tls.Config, error) {
	if t == (TLS{}) {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("tls.cert: %w", err)
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if t.ClientCA != "" {
		pem, err := os.ReadFile(t.ClientCA)
		if err != nil {
			return nil, fmt.Errorf("tls.client_ca: %w", err)
		}
		out.ClientCAs = x509.NewCertPool()
		if !out.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.client_ca: %s holds no certificate", t.ClientCA)
		}
		out.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return out, nil
}

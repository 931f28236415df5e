package bmp

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"depeer/bgp/wire"
)

func TestDefaultConfigIsValid(t *testing.T) {
	c := DefaultConfig()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestConfigFaults(t *testing.T) {
	addr, prefix := netip.MustParseAddr("192.0.2.1"), netip.MustParsePrefix("192.0.2.0/24")
	for want, change := range map[string]func(*Config){
		`name: "Core Routers" is not 1 to 32 of a-z, 0-9 and -`:                                         func(c *Config) { c.Name = "Core Routers" },
		"listen: is empty, and so is connect: no router could be heard":                                 func(c *Config) { c.Listen = nil },
		`listen[0]: "11019" is no address (want host:port)`:                                             func(c *Config) { c.Listen = []string{"11019"} },
		`listen[0]: "collector.example:1": "collector.example" is no address of this host`:              func(c *Config) { c.Listen = []string{"collector.example:1"} },
		`connect[0]: "192.0.2.1:0": "0" is no port`:                                                     func(c *Config) { c.Connect = []string{"192.0.2.1:0"} },
		`connect[0]: ":11019" names no host`:                                                            func(c *Config) { c.Connect = []string{":11019"} },
		`connect[1]: "192.0.2.1:1" is listed twice`:                                                     func(c *Config) { c.Connect = []string{"192.0.2.1:1", "192.0.2.1:1"} },
		"routers[0]: give an address or a prefix":                                                       func(c *Config) { c.Routers = []Router{{Name: "a"}} },
		"routers[1]: give an address or a prefix":                                                       func(c *Config) { c.Routers = []Router{{Address: addr}, {Address: addr, Prefix: prefix}} },
		"routers[1].address: 192.0.2.1 is listed twice":                                                 func(c *Config) { c.Routers = []Router{{Address: addr}, {Address: addr}} },
		"routers[0].address: ::ffff:192.0.2.1 is no plain address":                                      func(c *Config) { c.Routers = []Router{{Address: netip.MustParseAddr("::ffff:192.0.2.1")}} },
		"routers[0].prefix: 192.0.2.1/24 is no prefix (192.0.2.0/24 is)":                                func(c *Config) { c.Routers = []Router{{Prefix: netip.MustParsePrefix("192.0.2.1/24")}} },
		`routers[0].name: "core" is one name for all of 192.0.2.0/24: name routers by address`:          func(c *Config) { c.Routers = []Router{{Prefix: prefix, Name: "core"}} },
		`routers[0].name: "a b" is not 1 to 63 of letters, digits, '.', '_' and '-'`:                    func(c *Config) { c.Routers = []Router{{Address: addr, Name: "a b"}} },
		`routers[1].name: "a" is listed twice`:                                                          func(c *Config) { c.Routers = []Router{{Address: addr, Name: "a"}, {Address: addr.Next(), Name: "a"}} },
		"tls: cert and key go together":                                                                 func(c *Config) { c.TLS.Cert = "a.pem" },
		`tls.client_ca: "ca.pem" has no use without cert and key`:                                       func(c *Config) { c.TLS.ClientCA = "ca.pem" },
		"views: is empty: no route would be heard":                                                      func(c *Config) { c.Views = nil },
		`views: "adj-rib-in" is none of adj-rib-in-pre, adj-rib-in-post, adj-rib-out, loc-rib`:          func(c *Config) { c.Views = []string{"adj-rib-in"} },
		"views: a view of Adj-RIB-In and adj-rib-out exclude each other: one session would count twice": func(c *Config) { c.Views = []string{"adj-rib-in-post", "adj-rib-out"} },
		"max_routers: 0 is not between 1 and 65535":                                                     func(c *Config) { c.MaxRouters = 0 },
		"max_peers: -1 is not between 1 and 1000000":                                                    func(c *Config) { c.MaxPeers = -1 },
		"max_message: 4096 is not between 65536 and 16777216":                                           func(c *Config) { c.MaxMessage = 4096 },
		"stamp_tolerance: -1s is negative":                                                              func(c *Config) { c.StampTolerance = -time.Second },
		"stale_after: 1ms is less than 1s":                                                              func(c *Config) { c.StaleAfter = time.Millisecond },
		"read_timeout: -1s is negative":                                                                 func(c *Config) { c.ReadTimeout = -time.Second },
	} {
		c := DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// All faults are told together, and New tells them too.
func TestAllFaultsTogether(t *testing.T) {
	c := DefaultConfig()
	c.Name, c.MaxPeers = "", 0
	_, err := New(c, Deps{Watch: wire.NewShared(wire.List{})})
	if err == nil || len(strings.Split(err.Error(), "\n")) != 2 {
		t.Errorf("%v", err)
	}
	if _, err = New(DefaultConfig(), Deps{}); err == nil {
		t.Error("a station without a watchlist")
	}
	c = DefaultConfig()
	c.TLS = TLS{Cert: "/nonexistent/a.pem", Key: "/nonexistent/b.pem"}
	if _, err = New(c, Deps{Watch: wire.NewShared(wire.List{})}); err == nil || !strings.HasPrefix(err.Error(), "tls.cert: open /nonexistent/") {
		t.Errorf("%v", err)
	}
}

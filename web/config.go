package web

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// Config is the part `web` of the configuration.
type Config struct {
	Listen string `yaml:"listen"` // host:port on loopback; "" for no listener
}

// DefaultConfig listens where only this machine can ask.
func DefaultConfig() Config { return Config{Listen: "127.0.0.1:8080"} }

// Validate reports every fault of the configuration, each with its key and value.
func (c *Config) Validate() error {
	if c.Listen == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("web.listen: %q is no address (want host:port)", c.Listen)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("web.listen: %q: %q is no port", c.Listen, port)
	}
	if host == "localhost" {
		return nil
	}
	if a, err := netip.ParseAddr(host); err != nil || !a.Unmap().IsLoopback() {
		return fmt.Errorf("web.listen: %q is not a loopback address: anybody could ask, and nobody is asked who they are. Put a proxy that does before 127.0.0.1", c.Listen)
	}
	return nil
}

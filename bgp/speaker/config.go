package speaker

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"time"

	"depeer/bgp"
	"depeer/bgp/wire"
)

// Config is a source of type `speaker`.
type Config struct {
	Name      string        `yaml:"name"`
	Listen    []string      `yaml:"listen"`    // host:port; without a host on all addresses of both families
	ASN       uint32        `yaml:"asn"`       // ours. A private one, so that it stands in nobody's path
	RouterID  netip.Addr    `yaml:"router_id"` // an IPv4 address, needed
	Collector string        `yaml:"collector"` // of our peers, in events; the name where empty
	HoldTime  time.Duration `yaml:"hold_time"` // that we offer, in whole seconds, at least 3s
	IdleHold  time.Duration `yaml:"idle_hold"` // for how long a neighbour is refused that sent more than max_prefixes
	Peers     []Peer        `yaml:"peers"`
	Dynamic   []Dynamic     `yaml:"dynamic"`
}

// Peer is one neighbour.
type Peer struct {
	Address     netip.Addr `yaml:"address"`
	ASN         uint32     `yaml:"asn"`
	Description string     `yaml:"description"`

	Password           Secret  `yaml:"password"`             // TCP MD5 (RFC 2385), at most 80 octets
	TTLSecurity        int     `yaml:"ttl_security"`         // hops at most (RFC 5082): 1 for a direct neighbour; 0 is off
	LocalASN           uint32  `yaml:"local_asn"`            // instead of asn
	AddPath            bool    `yaml:"add_path"`             // take several paths of a prefix (RFC 7911)
	IPv4               bool    `yaml:"ipv4"`                 // IPv4 unicast; without this and the next one, both
	IPv6               bool    `yaml:"ipv6"`                 // IPv6 unicast
	NoGracefulRestart  bool    `yaml:"no_graceful_restart"`  // do not offer RFC 4724 (and with it, most routers send no End-of-RIB)
	MaxPrefixes        int     `yaml:"max_prefixes"`         // of both families; more end the session. 0 is no limit
	MaxPrefixesWarning float64 `yaml:"max_prefixes_warning"` // share of it at which we warn; 0.9 where 0
}

// Dynamic is a range of addresses from which neighbours may connect. What it
// shares with [Peer] means the same.
type Dynamic struct {
	Prefix   netip.Prefix `yaml:"prefix"`
	ASNs     []uint32     `yaml:"asns"`      // needed: whoever it may be is not allowed
	MaxPeers int          `yaml:"max_peers"` // at once; 64 where 0

	Password           Secret  `yaml:"password"`
	TTLSecurity        int     `yaml:"ttl_security"`
	LocalASN           uint32  `yaml:"local_asn"`
	AddPath            bool    `yaml:"add_path"`
	IPv4               bool    `yaml:"ipv4"`
	IPv6               bool    `yaml:"ipv6"`
	NoGracefulRestart  bool    `yaml:"no_graceful_restart"`
	MaxPrefixes        int     `yaml:"max_prefixes"`
	MaxPrefixesWarning float64 `yaml:"max_prefixes_warning"`
}

// options is what neighbours and ranges have in common.
type options struct {
	password  Secret
	hops      int
	localASN  uint32
	addPath   bool
	ipv4      bool
	ipv6      bool
	graceful  bool
	max       int
	warnShare float64
}

func (p Peer) options() options {
	return options{p.Password, p.TTLSecurity, p.LocalASN, p.AddPath, p.IPv4 || !p.IPv6, p.IPv6 || !p.IPv4,
		!p.NoGracefulRestart, p.MaxPrefixes, p.MaxPrefixesWarning}
}

func (d Dynamic) options() options {
	return options{d.Password, d.TTLSecurity, d.LocalASN, d.AddPath, d.IPv4 || !d.IPv6, d.IPv6 || !d.IPv4,
		!d.NoGracefulRestart, d.MaxPrefixes, d.MaxPrefixesWarning}
}

// Secret is a password. It prints as <secret>.
type Secret string

const hidden = "<secret>"

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString is for %#v.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// LogValue is for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// DefaultConfig is a speaker without neighbours.
func DefaultConfig() Config {
	return Config{Name: "speaker", HoldTime: 90 * time.Second, IdleHold: 15 * time.Minute}
}

const (
	defaultMaxPeers = 64
	defaultWarning  = 0.9
	maxMD5Key       = 80 // TCP_MD5SIG_MAXKEYLEN of Linux
)

var nameForm = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// Validate gives all that is wrong, each as "key: what".
func (c Config) Validate() error {
	var v faults
	v.check(nameForm.MatchString(c.Name), "name: %q is not 1 to 32 of a-z, 0-9 and -", c.Name)
	v.check(len(c.Listen) > 0, "listen: no address is given")
	for i, l := range c.Listen {
		if _, err := parseListen(l); err != nil {
			v.add("listen[%d]: %v", i, err)
		}
	}
	v.check(c.ASN != 0 && c.ASN != asTrans, "asn: %d is no AS number that can be used", c.ASN)
	v.check(c.RouterID.Is4() && !c.RouterID.IsUnspecified(), "router_id: %v is not an IPv4 address", c.RouterID)
	v.check(c.HoldTime >= 3*time.Second && c.HoldTime <= 65535*time.Second && c.HoldTime%time.Second == 0,
		"hold_time: %v is not a whole number of seconds from 3s to 65535s", c.HoldTime)
	v.check(c.IdleHold >= 0, "idle_hold: %v is negative", c.IdleHold)
	v.check(len(c.Peers)+len(c.Dynamic) > 0, "peers: neither peers nor dynamic ranges are given")
	c.validatePeers(&v)
	c.validateDynamic(&v)
	return errors.Join(v...)
}

func (c Config) validatePeers(v *faults) {
	seen := map[netip.Addr]int{}
	for i, p := range c.Peers {
		key := fmt.Sprintf("peers[%d]", i)
		v.check(p.Address.IsValid() && !p.Address.IsUnspecified() && !p.Address.IsMulticast() && p.Address.Zone() == "",
			"%s.address: %v is not the address of a neighbour", key, p.Address)
		v.check(p.ASN != 0 && p.ASN != asTrans, "%s.asn: %d is no AS number that can be used", key, p.ASN)
		a := p.Address.Unmap()
		if j, ok := seen[a]; ok {
			v.add("%s.address: %v is also peers[%d].address", key, a, j)
		}
		seen[a] = i
		p.options().validate(key, v)
		if p.Password != "" {
			continue
		}
		// The kernel takes the key of the longest range that holds the address: an
		// unsigned neighbour inside a signed range could never connect.
		for j, d := range c.Dynamic {
			v.check(d.Password == "" || !d.Prefix.Contains(a), "%s.password: none is given, and %v lies in dynamic[%d].prefix %v, which has one", key, a, j, d.Prefix)
		}
	}
}

func (c Config) validateDynamic(v *faults) {
	for i, d := range c.Dynamic {
		key := fmt.Sprintf("dynamic[%d]", i)
		v.check(d.Prefix.IsValid() && d.Prefix == d.Prefix.Masked(), "%s.prefix: %v is not a prefix", key, d.Prefix)
		v.check(len(d.ASNs) > 0, "%s.asns: no AS number is given, and accepting any is not possible", key)
		for j, a := range d.ASNs {
			v.check(a != 0 && a != asTrans, "%s.asns[%d]: %d is no AS number that can be used", key, j, a)
		}
		v.check(d.MaxPeers >= 0, "%s.max_peers: %d is negative", key, d.MaxPeers)
		d.options().validate(key, v)
		for j, e := range c.Dynamic[:i] {
			v.check(e.Prefix != d.Prefix, "%s.prefix: %v is also dynamic[%d].prefix", key, d.Prefix, j)
			in, out := d, e
			if in.Prefix.Bits() < out.Prefix.Bits() {
				in, out = e, d
			}
			v.check(!in.Prefix.Overlaps(out.Prefix) || in.Password != "" || out.Password == "",
				"%s.password: none is given for %v, and it lies in %v, which has one", key, in.Prefix, out.Prefix)
		}
	}
}

func (o options) validate(key string, v *faults) {
	v.check(len(o.password) <= maxMD5Key, "%s.password: %d octets, at most %d are possible", key, len(o.password), maxMD5Key)
	v.check(o.hops >= 0 && o.hops <= 254, "%s.ttl_security: %d is not a number of hops from 1 to 254, or 0", key, o.hops)
	v.check(o.localASN != asTrans, "%s.local_asn: %d is no AS number that can be used", key, o.localASN)
	v.check(o.max >= 0, "%s.max_prefixes: %d is negative", key, o.max)
	v.check(o.warnShare >= 0 && o.warnShare <= 1, "%s.max_prefixes_warning: %v is not a share from 0 to 1", key, o.warnShare)
}

// faults collects what is wrong.
type faults []error

func (v *faults) add(format string, args ...any) { *v = append(*v, fmt.Errorf(format, args...)) }

func (v *faults) check(ok bool, format string, args ...any) {
	if !ok {
		v.add(format, args...)
	}
}

// parseListen gives the sockets of one address: one, or two without a host.
func parseListen(s string) ([]netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return nil, fmt.Errorf("%q is not host:port", s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("%q has no port from 0 to 65535", s)
	}
	if host == "" {
		return []netip.AddrPort{netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(n)),
			netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(n))}, nil
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return nil, fmt.Errorf("%q has no address before the port", s)
	}
	return []netip.AddrPort{netip.AddrPortFrom(a.Unmap(), uint16(n))}, nil
}

// neighbour is who may connect: a configured peer, or a range.
type neighbour struct {
	options
	prefix      netip.Prefix // one address for a configured peer
	asns        []uint32
	description string
	dynamic     bool
	maxPeers    int
}

// neighbours lists them, the longest prefix first: the first that holds an
// address is meant.
func (c Config) neighbours() []*neighbour {
	var list []*neighbour
	for _, p := range c.Peers {
		a := p.Address.Unmap()
		list = append(list, &neighbour{options: p.options(), prefix: netip.PrefixFrom(a, a.BitLen()),
			asns: []uint32{p.ASN}, description: p.Description, maxPeers: 1})
	}
	for _, d := range c.Dynamic {
		n := &neighbour{options: d.options(), prefix: d.Prefix, asns: d.ASNs, dynamic: true, maxPeers: d.MaxPeers}
		if n.maxPeers == 0 {
			n.maxPeers = defaultMaxPeers
		}
		list = append(list, n)
	}
	slices.SortStableFunc(list, func(a, b *neighbour) int { return b.prefix.Bits() - a.prefix.Bits() })
	for _, n := range list {
		if n.warnShare == 0 {
			n.warnShare = defaultWarning
		}
		if n.localASN == 0 {
			n.localASN = c.ASN
		}
	}
	return list
}

// name is how a neighbour reads on a screen.
func (n *neighbour) name() string {
	if n.dynamic {
		return n.prefix.String()
	}
	return n.prefix.Addr().String() + " " + bgp.ASN(n.asns[0])
}

// Deps is what a Speaker works with.
type Deps struct {
	Watch  *wire.Shared // needed
	Logger *slog.Logger // slog.Default() where nil
}

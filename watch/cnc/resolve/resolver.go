package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Answer is what the DNS says of a name at a moment.
type Answer struct {
	Name  string
	At    time.Time
	Addrs []netip.Addr // in order
	CNAME string       // the last name of the chain, where it is another
	TTL   uint32       // seconds, the least of the answer's records; of a negative answer that of its SOA, 0 without
	Code  string       // "" where there are addresses; "NXDOMAIN", "NODATA"
}

// Resolver asks name servers that recurse. Its methods may be called from any goroutine.
type Resolver struct {
	servers []string
	udp     dns.Client
	tcp     dns.Client
}

// NewResolver readies a resolver; nothing is asked. Without configured servers it needs those of /etc/resolv.conf.
func NewResolver(c Config) (*Resolver, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	r := &Resolver{servers: c.Servers, udp: dns.Client{Timeout: c.Timeout, UDPSize: 1232}, tcp: dns.Client{Net: "tcp", Timeout: c.Timeout}}
	if len(r.servers) == 0 {
		system, err := dns.ClientConfigFromFile("/etc/resolv.conf")
		if err != nil || len(system.Servers) == 0 {
			return nil, fmt.Errorf("no resolver is configured, and /etc/resolv.conf names none: %w", errors.Join(err, errors.New("servers is empty")))
		}
		for _, s := range system.Servers {
			r.servers = append(r.servers, net.JoinHostPort(s, system.Port))
		}
	}
	return r, nil
}

// Lookup asks for the IPv4 and IPv6 addresses of a name. An error is what could not be learned: neither that there are addresses
// nor that there are none.
func (r *Resolver) Lookup(ctx context.Context, name string, now time.Time) (Answer, error) {
	a := Answer{Name: name, At: now.UTC()}
	negative := uint32(0)
	for _, kind := range [...]uint16{dns.TypeA, dns.TypeAAAA} {
		m, err := r.ask(ctx, name, kind)
		if err != nil {
			return a, err
		}
		a.take(m, kind)
		for _, rr := range m.Ns {
			if soa, ok := rr.(*dns.SOA); ok { // RFC 2308 section 5
				negative = min(soa.Minttl, soa.Hdr.Ttl)
			}
		}
		if m.Rcode == dns.RcodeNameError {
			a.Code = "NXDOMAIN"
			break // of every type (RFC 8020)
		}
	}
	slices.SortFunc(a.Addrs, netip.Addr.Compare)
	a.Addrs = slices.Compact(a.Addrs)
	switch {
	case len(a.Addrs) > 0:
		a.Code = ""
	case a.Code == "":
		a.Code = "NODATA"
	}
	if len(a.Addrs) == 0 {
		a.TTL = negative
	}
	return a, nil
}

// take reads the records that lead from the name to addresses: of others in the answer nobody asked.
func (a *Answer) take(m *dns.Msg, kind uint16) {
	at := dns.CanonicalName(a.Name)
	least := func(h *dns.RR_Header) {
		if a.TTL == 0 || h.Ttl < a.TTL {
			a.TTL = max(1, h.Ttl)
		}
	}
	for range 16 { // a chain has no more links than that, or it is a loop
		next := ""
		for _, rr := range m.Answer {
			if c, ok := rr.(*dns.CNAME); ok && dns.CanonicalName(c.Hdr.Name) == at {
				next = dns.CanonicalName(c.Target)
				least(&c.Hdr)
				break
			}
		}
		if next == "" {
			break
		}
		at = next
	}
	for _, rr := range m.Answer {
		if dns.CanonicalName(rr.Header().Name) != at || rr.Header().Rrtype != kind {
			continue
		}
		var ip net.IP
		switch x := rr.(type) {
		case *dns.A:
			ip = x.A
		case *dns.AAAA:
			ip = x.AAAA
		}
		if addr, ok := netip.AddrFromSlice(ip); ok && len(a.Addrs) < 64 {
			a.Addrs = append(a.Addrs, addr.Unmap())
			least(rr.Header())
		}
	}
	if name := strings.TrimSuffix(at, "."); name != strings.TrimSuffix(dns.CanonicalName(a.Name), ".") {
		a.CNAME = name
	}
}

// ask puts one question, to one server after the other.
func (r *Resolver) ask(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(name), kind)
	q.SetEdns0(1232, false)
	var errs []error
	for _, server := range r.servers {
		m, _, err := r.udp.ExchangeContext(ctx, q, server)
		if err == nil && m.Truncated {
			m, _, err = r.tcp.ExchangeContext(ctx, q, server)
		}
		if err == nil && m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
			err = errors.New(dns.RcodeToString[m.Rcode])
		}
		if err == nil && (len(m.Question) != 1 || !strings.EqualFold(m.Question[0].Name, q.Question[0].Name) || m.Question[0].Qtype != kind) {
			err = errors.New("it answers another question")
		}
		if err == nil {
			return m, nil
		}
		errs = append(errs, fmt.Errorf("ask %s for %s: %w", server, name, err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

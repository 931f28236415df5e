package cnc

import "net/netip"

// Special says why an address cannot be what a sighting is about: Bogon, WellKnown, or "".
func Special(a netip.Addr) Reason {
	a = a.Unmap()
	if !a.IsValid() {
		return NoHost
	}
	// Well-known ones first: 2001:4860:4860::8888 lies in no bogon, but 64:ff9b::/96 and 2002::/16 wrap others.
	if wellKnown[a] {
		return WellKnown
	}
	if a.Is4() {
		for _, p := range bogons4 {
			if p.Contains(a) {
				return Bogon
			}
		}
		return ""
	}
	if !globalUnicast6.Contains(a) {
		return Bogon
	}
	for _, p := range bogons6 {
		if p.Contains(a) {
			return Bogon
		}
	}
	return ""
}

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// The special-purpose registries of RFC 6890 and its successors, and what is
// multicast or was never given out.
var (
	bogons4 = prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
		"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3")
	globalUnicast6 = netip.MustParsePrefix("2000::/3")
	bogons6        = prefixes("2001::/32", "2001:2::/48", "2001:10::/28", "2001:20::/28", "2001:db8::/32", "2002::/16", "3fff::/20")
)

// wellKnown are addresses that stand in a list by mistake or by malice: the root servers
// and the public resolvers, which bots ask too.
var wellKnown = func() map[netip.Addr]bool {
	out := map[netip.Addr]bool{}
	for _, s := range []string{
		// Root servers, A to M.
		"198.41.0.4", "170.247.170.2", "199.9.14.201", "192.33.4.12", "199.7.91.13", "192.203.230.10", "192.5.5.241", "192.112.36.4", "198.97.190.53",
		"192.36.148.17", "192.58.128.30", "193.0.14.129", "199.7.83.42", "202.12.27.33",
		"2001:503:ba3e::2:30", "2801:1b8:10::b", "2001:500:200::b", "2001:500:2::c", "2001:500:2d::d", "2001:500:a8::e", "2001:500:2f::f", "2001:500:12::d0d",
		"2001:500:1::53", "2001:7fe::53", "2001:503:c27::2:30", "2001:7fd::1", "2001:500:9f::42", "2001:dc3::35",
		// Public resolvers.
		"1.1.1.1", "1.0.0.1", "1.1.1.2", "1.0.0.2", "1.1.1.3", "1.0.0.3", "2606:4700:4700::1111", "2606:4700:4700::1001",
		"8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844",
		"9.9.9.9", "9.9.9.10", "9.9.9.11", "149.112.112.112", "149.112.112.10", "149.112.112.11", "2620:fe::fe", "2620:fe::9",
		"208.67.222.222", "208.67.220.220", "208.67.222.123", "208.67.220.123", "2620:119:35::35", "2620:119:53::53",
		"4.2.2.1", "4.2.2.2", "4.2.2.3", "4.2.2.4", "4.2.2.5", "4.2.2.6", "64.6.64.6", "64.6.65.6", "156.154.70.1", "156.154.71.1",
		"77.88.8.8", "77.88.8.1", "77.88.8.88", "77.88.8.2", "77.88.8.7", "94.140.14.14", "94.140.15.15", "185.228.168.9", "185.228.169.9", "76.76.19.19", "76.76.2.0", "76.76.10.0",
		"114.114.114.114", "114.114.115.115", "223.5.5.5", "223.6.6.6", "119.29.29.29", "180.76.76.76", "84.200.69.80", "84.200.70.40", "8.26.56.26", "8.20.247.20",
	} {
		out[netip.MustParseAddr(s)] = true
	}
	return out
}()

package mrt

// MRT types (RFC 6396 section 4 and appendix B).
const (
	typeBGP         = 5  // deprecated; the archives of 1999 and 2000
	typeBGP4Plus    = 9  // deprecated: its IPv6 sibling
	typeBGP4Plus01  = 10 // deprecated
	typeTableDump   = 12
	typeTableDumpV2 = 13
	typeBGP4MP      = 16
	typeBGP4MPET    = 17
	typeISISET      = 33
	typeOSPFv3ET    = 49
)

// Subtypes of BGP, BGP4PLUS and BGP4PLUS_01 (RFC 6396 appendix B.2).
const (
	bgpNull        = 0
	bgpUpdate      = 1
	bgpPrefUpdate  = 2
	bgpStateChange = 3
	bgpSync        = 4
	bgpOpen        = 5
	bgpNotify      = 6
	bgpKeepalive   = 7
)

// Subtypes of TABLE_DUMP: the AFI; 3 and 4 are bgpdump's for 4-octet AS numbers.
const (
	dumpIPv4    = 1
	dumpIPv6    = 2
	dumpIPv4AS4 = 3
	dumpIPv6AS4 = 4
)

// Subtypes of TABLE_DUMP_V2 (RFC 6396 section 4.3, RFC 6397, RFC 8050 section 4).
const (
	v2PeerIndex            = 1
	v2IPv4Unicast          = 2
	v2IPv4Multicast        = 3
	v2IPv6Unicast          = 4
	v2IPv6Multicast        = 5
	v2Generic              = 6
	v2GeoPeer              = 7
	v2IPv4UnicastAddPath   = 8
	v2IPv4MulticastAddPath = 9
	v2IPv6UnicastAddPath   = 10
	v2IPv6MulticastAddPath = 11
	v2GenericAddPath       = 12
)

// Subtypes of BGP4MP and BGP4MP_ET (RFC 6396 section 4.4, RFC 8050 section 3).
const (
	mpStateChange         = 0
	mpMessage             = 1
	mpEntry               = 2 // deprecated
	mpSnapshot            = 3 // deprecated
	mpMessageAS4          = 4
	mpStateChangeAS4      = 5
	mpMessageLocal        = 6
	mpMessageAS4Local     = 7
	mpMessageAddPath      = 8
	mpMessageAS4AddPath   = 9
	mpMessageLocalAddPath = 10
	mpMessageAS4LocalAP   = 11
)

// established is the number of the state Established (RFC 6396 section 4.4.1).
const established = 6

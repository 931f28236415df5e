// Package bgptest makes recorded BGP from a description that a person can read
// aloud: MRT files (RFC 6396) as RIPE RIS and RouteViews write them, and the
// same facts as [bgp.Update] values. Nothing in it is recorded from anybody. The
// same text gives the same updates and the same MRT records on any machine; the
// gzip framing around them is that of the standard library.
//
// # A timeline
//
//	start 2008-11-11T18:00:00Z
//	end +6h
//	collector rrc00 peers 20 as 64600+         # 20 full-feed peers, AS64600 to AS64619
//	peer rrc00 3 asn 7397                      # one vantage point may be somebody in particular
//	transit 3356 174 701 2914                  # the tier-1s between the peers and everybody else
//	table 3000 prefixes                        # the background
//	churn 40 per minute                        # its small talk
//	network 26780 208.66.192.0/22 208.72.168.0/21
//	route 26780 via 6939 at 62%
//	route 26780 via 3549 at 38%
//	reference behind 6939 60 prefixes          # other customers of this upstream
//	at +0s rib
//	at 21:00 drop 6939-26780 over 90s
//	at 21:30 drop 3549-26780 over 90s
//
// One sentence a line; # begins a comment. Sentences that describe the world may
// come in any order. Those that begin with "at" are the timeline and come in the
// order of time. A fault is told with its line and its sentence, all of them
// together ([Error]).
//
// # Words
//
//	TIME      2008-11-11T21:00:00Z, any RFC 3339; 21:00, 21:00:00 or 21:00:00.5 on the day
//	          of the sentence before; +1h30m or +2d12h after the start
//	TIMESPAN  500ms, 90s, 1h30m, 2d
//	SHARE     62%, 0.5%
//	EDGE      6939-26780: two neighbours in a path, the upstream first
//	PEERS     rrc00 (all of them), rrc00 peer 3, rrc00 peers 2-4,7
//	SOME      PEERS and PEERS ...
//	SCOPE     ipv4, ipv6, references (all of them), networks, prefixes, in any number: narrows
//	          to these
//
// # The world
//
//	seed N
//	start TIME
//	end TIME
//	files every TIMESPAN [plain]       5m unless said; gzip unless plain
//	collector NAME peers N as ASN+ [over ipv6] [carrying ipv4|ipv6]
//	          [writing as2|microseconds|add-path]...
//	peer NAME N [asn ASN] [address ADDRESS] [partial SHARE]
//	transit ASN...
//	table N [ipv6] prefixes
//	churn N per second|minute|hour|day
//	network ASN [PREFIX...]
//	reference behind ASN... N [ipv6] prefixes [multihomed SHARE]
//	route NETWORK via ASN... [at SHARE] [prepend N] [for SCOPE] [seen by SOME|SHARE]
//	hunting SHARE                      60% unless said
//	duplicates SHARE                   2% unless said
//	rib every TIMESPAN
//
// A collector's peers have consecutive AS numbers from ASN on, and invented
// addresses. Sessions are over IPv4 unless "over ipv6", and carry both families
// unless "carrying" one. A "partial" peer sends only a share of all prefixes.
// "writing as2" records AS numbers in two octets with AS4_PATH, "microseconds"
// writes BGP4MP_ET, "add-path" lets every peer send its two best routes (path
// identifiers 1 and 2); they may be combined.
//
// "via 3549 23342" is read as an AS_PATH: AS23342 is the neighbour of the
// network. The path that a peer sees is the peer, one or two of the transit
// ASes, the hops, the network; where the peer is itself one of the hops, it
// begins there. A route "at 62%" is the preferred one of that share of the peers
// which can see it. Routes are dealt out in the order of the text: each takes its
// share first of peers that have none, then, where it is added later or seen only
// by some, of the others. Who loses the preferred route takes another, roughly
// by share; a route without "at" is a back-up, used where nothing else is left.
//
// Background and reference networks, their prefixes (in 10.0.0.0/8 and
// 3fff::/20) and AS numbers (from 4200000000) are invented; so are the session
// addresses (198.18.0.0/15, 2001:db8:ffff::/48). References are the customers of an
// upstream, behind it alone or, where "multihomed", behind a second one too. Churn
// counts updates, of all peers together, in the mean.
//
// # The timeline
//
//	at TIME drop EDGE... [for SCOPE] [over TIMESPAN] [except SOME]
//	at TIME restore EDGE... [for SCOPE] [over TIMESPAN]
//	at TIME fail ASN... [for SCOPE] [over TIMESPAN] [except SOME]
//	at TIME recover ASN... [for SCOPE] [over TIMESPAN]
//	at TIME flap EDGE... every TIMESPAN N times [for SCOPE] [over TIMESPAN]
//	at TIME route ... [over TIMESPAN]
//	at TIME announce NETWORK [PREFIX...] [at SHARE] [over TIMESPAN]
//	at TIME withdraw NETWORK [PREFIX...] [over TIMESPAN] [except SOME]
//	at TIME move PREFIX... from NETWORK to NETWORK [over TIMESPAN]
//	at TIME hunt NETWORK [PREFIX...] [over TIMESPAN] [with withdrawals]
//	at TIME noise PEERS about NETWORK [PREFIX...] N times [every TIMESPAN]
//	at TIME reset PEERS [down TIMESPAN]
//	at TIME silence NAME for TIMESPAN
//	at TIME malformed PEERS N messages
//	at TIME rib
//
// "over" is how long it takes until everybody has heard, 60 s unless said: when
// it is past, nobody has the old state any more. Until then each peer hears at its
// own time, and when routes are lost, a share of the peers ("hunting") first tries one to three longer
// paths over the lost edge, 22.5 to 30 s apart where there is room, as path
// hunting under RFC 4271's timers does. "except" names peers that do not hear
// of it and keep the dead route: zombies.
//
//	drop, restore      an edge is cut, or is back. "drop 3549-23342 for 27595" is a cut one
//	                   level up: the edge stays, but carries AS27595 no longer.
//	fail, recover      everything through an AS is lost; "for 12389 20485" only these networks
//	flap               drop, and restore half an interval later
//	route              as above: another way opens
//	announce, withdraw a network begins or ends to originate prefixes: all that it ever had,
//	                   unless they are named. Where two networks announce the same prefix, SHARE
//	                   (50% unless said) of the peers prefer the one that came later
//	move               one network ends, another begins to originate
//	hunt               every peer tries longer paths and comes back to its own; "with withdrawals"
//	                   withdraws and comes back instead, one peer after the other
//	noise              one peer withdraws and announces again, every 30s unless said
//	reset              sessions are lost, and up again after 5s unless said: the table is sent
//	                   anew, then End-of-RIB (RFC 4724). A whole collector comes back within 20 s
//	silence            the collector records nothing; what is said meanwhile is lost
//	malformed          UPDATEs that break RFC 4271, in six ways by turns
//	rib                all collectors dump their tables, at most once a minute
//
// # What the files leave out
//
// Peers send no KEEPALIVE, attributes other than ORIGIN, AS_PATH, NEXT_HOP, one
// community and AS4_PATH are absent, and paths have no AS_SET. [Writer] and
// [AppendUpdate] write those records that a test needs beyond this.
package bgptest

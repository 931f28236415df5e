// Package bmp is a BMP station: routers connect to it and say what their peers
// tell them (RFC 7854), what they tell their peers (RFC 8671) and what they use
// themselves (RFC 9069). It only listens, in both senses: BMP lets a station say nothing.
//
// # Who is a peer
//
// The collector of a [bgp.Peer] is the router: its configured name, else its
// sysName where that is a plain word that nobody else has, else its address.
// Adj-RIB-In gives the monitored peer's address and AS number. Adj-RIB-Out gives
// the address of the session and the router's own AS number, for it is the router
// that speaks there. The Loc-RIB gives the router's address and AS number. Peers of a
// VRF are not of the Internet: they are counted and left out.
//
// A router may send the same peer before and after its policy. Only one of them
// counts: before the policy where the router sends that at all, else after it. It
// is decided for each peer by the first Route Monitoring message about IPv4 or IPv6
// unicast. What was heard in another view is no table to compare with: the peer's
// table is begun anew (PeerUp, Unheard, PeerUp), and nothing is lost by it.
//
// Before the policy is the view to ask a router for. GoBGP, asked for the view after
// it, withdraws all routes of a session that ends before it says that it ended:
// nothing in those messages tells them from withdrawals.
//
// # Order, time and what can be lost
//
// Updates of one peer come in the order of its router. At is the time in the
// per-peer header where that can be believed: not zero, not in the future, not older
// than stamp_tolerance (a table that is sent anew has the times of its routes); else
// it is the time of arrival. It is never before the connection began, nor before what
// the peer said last. A PeerUp comes with the first Route Monitoring message of a
// session whose view is not yet known, else at once.
//
// A connection that ends says Unheard for every peer of its router at the time
// of its last message: their sessions go on. When the router is back it sends its
// tables again: PeerUp, the table, EndOfRIB; what does not come back is lost. When
// Run's context ends, nothing more is said. A second connection of one router
// replaces the first, which has two seconds to be read to its end.
//
// What cannot be read is counted and withdraws nothing. Where the boundaries of
// messages are lost, the connection ends with an error that names the router and
// the octet. Nothing is queued: while emit blocks, no router is read from, and TCP
// slows them. A router waits for its turn at emit, for nothing else.
package bmp

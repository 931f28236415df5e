// Package speaker is a BGP speaker that listens and never speaks of routes: the
// sessions of routers that send us their tables.
//
// # Two halves
//
// A front of ours owns the sockets that routers connect to. It passes OPEN,
// KEEPALIVE, NOTIFICATION and ROUTE-REFRESH both ways to a passive GoBGP server
// in the same process, which listens on loopback only and keeps what GoBGP is
// good at: the state machine, the capabilities, the timers, and a table of the
// watched routes. Every UPDATE is read by the front alone, as bytes: checked,
// stamped with the microsecond of its arrival, counted, and held against the
// watchlist ([wire.Door]). What is wanted goes out as [bgp.Update] from those
// bytes, before any policy, and goes to GoBGP written anew, with nothing in it
// but attributes that were checked.
//
// Each session of a router is a neighbour of its own in GoBGP, at an address of
// 127.64.0.0/10 which stands for the router, made when the router's OPEN is there
// and deleted when the session ends. So nothing in GoBGP outlives a session, and
// Linux is needed: other systems have one loopback address only.
//
// # What is promised
//
//   - Nothing is ever announced. GoBGP has no route to announce: its policy rejects
//     everything both ways, it selects no path, and no path is added to it. And the
//     front lets no UPDATE through to a router but End-of-RIB markers; it
//     counts what it stopped.
//   - Updates of one peer are in the order of its messages: PeerUp, what the
//     watchlist wants, EndOfRIB, a Heard in each minute in which it spoke, PeerDown
//     with its cause. A session that ends, for whatever reason, withdraws nothing.
//   - A malformed UPDATE says nothing. Where RFC 7606 lets a router treat it as a
//     withdrawal the session goes on and the message is counted by its fault; where it
//     cannot, the session ends with the NOTIFICATION of RFC 4271 section 6.
//   - emit may block: then no socket is read, TCP slows the routers down, and both
//     sides are told that the session lives. Nothing is dropped, and what waits is bounded by [maxBatch]
//     updates and one read per session. GoBGP, whose own queues have no bound, is never
//     more than a few hundred UPDATEs behind.
//   - Routes of a watchlist that was replaced are asked for again (ROUTE-REFRESH, RFC
//     2918), of every peer that can. Those it had are announced a second time.
//   - Who is not configured gets no answer. TCP MD5 (RFC 2385) and TTL security (RFC
//     5082) are set by the front and tried before it serves; Run fails where they do
//     not work. Multipath TCP, on which they do not, is off.
//
// # What can be lost
//
// While no session is up nothing is heard; the table transfer of the next session
// tells what is left. What a router announced between two states of its own and
// never sent cannot be known by anybody.
package speaker

// Package rislive is a live feed: RIPE RIS Live, the BGP messages of the peers of
// the RIPE NCC's route collectors as they come in
// (https://ris-live.ripe.net/manual/), over WebSocket or as its HTTP stream.
//
// # What it hears
//
// Over WebSocket it subscribes, while the watchlist is small, to every watched AS
// number (anywhere in a path), to every watched prefix, to what was learned, and to
// the session messages of all peers; else, and over HTTP always, to everything,
// which is filtered here. Either way every message goes through a [wire.Door], so
// that what is emitted is the same.
//
// A withdrawal names no AS: whoever subscribed by AS alone sees routes come and
// never go. So what any feed learns (see [wire.Shared.Since]) is subscribed to on
// the open connection as soon as it is learned. Between the announcement from which
// it was learned and the server's taking note of the subscription, a few round
// trips, a withdrawal may be missed; where nothing is subscribed, nothing can be.
// Routes through an upstream are asked for once it is known, and for ten minutes at
// most, so that by list other prefixes may come to serve as its references.
//
// # Order and time
//
// Updates are emitted in the order of the stream, which is that of each peer. At
// is the collector's stamp, in microseconds. A stamp that lies in the future is
// replaced by the time of arrival; one that is old is left as it is, since the
// table never lets an older word overwrite a newer one. Both are counted. A message
// that comes twice in a row, since two subscriptions ask for it, counts once.
//
// The octets of a message, where the server sends them, are believed; what the
// JSON says, where it does not. What is malformed is refused and counted, never a
// withdrawal. Messages that the collector itself sent are no peer's. OPEN and
// NOTIFICATION do not tell that a session is up, nor that it is down (an attempt
// to connect is refused with a NOTIFICATION while the session goes on): only the
// peer's state does that, and a NOTIFICATION of just before is its cause.
//
// # What can be lost
//
// The socket is read whether or not emit returns. Between reader and emit lies a
// queue of bounded length and size; what does not fit is dropped and counted, and
// when there is room again every peer is told to be Unheard from the moment of the
// first message that is missing, until it is heard again. So it is when the
// connection is lost, after which the feed connects again, at growing and random
// intervals. RIS Live repeats nothing: what was said meanwhile is in the archives
// alone.
//
// When the context of Run ends, nothing is said any more; whoever ends it knows.
//
// Memory is bounded: by the queue, by the number of peers that are told apart, and
// by what the watchlist lets be learned. Nothing that a server sends makes it panic.
package rislive

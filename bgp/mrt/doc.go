// Package mrt reads recorded routes: MRT archives (RFC 6396, RFC 8050) of RIPE
// RIS, RouteViews and any other collector, from 1999 on.
//
// The layers, each of use alone:
//
//   - [Expand] and [OpenInput] find and open archives, plain or packed (gzip,
//     bzip2, zstd, told by content), from files, folders, addresses and standard
//     input. Unpacking runs ahead in its own goroutines, bounded.
//   - [Reader] takes archives apart into records.
//   - [Decoder] reads records into events: BGP messages, state changes, entries of
//     tables. It allocates nothing per message. An [Event] and what hangs on it
//     hold until the next one is read.
//   - [Filter] and [Printer] choose and print elements, as scan does.
//   - [Source] is a feed: any number of archives, merged in order of time across
//     collectors, of which what a watchlist wants is emitted as updates.
//
// Nothing panics on bad input. What cannot be decoded is counted by [Reason] and
// passed over. An archive that is cut yields all that precedes the cut, and then an
// error that names the file, the record and the offset. A malformed UPDATE is never
// taken for a withdrawal (RFC 7606 would have the router do so).
package mrt

// Package timeline is the memory: what every watched route was at any moment that was
// seen, what was concluded from it, and when depeer came to know either.
//
// # Two times
//
// Everything has the time At which it was so in the world, and the time at which it was
// Recorded here. "What was so at T" is answered with all that is known; "what did we
// believe at T" (an Asking with Believed set) with what had been recorded by then. What
// comes late, or is filled in from the archives, is added with its own time of recording
// and replaces nothing: an answer may change, and one can ask what it was.
//
// # Changes and records
//
// A [Change] is one change of one peer's table, as bgp/rib judges it: a route that was
// announced, replaced, withdrawn, or missing after its table had been sent again, and a peer
// that left or came back with all its routes. Whoever keeps the last change of every
// (peer, prefix, path id) up to T, and the last word on every peer, has the routes at T.
// A peer's leaving withdraws nothing: from then on what it says is not known. Nor is it
// between two recordings: [Coverage] says when somebody listened.
//
// A [Record] is everything else: events, revisions of incidents, gaps in what was seen,
// sightings and migrations of C&C servers, deliveries of messages. Its body is the JSON of
// its kind; beside it stands what it can be looked up by.
//
// # Order, and what can be lost
//
// Changes are told in order of At; those of one prefix and one moment in the order in
// which they were observed (Reader.Changes has the whole order). A [Batch] is stored whole or not at all, together with the
// position in the log that it was read from: what a killed process had not stored is read
// again, and a batch that was stored is not stored twice. Nothing is lost by kill -9; a power
// cut may lose what the operating system had not written, and then the log tells it again.
//
// # Bounds
//
// The store grows with the changes of watched prefixes, at less than 20 bytes each, until
// its retention ends. The state at T is read from the last checkpoint before T on: its
// cost does not grow with the age of the store.
package timeline

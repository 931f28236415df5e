// Package cnc says where command-and-control (C&C) servers went: it takes in sightings,
// joins each to the route of its own time, and finds the families that left a hoster for
// another network.
//
// # Sightings
//
// A [Sighting] is one observation by one source: this family's server had this address (or
// name) at this moment. What a source says is not what is so: lists have
// errors, poison and holes, and trackers change their ways. A feed's download is judged as a whole
// before any of it is believed, and is refused or put in quarantine with the reason; what was known stays.
//
// # The join
//
// An address is joined to (prefix, origin, upstreams) as of the sighting's own time, never
// as of now: address space is re-issued, hosters move. Three changes are kept apart: the
// address changed, a name moved to another address, the AS label changed because the
// prefix moved and the host did not.
//
// # Migrations
//
// A [Migration] is a family seen leaving a hoster for another network. It says "coincides",
// never "because": its score is the sum of named evidence, each item with its points and the
// records behind it, held against what the family does anyway (its base rate in that network, its
// course on all other networks: a family that falls everywhere at once fell at the tracker).
//
// Four things are said. KindMoved and KindWatch are degrees of a move, above the threshold and
// below it; KindGone is a family that is seen no more at a hoster whose routes did not change, with what grew
// elsewhere and how usual that is; KindNoGap is one that went on because it was elsewhere too. Cut, here, is a
// chain of losses: lags count from its first. What cannot be evidence is left out: hosts that serve many
// families or many ordinary names, fast flux, fronts, the first day of a source's whole list, and
// addresses whose label changed with their prefix.
//
// The judgement (Judge) is pure: it reads no clock, starts no goroutine and does no I/O.
// The same sightings and events give the same migrations with the same ids, in whatever
// order sightings of one moment come.
package cnc

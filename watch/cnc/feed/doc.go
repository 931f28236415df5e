// Package feed takes in what trackers, sharing platforms and researchers publish of C&C
// servers, as sightings of package cnc.
//
// # Reading
//
// [Formats] names each format with its parser. [Parse] reads one file of it: a stream, with bounds for the
// whole, for one entry and for the number of entries; gzip is undone. Each entry becomes a sighting that
// [cnc.Sighting.Accept] accepted, or is counted in [Stats] under its reason. A file that is none of its format,
// or is cut off, is a [*Doubt]; what came before is in the hands of the caller, who should not
// believe it.
//
// # Judging
//
// A download is judged as a whole before any of it is believed: [Inspect] is pure, and
// holds its [Profile] against that of the last one that was believed. What it refuses changes nothing;
// what it puts in quarantine is kept on disk for people to look at, and is believed once it has
// been so for [Limits].Patience.
//
// # Fetching
//
// A [Feed] fetches one source on a schedule that the caller keeps: with conditional requests
// through package fetch, never more often than the format's publisher asks for. Refresh hands out each accepted sighting
// once for each time that it is in a new download: their ids are stable, and whoever publishes them
// by id publishes each once. What was believed last is known after a restart without a network.
package feed

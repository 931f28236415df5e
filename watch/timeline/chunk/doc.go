// Package chunk packs changes of routes: the bytes that every store keeps.
//
// A chunk holds changes of one prefix (or of the peers' sessions) in order of time, as
// columns of variable-length integers that refer to the dictionaries of the store. A batch
// holds changes of any prefixes in the order in which they were observed, and brings its
// own dictionaries: it is what a store takes in at once and packs later.
//
// Both begin with a version and carry a checksum. What is cut, damaged or of another
// version is refused with an error and never half read; reading takes memory in proportion
// to the columns that are there, which are at most 64 MiB, not to what they promise. The bytes do not depend on the machine.
//
// All functions are safe for concurrent use.
package chunk

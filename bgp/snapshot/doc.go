// Package snapshot writes a graph of Go values as bytes and makes the same graph
// of them again: what the judgement knows, so that it survives the process.
//
// A [Schema] is made of the type of the root. It finds every type that the root
// reaches, and every field of them, exported or not: nothing can be forgotten,
// and what cannot be written (a function, a channel, an interface whose types
// were not named) is an error when the schema is made. A field with the tag
//
//	snapshot:"-"
//
// is left out, and is zero in what is read: caches and scratch space.
//
// What is kept: values, the identity of pointers and so all cycles, nil apart
// from empty, zones of times. What is not: capacities, arrays that several slices
// share (each slice gets its own), monotonic readings. A pointer to a struct that
// is a part of another value is refused when it is met; one to a part of a basic
// type becomes a pointer to a copy.
//
// The same graph gives the same bytes, as long as every pointer that is the key
// of a map can be reached in another way too. Bytes begin with a fingerprint of
// all types, names and kinds, and are cut into frames, each with its checksum,
// chained from the first octet to the last. A snapshot of another schema is
// refused with a [*SchemaError], one that is cut or damaged with [ErrDamaged], and
// nothing is given out unless all of it was read. Reading takes memory in
// proportion to what was read, never to what the bytes promise. The checksum
// tells accidents, not forgery: read only what this program wrote.
//
// Writing and reading are streams: neither holds the snapshot in memory. The
// graph must not change while it is written.
package snapshot

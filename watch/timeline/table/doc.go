// Package table is what the stores on SQL databases share: their tables, what is packed
// into them, and how questions are answered from them. A store of its own needs a driver,
// the migrations that make the tables (Dialect says what they must hold), and its Dialect.
//
// # Tables
//
// What comes in is stored as it came, one row of packed changes per batch (tail), together
// with the records, the positions in the logs and what the writer keeps: one transaction.
// Packing moves it into chunks (package chunk), one or more for a prefix and a month, that
// refer to dictionaries of peers, paths and words. A chunk is never altered but by merging
// it with its neighbours; what comes late is a further chunk of its month, with its own
// times of recording. Prefix 0 stands for the sessions.
//
// Checkpoints are computed from chunks and may be dropped at any time: the routes of one
// prefix at one moment, with the time of recording of the latest change that it rests on.
// What comes late drops those that follow it.
//
// # Order and locking
//
// One writer at a time, also among processes: Dialect.Lock is asked in every writing
// transaction. Readers never wait for it; every question is answered in one reading
// transaction, from chunks and tail as of one moment. Packing is done by Maintain, and by
// Write before it stores a batch where the tail has grown long, so that what a reader has
// to look through is bounded.
package table

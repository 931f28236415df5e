// Package origins knows which AS originated an address at a moment, for the whole Internet: from dated tables
// that others make of collectors' RIB dumps.
//
// A [Table] is read whole from one file and is never changed: recorded tables (MRT), CAIDA's
// pfx2as, lists of prefixes or address ranges as text or CSV, MMDB. [Tables] holds several of different dates and
// answers with the nearest at or before the asked time, saying how old that is; what no table covers is not known.
// Beside them lie names, organisations and relationships of ASes, each with its own date where it has one.
//
// Tables are replaced whole: readers hold no lock, see the old ones or the new ones, and may be many. A file that cannot be
// read, or is much smaller than before, leaves what was there.
//
// Memory: about 30 bytes a prefix while it is in use, and no more while it is built but what the text takes.
package origins

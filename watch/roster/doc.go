// Package roster reads watchlists that other people publish into hosters: the
// ASN-DROP and DROP lists of Spamhaus, CSV, and plain lists of AS numbers and
// prefixes.
//
// [Parse] reads one list. The same text gives the same hosters with the same ids.
// A line that cannot be read is refused, counted and named; it costs nobody else.
//
// A list may lie: an empty file, a web page that says sorry, a transfer cut in two,
// or a list that lost most of its entries overnight would take the watch off real
// hosters. Such a list is a [*Doubt] and never replaces the last good one, which
// stays on disk through package fetch: a [List] has it after a restart without a
// network too.
//
// [Merge] joins lists with the configured hosters, who win.
package roster

// Package archive follows the archives of RIPE RIS and RouteViews as a feed: the
// tables of their collectors, then every file of updates as it appears.
//
// [Feed] starts each collector with its latest table dump, so that the first
// withdrawal is judged against what every peer held, reads all updates since, and
// then each new file. [Reader] does single errands: Seed for a live feed of the
// same collectors, Backfill for a hole that one had.
//
// Order: the updates of a peer come in its order. Files are taken by the time at
// which they begin, across collectors; a file is emitted by second, then by peer.
// Peers are named as package mrt names them, which is how RIS Live does.
//
// Blocking: emit is called from one goroutine; while it blocks, nothing is fetched.
// An archive cannot be kept waiting too long: the files stay there.
//
// Cursor: what was emitted, and accepted, is noted per collector in Deps.Dir. A
// restart goes on there and may read one file a second time, which changes nothing
// in a table. It reads the last table anew, but only to learn from it which routes
// are wanted; who lost its own memory says Deps.Fresh and is told everything.
//
// What can be lost: a file that is missing, or broken, is waited for
// (Config.Patience). Then every peer of the collector is Unheard from the moment on
// from which something is missing, the cause names the file, and reading goes on;
// the next table dump corrects what was missed. Where nothing new comes at all,
// peers are Unheard once, from where the last file ended. Nothing of this ever
// reads as a withdrawal.
//
// The layouts, as the projects serve them (steps of older years differ, so names
// come from the folder's index where there is one):
//
//	https://data.ris.ripe.net/rrc21/2026.11/updates.20261122.0105.gz     5 min
//	https://data.ris.ripe.net/rrc21/2026.11/bview.20261122.0000.gz       8 h
//	https://archive.routeviews.org/bgpdata/2026.11/UPDATES/updates.20261122.0100.bz2   15 min; route-views2
//	https://archive.routeviews.org/route-views.linx/bgpdata/2026.11/RIBS/rib.20261122.0000.bz2   2 h
package archive

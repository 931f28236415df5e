// Package fetch downloads files politely into a cache on disk: archives of routes,
// watchlists, and whatever else other people publish for all.
//
// Politeness: one connection for each host at a time, whoever asks. What is in the
// cache is asked for conditionally (RFC 9110 section 13: ETag, Last-Modified). A
// broken transfer goes on where it stopped (Range with If-Range), also in the next
// process. After 429, 5xx and broken connections there is a pause that grows, with
// jitter, and never less than the server's Retry-After; where that is longer than
// Config.MaxPause, Get fails at once, and so does every Get from that host until
// the time has come, without asking.
//
// Wholeness: a file is written beside its place, synced, and renamed into it. A
// process that is killed at any moment leaves the last good copy, or the new one,
// never half of one. A transfer shorter than its Content-Length is never taken for
// whole. A server that gives no length and ends by closing the connection cannot be
// checked so; what reads the file has to (gzip and bzip2 can tell).
//
// Bounds: Config.MaxFile for one file, Config.MaxBytes for all of them: what was
// fetched longest ago goes first, save what is in use (see [File.Close]) and what
// was asked for with Request.Keep.
//
// Addresses are http, https, or file (read in place, for mirrors). Errors name the
// address without its password and query, which may hold a key.
//
// A folder serves one process at a time. The methods of a [Fetcher] may be called
// from any goroutine.
package fetch

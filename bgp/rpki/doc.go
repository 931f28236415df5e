// Package rpki says whether an AS may originate a prefix (RFC 6811), by validated ROA
// payloads (VRPs) that others validated: from a file or address (the JSON of rpki-client, Routinator and StayRTR, or CSV), or
// from a cache over RPKI-to-Router (RFC 8210, and RFC 6810 where the cache is older).
//
// A [Set] is made once and never changed. A [Validator] holds the one in force: readers hold no lock. What it
// holds is believed until its expiry; then, and before there is any, the answer is [Unknown], which
// is another thing than [NotFound].
//
// A [Client] keeps a Validator current from one cache: Run works until its context ends, and nothing outlives it. An increment takes effect
// at its End of Data, whole or not at all. A cache that is lost leaves what it said until the expire interval that it gave.
// The transport is plain TCP: a cache belongs into one's own network (RFC 8210 section 9).
package rpki

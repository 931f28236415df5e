// Package access decides who may ask and change what: it stands before every handler
// of package web.
//
// # Who
//
// Somebody is known by an API token (Authorization: Bearer depeer_...) or by a login
// at an OpenID Connect provider, which leaves a session cookie. Both have a [Scope]; each
// operation needs one. Where neither is configured the listener is on loopback, and whoever
// can reach it is this machine's user: [Admin].
//
// A token is 256 random bits. It is shown once and kept as its SHA-256: nobody can guess
// or compute it, so the hash needs neither salt nor stretching. Tokens end, and can be
// revoked; the file is read again when it changes, and where it cannot be read nobody
// gets in.
//
// # What else is refused
//
// In this order, each with a problem document and a count: requests that came around the
// proxy, or ask for a name that is not ours (DNS rebinding); more requests than a client may
// make (429); changes that another site's page makes a browser send (Fetch metadata, Origin);
// strangers (401) and those whose scope is too small (403).
//
// Every change, and every login, is told to the log and to Deps.Changed: who, what,
// when, and what came of it. Secrets are in neither.
//
// # Bounds
//
// Clients, sessions and logins that have begun are kept in memory, so many at most; the
// oldest go first. Sessions end with the process: a browser then logs in again, which the
// provider usually does without asking.
package access

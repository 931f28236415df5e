// Package access decides who may ask and change what: it stands before every handler
// of package web.
//
// # Who
//
// Somebody is known by an API token (Authorization: Bearer depeer_...), or by a session
// cookie, which a login at an OpenID Connect provider leaves, and so does a token that is shown
// once (POST /login/token): a browser cannot send Authorization with all that it loads. All
// have a [Scope]; each operation needs one. Where neither is configured the listener is on
// loopback, and whoever can reach it is this machine's user: [Admin].
//
// A token is 256 random bits. It is shown once and kept as its SHA-256: nobody can guess
// or compute it, so the hash needs neither salt nor stretching. Tokens end, and can be
// revoked; the file is read again when it changes, and where it cannot be read nobody
// gets in. A session that began with a token may do what the token may, and ends with it: each
// request looks at the file. What is kept of it is the token's hash.
//
// Scripts cannot read the cookie, and it is sent with TLS alone; a browser on this machine that
// came without has one for its port. A stranger can ask which ways to log in there are
// (GET /login/ways), and try a token a second.
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
// provider usually does without asking. An answer that goes on, as the stream does, asks
// [Still] from time to time.
package access

// Package access decides who may ask and change what.
package access

// SessionCookie is the name of the cookie of a login. The prefix makes browsers refuse
// it without Secure, with a Domain, or for a part of the paths (RFC 6265bis 4.1.3.2).
const SessionCookie = "__Host-depeer"

// Package client asks a running depeer: the API of package web, typed. The command line
// uses it, so that what one sees on a terminal and what the API gives are the same.
//
// Every method takes a context, which bounds it, and returns a [*Problem] where the server
// answered with one. Its methods may be called from many goroutines. Answers are read up to
// 64 MiB; a redirect is not followed, so that a token goes to no other server.
package client

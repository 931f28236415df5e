// Package web is the only HTTP listener of depeer: questions go in, answers that
// other parts computed come out.
//
//	GET /healthz        200 while the process works
//	GET /readyz         200 when every feed hears what it should and the judgement is up to date, else 503 with the reasons
//	GET /metrics        everything that moves, for Prometheus; on a listener of its own where Config.Metrics says so
//	GET /openapi.json   what there is to ask (OpenAPI 3.1), made from this code
//	/api/v1/...         the board, the past, the desk, the stream
//
// Answers are JSON; errors are problem documents (RFC 9457). What is asked about the past
// comes with the gaps that touch it. A part that is not configured answers 501 and says
// what to configure; nothing is made up. Fields may be added to answers, none goes away.
//
// # Who
//
// Package access stands before every handler: on loopback, without tokens or logins,
// whoever works on this machine may do everything; any other listener is refused without
// TLS (or a proxy that does it) and without asking who comes. Every change is told to the log, and to
// admins who read the stream.
//
// # The stream
//
// GET stream tells entries of the log in order, each once, with an id to go on from; changes
// of the board, what people say about incidents and who did what carry none and are not told again. All readers share
// one bounded ring: who falls out of it is cut off, told so, and goes on from its id when it comes
// again. No reader holds up another, or the judgement.
//
// # Bounds
//
// Bodies, headers, times, readers, requests of a client and questions to the past at a
// time are bounded. With many hosters the board is up to a second old: all who ask at a
// moment share one look at it.
package web

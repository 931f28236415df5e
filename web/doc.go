// Package web is the only HTTP listener of depeer: questions go in, answers that
// other parts computed come out.
//
//	GET /healthz                 200 while the process works
//	GET /readyz                  200 when every feed hears what it should and the judgement is up to date, else 503 with the reasons
//	GET /metrics                 everything that moves, for Prometheus
//	GET /api/v1/status           the whole board in one answer
//	GET /api/v1/hosters[/{id}]   how every hoster stands
//	GET /api/v1/peers            every peer and whether it counts
//	GET /api/v1/feeds            how our eyes are
//	GET /api/v1/gaps             holes in what was seen (?from=, ?to=, RFC 3339)
//	GET /api/v1/explain          why there was an alarm, or none (?hoster= or ?prefix=)
//
// Answers are JSON; errors are problem documents (RFC 9457). Everything that is
// asked about a hoster comes with the gaps that touch the answer.
//
// Nobody is asked who they are, so the server listens on loopback alone: any other
// address is refused. It only reads; no request changes anything. Bodies are not
// read, headers are bounded, and a slow client is cut off.
package web

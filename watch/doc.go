// Package watch is judgement: is it gone, is it new, does it belong together?
//
// It is pure. No function here reads a clock, starts a goroutine or does I/O;
// time is an argument, and the same updates give the same events with the same
// ids, byte for byte, live or replayed. The walk is
//
//	bgp.Update -> Detector.Observe -> Event -> Incident
//
// The detector judges whole seconds of event time: everything that the peers
// said within one second is one fact, so that the order in which peers are
// interleaved cannot matter, and a withdrawal that is taken back within the
// second is none. Updates must arrive in order of their seconds; what comes late
// still changes the table (an older update never overwrites a newer one of the
// same peer and prefix) and is judged at the present second.
//
// What counts as what is written at [Policy], at the kinds of [Event] and at the
// classes of [Incident].
package watch

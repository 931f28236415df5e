// Package notify tells people once: it matches incidents to subscriptions, groups and
// mutes them, renders a message for each receiver, delivers it, and keeps what was said.
//
// The walk is
//
//	incident revision -> subscriptions -> muted? -> due? -> Message -> Receiver -> Receipt
//
// An incident is one message at each receiver: it is sent once, and edited as the story
// moves (receivers that cannot edit send a reply, or only what matters). The decision who is to be told what (Desk.Decide and
// what it calls) is pure: time is an argument. What was said is kept
// under (incident, receiver), so that a revision is never told twice, and a process that
// was killed between sending and recording repeats at most the same edit.
//
// One slow or dead receiver holds up nobody: each has its own queue, retries with back-off
// and a circuit breaker. What could not be delivered is listed, and can be sent again.
//
// Secrets are of type Secret and appear in no log, error, message or page.
package notify

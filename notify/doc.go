// Package notify tells people once: it matches what happened to subscriptions, groups and
// mutes it, renders a message for each receiver, delivers it, and keeps what was said.
//
// The walk is
//
//	incident revision -> Story -> Thread at each receiver -> Decide -> Message -> Receiver -> Receipt
//
// An incident is one message at each receiver: it is sent once, and edited as the story
// moves (receivers that cannot edit send a reply, or only what matters). Who is to be told
// what, when and why not, is decided by pure functions ([Rules.Decide]): time is an
// argument. [Rehearsal] plays them without receivers.
//
// # Once
//
// A [Notifier] hears each revision at least once, and says that it heard it only when the
// thread that it changed is in the store. Before a message is sent, the store holds a
// claim with its id; afterwards, the receipt. A process that is killed in between leaves
// the claim: the next one sends the message again under the same id and key, with
// Message.Unsure, and the receiver sees to it that it is the same message. Every write names
// the revision that the writer knows: of two processes that both believe that they
// tell, one cannot note its claim, and does not send. A lease lets one of several processes tell at a
// time; another takes over when it was not renewed for Config.Lease.
//
// # Order, blocking, what can be lost
//
// The messages of one thread are sent one after the other; between threads there is no
// order. One slow or dead receiver holds up nobody: each has its own queue of threads (not of
// revisions: what waits is told in its latest state), at most Config.Parallel sends at a
// time, retries with back-off, and a circuit breaker. What could not be delivered is
// kept, listed by [Dead], and sent again when somebody asks ([Ledger.Resend]). What became of
// each attempt is published; that is asynchronous, and a kill may lose the last of it, not the state.
// Nothing is sent while the store is away.
//
// # What is secret
//
// Secrets are of type Secret and appear in no log, error, message or page. [HTTPClient]
// reaches only addresses on the Internet, unless others are allowed.
package notify

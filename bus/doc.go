// Package bus carries what depeer finds: NATS JetStream, in process by default or
// a cluster of the operator's. It is the only importer of nats.go and nats-server.
//
// # What goes where
//
//	depeer.route.<hoster>.<announce|withdraw|state>   DEPEER_ROUTES      a batch of [Route]
//	depeer.event.<hoster>.<kind, dots as dashes>      DEPEER_EVENTS      a watch.Event
//	depeer.feed.<source>.<lost|stale|restored>        DEPEER_EVENTS      a watch.Event: our own eyes
//	depeer.route._.<announce|withdraw|state|pulse>    DEPEER_ROUTES      what concerns no single hoster; a watch.Pulse
//	depeer.gap.<collector>                            DEPEER_GAPS        each revision of a watch.Gap: a hole in what was seen
//	depeer.incident.<hoster>                          DEPEER_INCIDENTS   each revision of a watch.Incident
//	depeer.sighting.<source>                          DEPEER_SIGHTINGS   a sighting
//	depeer.delivery.<receiver>                        DEPEER_DELIVERIES  who was told what, when, and why not
//
// Every message is a CloudEvent 1.0 in binary mode (ce-* headers, a JSON body).
// Its Nats-Msg-Id is its ce-id, which depends on nothing but the content: whoever
// publishes the same fact again, from any replica, live or replayed, adds nothing
// within the stream's duplicates window.
//
// # What an acknowledgement means
//
// Publishing is asynchronous. A Publish method returns when the message is on its
// way; [Bus.Flush] returns when every message published before it is acknowledged,
// or with an error for each that is not. At most Config.Pending messages are on
// their way: then Publish waits. A message without an acknowledgement is sent
// again, under the same id, until Config.Patience ends; after such a retry it may
// stand behind messages that were published later.
//
// An acknowledged message has been written to the stream's file, but the file is
// not necessarily on the disk: NATS acknowledges before fsync. The death of the
// process (kill -9) loses nothing that was acknowledged. A power cut may lose what
// the embedded server wrote since its last sync, every Embedded.Sync (one second);
// with Embedded.SyncAlways nothing, at a hundredth of the speed. For more, point
// URLs to three servers and set Replicas to 3.
//
// Streams are bounded by age and bytes. A full stream drops its oldest messages
// (discard: old) or refuses new ones (discard: new; Flush then says so).
//
// # Small things that change
//
// What every process has to see as it is now (subscriptions, silences,
// acknowledgements, what was said to whom) lies in a [Bucket]. A write names the
// revision that the writer knows, and fails with [ErrChanged] where another one is
// there: of two writers one wins, and the other knows. [Bucket.Watch] hands over
// what is there and then every change, in their order for each key; of changes that
// follow each other quickly it may hand over only the last.
//
// # Order and ownership
//
// Messages of one publisher are stored in the order in which they were published,
// retries aside. Nothing that is handed to a Publish method is kept: it is encoded
// before the method returns. [Bus.Consume] delivers at least once.
//
// One process owns the directory of an embedded server; a second one is refused.
package bus

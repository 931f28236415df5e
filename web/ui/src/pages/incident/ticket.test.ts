import { expect, test } from "vitest";
import { event, incident, story, told } from "./sample";
import { eventSubject, exact, judged } from "./tell";
import { ticket } from "./ticket";

const options = { name: "McColo Corp.", link: "https://depeer.example.net/incidents/i1" };

test("a ticket tells the whole story in plain text, in UTC", () => {
  const s = story({
    next: "Check your own routes to 208.66.192.0/22",
    notes: [{ at: "2008-11-11T21:10:00Z", who: "alice", ack: true, text: "on it" }],
    deliveries: [told(), told({ at: "2008-11-11T21:01:40Z" })],
    missing: ["2 of its 3 events are not in the timeline"],
  });
  expect(ticket(s, options)).toBe(`AS6939 dropped McColo Corp.; AS3549 carries it on

Incident:  i1 (revision 1)
Hoster:    McColo Corp. (mccolo)
Class:     depeered, severity critical
Phase:     open, confirmed, and it lasts
Began:     2008-11-11 21:00:47Z, confirmed 2008-11-11 21:01:31Z
Upstreams: lost AS6939; remaining AS3549; gained none
Prefixes:  208.66.192.0/22
Care:      alice
Next:      Check your own routes to 208.66.192.0/22
Page:      https://depeer.example.net/incidents/i1

In order (UTC):
2008-11-11 21:01:31Z  Upstream lost: AS6939 carries none of it, before 62 %; since 2008-11-11 21:00:47Z
    2008-11-11 21:00:47.123456Z rrc00 AS64608 198.18.0.9 announced 208.66.192.0/22 path 64608 {1,2} 3549 26780
2008-11-11 21:01:31Z  Revision 1: AS6939 dropped McColo Corp.; AS3549 carries it on
2008-11-11 21:01:33Z  pager could not be told, it is tried again: answered 500 (2 times)
2008-11-11 21:10Z  alice acknowledged: on it

Missing: 2 of its 3 events are not in the timeline
`);
});

test("what is over says how, and many messages and events are counted", () => {
  const messages = Array.from({ length: 10 }, () => event().evidence![0]!);
  const events = Array.from({ length: 250 }, (_, i) => event({ id: `e${i}`, kind: "route.withdrawn", upstream: 0, prefix: `10.0.${i}.0/24`, evidence: messages }));
  const text = ticket(story({ incident: incident({ phase: "resolved", resolved: "2008-11-12T21:31:50Z", resolution: "new-normal", lost: null, prefixes: null }), revisions: [], events }), options);
  expect(text).toContain("Phase:     resolved, it lasted so long that it counts as normal now");
  expect(text).toContain("over 2008-11-12 21:31:50Z");
  expect(text).toContain("Upstreams: lost none;");
  expect(text).toContain("Care:      nobody has acknowledged it");
  expect(text).toContain("(and 249 more like it, until 2008-11-11 21:01:31Z)");
  expect(text).toContain("    and 7 more messages");
  expect(text.split("\n").length).toBeLessThan(25);
});

test("times of messages have six places, and those that are none stay as they are", () => {
  expect(exact("2008-11-11T21:00:47Z")).toBe("2008-11-11 21:00:47.000000Z");
  expect(exact("2008-11-11T21:00:47.123456789Z")).toBe("2008-11-11 21:00:47.123456Z");
  expect(exact("soon")).toBe("soon");
});

test("each kind of event is said with its own numbers", () => {
  const said = (more: Parameters<typeof event>[0]) => eventSubject(event(more));
  expect(said({ kind: "transit.lost", via: 1299 })).toBe("AS1299 above AS6939 is gone; AS6939 stays");
  expect(said({ kind: "upstream.lost", family: 6, after: 0.004 })).toBe("AS6939 carries under 1 % of it, before 62 % (IPv6)");
  expect(said({ kind: "origin.new", prefix: "192.0.2.0/24", origin: 64500, rpki: "invalid" })).toBe("192.0.2.0/24 comes from AS64500, RPKI: invalid");
  expect(said({ kind: "hoster.returned", prefixes: ["a", "b"] })).toBe("2 prefixes are back");
  expect(said({ kind: "feed.lost", collector: "rrc00", peers_lost: 1 })).toBe("rrc00 lost 1 peer");
  expect(said({ kind: "route.withdrawn", prefix: "192.0.2.0/24", before: 1, after: 0.05 })).toBe("192.0.2.0/24 is seen by 5 % of 40 peers, before 100 %");
  expect(said({ kind: "of.tomorrow" })).toBe("208.66.192.0/22");
});

test("why it counted", () => {
  expect(judged(event())).toBe("The share of its routes went from 62 % to 0 %, of 40 eligible peers at rrc00. It had lasted 44 s when it was confirmed.");
  expect(judged(event({ kind: "route.withdrawn", zombies: ["AS1"], upstream_failing: true, first_seen: event().at }))).toBe(
    "The part of peers that hold a route went from 62 % to 0 %, of 40 eligible peers at rrc00. Left out, because stuck: AS1. Other networks behind the upstream went too.",
  );
  expect(judged(event({ kind: "feed.lost" }))).toContain("nothing is concluded");
});

import { expect, test } from "vitest";
import type { Gap, Migration } from "../../api/types";
import { event, incident, story, told } from "./sample";
import { carer, compare, differences, receivers, storyLines } from "./story";

const words = (s: ReturnType<typeof story>) => storyLines(s).map((l) => `${l.at} ${l.what}${l.what === "events" ? ` ${l.events.length}` : l.what === "told" ? ` ${l.told.length}` : ""}`);

test("moments are ordered to the nanosecond, however they are written", () => {
  expect(compare("2008-11-11T21:00:47Z", "2008-11-11T21:00:47.000000Z")).toBe(0);
  expect(compare("2008-11-11T21:00:47.5Z", "2008-11-11T21:00:47.123456Z")).toBe(1);
  expect(compare("2008-11-11T21:00:47.123456Z", "2008-11-11T21:00:47.123457Z")).toBe(-1);
});

test("everything is one list in time; at one moment causes come before what they caused", () => {
  const gap: Gap = { type: "gap", id: "g1", revision: 1, source: "rislive", collector: "rrc00", reason: "session lost", from: "2008-11-11T20:59:00Z", to: "2008-11-11T21:05:00Z", filled: null, peers: 1, away: 0, listed: [] };
  const moved = { id: "m1", at: "2008-11-15T13:00:00Z", first_seen: "2008-10-05T00:00:00Z" } as Migration;
  const s = story({
    gaps: [gap],
    migrations: [moved],
    notes: [{ at: "2008-11-11T21:10:00Z", who: "alice", ack: true, text: "on it" }],
    deliveries: [told({ outcome: "sent" })],
    revisions: [incident(), incident({ revision: 2, at: "2008-11-11T21:31:31Z", lost: [6939, 3549] })],
    events: [event({ id: "e2", at: "2008-11-11T21:31:31Z", upstream: 3549 }), event()],
  });
  expect(words(s)).toEqual([
    "2008-11-11T20:59:00Z gap",
    "2008-11-11T21:01:31Z events 1",
    "2008-11-11T21:01:31Z became",
    "2008-11-11T21:01:33Z told 1",
    "2008-11-11T21:05:00Z gap",
    "2008-11-11T21:10:00Z note",
    "2008-11-11T21:31:31Z events 1",
    "2008-11-11T21:31:31Z became",
    "2008-11-15T13:00:00Z moved",
  ]);
});

test("events of many prefixes that fall together are one line; others stay apart", () => {
  const many = Array.from({ length: 300 }, (_, i) => event({ id: `w${i}`, kind: "route.withdrawn", upstream: 0, prefix: `10.${i >> 8}.${i & 255}.0/24`, at: new Date(Date.UTC(2008, 10, 11, 21, 1, 0, i * 100)).toISOString() }));
  const later = event({ id: "w-later", kind: "route.withdrawn", upstream: 0, at: "2008-11-11T22:00:00Z" });
  const six = event({ id: "w-six", kind: "route.withdrawn", upstream: 0, family: 6, at: "2008-11-11T21:01:10Z" });
  const lines = storyLines(story({ events: [...many, later, six], revisions: [] }));
  expect(lines.map((l) => l.what === "events" && l.events.length)).toEqual([300, 1, 1]);
  expect(new Set(lines.map((l) => l.key)).size).toBe(3);
});

test("what is tried or held again and again is one line of its receiver, until something else comes of it", () => {
  const s = story({
    revisions: [],
    events: [],
    deliveries: [
      told({ at: "2008-11-11T21:01:33Z" }),
      told({ at: "2008-11-11T21:01:33.5Z", receiver: "slack", outcome: "sent" }),
      told({ at: "2008-11-11T21:01:40Z" }),
      told({ at: "2008-11-11T21:02:00Z", why: "no route" }),
      told({ at: "2008-11-11T21:03:00Z", outcome: "sent" }),
      told({ at: "2008-11-11T21:04:00Z", outcome: "sent" }),
    ],
  });
  expect(storyLines(s).map((l) => l.what === "told" && `${l.told[0]!.receiver} ${l.told[0]!.outcome} ${l.told.length}`)).toEqual(["pager failed 2", "slack sent 1", "pager failed 1", "pager sent 1", "pager sent 1"]);
  expect(receivers(s.deliveries!).map((t) => `${t.receiver} ${t.at}`)).toEqual(["pager 2008-11-11T21:04:00Z", "slack 2008-11-11T21:01:33.5Z"]);
});

test("a revision says what it changes", () => {
  const one = incident();
  expect(differences(undefined, one)).toEqual([]);
  expect(differences(one, incident({ lost: [3549], gained: [226], class: "blackout", phase: "recovering", flaps: 1, prefixes: ["a", "b", "c"] }))).toEqual([
    "AS3549 lost",
    "AS6939 not lost any more",
    "AS226 gained",
    "class blackout, before depeered",
    "phase recovering, before open",
    "something was lost again (1)",
    "2 more prefixes concerned",
  ]);
});

test("care is taken by the last who acknowledged", () => {
  const note = (who: string, ack: boolean) => ({ at: "2008-11-11T21:10:00Z", who, ack, text: "" });
  expect(carer([note("alice", true), note("bob", true), note("carol", false)])?.who).toBe("bob");
  expect(carer([note("carol", false)])).toBeUndefined();
});

test("lists that are missing are empty", () => {
  expect(storyLines({ ...story(), revisions: null, events: null, migrations: null, notes: null, deliveries: null, gaps: null })).toEqual([]);
});

import { expect, test } from "vitest";
import type { Event, Gap, Incident, Lane, Migration, Timeline } from "../api/types";
import { arrange, fullHeight, inTracks, mostPrefixes, mostUpstreams, onset, signOf, tintsOf, type Bar, type BarRow, type LaneRow } from "./lanes";
import { eventWords, readingAt, said } from "./moment";
import { clustered } from "./rows";
import { tickWords } from "./paint";

const begin = "2008-11-11T12:00:00Z";
const end = "2008-11-12T12:00:00Z";
const at = (hours: number) => new Date(Date.parse(begin) + hours * 3_600_000).toISOString();
const t = (hours: number) => Date.parse(at(hours));

function lane(asn: number, steps: [number, number, number][], more: Partial<Lane> = {}): Lane {
  return { family: 4, asn, points: steps.map(([h, value, eligible]) => ({ at: at(h), value, eligible })), peak: Math.max(...steps.map(([, v, e]) => (e > 0 ? v : 0))), peers: 40, ...more };
}

function event(id: string, kind: string, hours: number, more: Partial<Event> = {}): Event {
  return { type: "event", id, kind, at: at(hours + 0.02), first_seen: at(hours), hoster: "mccolo", prefix: null, prefixes: [], before: 0.62, after: 0, eligible: 40, severity: "critical", incident: "i1", sources: [], evidence: [], ...more } as Event;
}

const gap = (from: number, to: number | null, filled = false): Gap => ({ type: "gap", id: `g${from}`, revision: 1, collector: "rrc00", reason: "session lost", from: at(from), to: to === null ? null : at(to), peers: 5, away: 0, listed: [], filled: filled ? end : null }) as Gap;

function story(more: Partial<Timeline> = {}): Timeline {
  return {
    title: "McColo Corp.", subject: "mccolo", hoster: "mccolo", from: begin, to: end,
    prefixes: [{ prefix: "208.66.192.0/22", hosters: ["mccolo"], first: begin, last: end, changes: 9 }],
    visibility: [lane(0, [[0, 1, 80], [9, 0.05, 80]], { events: ["dark"] }), lane(0, [[0, 1, 20]], { family: 6 })],
    upstreams: [lane(6939, [[0, 0.62, 80], [9, 0, 80]], { name: "Hurricane Electric", events: ["lost"] }), lane(3549, [[0, 0.38, 80], [9.5, 0, 80]]), lane(226, [[0, 0, 80], [8, 0.05, 80]]), lane(6939, [[0, 1, 20]], { family: 6 })],
    origins: [lane(64999, [[0, 0, 80], [6, 0.2, 80]], { role: "other" }), lane(26780, [[0, 1, 80]], { role: "own", name: "McColo" }), lane(64998, [[0, 0.1, 80]], { role: "customer" })],
    intervals: [
      { prefix: "208.66.192.0/22", origin: 26780, upstream: 6939, from: begin, to: at(9), open: true, peers: 25 },
      { prefix: "208.66.192.0/22", origin: 26780, upstream: 3549, from: begin, to: null, open: true, peers: 15 },
      { prefix: "208.66.192.0/22", origin: 64999, upstream: 174, from: at(6), to: null, peers: 2 },
    ],
    events: [event("dark", "hoster.dark", 9.5), event("lost", "upstream.lost", 9, { upstream: 6939, family: 4 })],
    incidents: [{ id: "i1", opened: at(8), resolved: null, class: "upstream-failure", phase: "open", summary: "it is dark" } as unknown as Incident],
    sightings: [{ at: at(1), until: at(3), family: "Rustock", addr: "208.66.194.22", asn: 26780, source: "s", id: "x" }],
    gaps: [gap(2, 4), gap(5, null), gap(1, 1.5, true)], missing: [], ...more,
  } as Timeline;
}

test("the rows come in one order: what happened, who saw it, who carried it, whose it was, what was not heard", () => {
  const rows = arrange(story()).rows;
  expect(rows.filter((r) => r.kind !== "head").map((r) => r.key)).toEqual([
    "incidents", "events", "visibility 4", "visibility 6", "upstream 4 6939", "upstream 4 3549", "upstream 4 226", "upstream 6 6939",
    "origin 4 26780", "origin 4 64999", "origin 4 64998", "prefix 208.66.192.0/22", "family Rustock", "gaps",
  ]);
  rows.forEach((r, i) => i > 0 && expect(r.y).toBeGreaterThanOrEqual(rows[i - 1]!.y + rows[i - 1]!.height));
  expect(arrange(story(), { only: ["upstreams"] }).rows.every((r) => r.section === "upstreams")).toBe(true);
});

test("an origin that is nobody's here stands out; marks lie on the lanes that they are about", () => {
  const rows = arrange(story()).rows.filter((r): r is LaneRow => r.kind === "lane");
  expect(rows.filter((r) => r.stranger).map((r) => r.title)).toEqual(["AS64999"]);
  expect(rows.filter((r) => r.marks.length > 0).map((r) => [r.key, r.marks[0]!.sign])).toEqual([["visibility 4", "dark"], ["upstream 4 6939", "lost"]]);
});

test("an AS has its colour whoever else is largest, and not that of what is wrong", () => {
  const a = tintsOf(story());
  const b = tintsOf(story({ upstreams: [...story().upstreams!].reverse() }));
  expect([...a].sort()).toEqual([...b].sort());
  expect(new Set(a.values()).size).toBe(a.size);
  expect([...a.values()]).not.toContain(5);
  const many = tintsOf(story({ upstreams: Array.from({ length: 30 }, (_, i) => lane(i + 1, [[0, 0.1, 80]])) }));
  expect(many.size).toBe(33);
});

test("of many upstreams and prefixes the first are shown, and how many are not", () => {
  const big = story({
    upstreams: Array.from({ length: 14 }, (_, i) => lane(i + 1, [[0, 0.05, 80]])),
    prefixes: Array.from({ length: 9 }, (_, i) => ({ prefix: `10.0.${i}.0/24`, hosters: [], first: begin, last: end, changes: 1 })),
    intervals: [],
  });
  const some = arrange(big);
  expect(some.hidden).toEqual({ upstreams: 14 - mostUpstreams, prefixes: 9 - mostPrefixes });
  const all = arrange(big, { allUpstreams: true, allPrefixes: true });
  expect(all.hidden).toEqual({ upstreams: 0, prefixes: 0 });
  expect(all.rows.length).toBe(some.rows.length + 14 - mostUpstreams + 9 - mostPrefixes);
});

test("lists that are not there are empty", () => {
  const none = { ...story(), visibility: null, upstreams: null, origins: null, intervals: null, events: null, incidents: null, sightings: null, gaps: null, prefixes: null } as Timeline;
  expect(arrange(none).rows).toEqual([]);
  expect(readingAt(arrange(none), t(1), 0).blind).toBe(true);
});

test("the full height is a round part of one that holds all", () => {
  expect([0.004, 0.05, 0.07, 0.38, 0.62].map((p) => fullHeight([{ ...lane(1, [[0, p, 1]]), peak: p }]))).toEqual([0.01, 0.05, 0.1, 0.5, 1]);
});

test("at a moment: who carried it, of how many, and never a value where nobody was there to see", () => {
  const a = arrange(story());
  const r = readingAt(a, t(8.5), 0);
  expect(r.upstreams.map((p) => `${p.name} ${said(p)} of ${p.eligible}`)).toEqual(["AS6939 100 % of 20", "AS6939 62 % of 80", "AS3549 38 % of 80", "AS226 5 % of 80"]);
  expect(r.holes.map((h) => h.from)).toEqual([t(5)]);
  expect(readingAt(a, t(3), 0).holes.map((h) => h.from)).toEqual([t(2)]);
  expect(readingAt(a, t(1.2), 0).holes).toEqual([]); // the archives told since what was missed
  expect(readingAt(a, t(9.01), 60_000 * 5).events.map((m) => m.event.id)).toEqual(["lost"]);
  const blind = arrange(story({ visibility: [lane(0, [[0, 0.9, 0]])], upstreams: [lane(6939, [[0, 0.9, 0]])], origins: [] }));
  const seen = readingAt(blind, t(5), 0);
  expect([seen.blind, seen.upstreams.length, said(seen.visibility[0]!)]).toEqual([true, 0, "nobody to see"]);
  const dark = readingAt(arrange(story({ visibility: [lane(0, [[0, 0, 80]])], upstreams: [], origins: [] })), t(5), 0);
  expect([dark.blind, said(dark.visibility[0]!)]).toEqual([false, "0 %"]);
});

test("a finer answer gives its steps, and changes neither rows nor colours", () => {
  const fine = story({ from: at(8), to: at(10), upstreams: [lane(6939, [[8, 0.62, 80], [9.001, 0.3, 80], [9.002, 0, 80]])] });
  const a = arrange(story());
  const b = arrange(story(), { fine });
  expect(b.rows.map((r) => [r.key, r.y])).toEqual(a.rows.map((r) => [r.key, r.y]));
  const course = (x: typeof a) => (x.rows.find((r) => r.key === "upstream 4 6939") as LaneRow).course;
  expect([course(a).at.length, course(b).at.length]).toEqual([2, 4]);
});

test("a prefix has a bar for each who carried it; from a stranger's origin it is hollow", () => {
  const row = arrange(story()).rows.find((r) => r.key.startsWith("prefix")) as BarRow;
  expect(row.bars.map((b) => [b.detail, b.hollow, b.to === Infinity])).toEqual([
    ["through AS6939, from AS26780, 25 peers at most", false, false],
    ["through AS3549, from AS26780, 15 peers at most", false, true],
    ["through AS174, from AS64999, 2 peers at most", true, true],
  ]);
  expect(new Set(row.bars.map((b) => b.track)).size).toBe(3);
});

test("a family is full where it was seen here, hollow where it went", () => {
  const move = { id: "m", revision: 1, kind: "cnc.moved", family: "Rustock", first_seen: at(20), brief: null, to: { asn: 64501, name: "" }, summary: "it went" } as unknown as Migration;
  const rows = arrange(story(), { moves: [move, { ...move, family: "Srizbi", brief: 3600 } as Migration, { ...move, family: "Cutwail", kind: "cnc.no-gap" } as Migration, { ...move, family: "Mega-D", to: { asn: 0, name: "" } } as Migration] }).rows;
  const families = rows.filter((r): r is BarRow => r.key.startsWith("family"));
  expect(families.map((r) => [r.title, r.bars.map((b) => [b.words, b.hollow, b.to])])).toEqual([
    ["Rustock", [["", false, t(3)], ["AS64501", true, Infinity]]],
    ["Srizbi", [["AS64501", true, t(21)]]],
  ]);
});

test("bars that overlap lie under each other", () => {
  const bar = (from: number, to: number) => ({ from, to }) as Bar;
  const bars = [bar(0, 10), bar(5, 15), bar(10, 20), bar(6, 7)];
  expect(inTracks(bars, 2)).toBe(2);
  expect(bars.map((b) => [b.from, b.track])).toEqual([[0, 0], [5, 1], [6, 1], [10, 0]]);
});

test("an event stands at its onset, with a sign of its own", () => {
  expect(onset(event("x", "upstream.lost", 9))).toBe(t(9));
  expect(onset(event("x", "upstream.lost", 9, { first_seen: "0001-01-01T00:00:00Z" }))).toBe(t(9.02));
  expect(["upstream.lost", "route.restored", "origin.new", "hoster.dark", "hoster.returned", "feed.lost"].map(signOf)).toEqual(["lost", "gained", "origin", "dark", "returned", "plain"]);
  expect(eventWords(event("x", "upstream.lost", 9, { upstream: 6939, family: 6 }))).toBe("upstream lost: AS6939, 62 % → 0 % (IPv6)");
});

test("signs that would lie upon each other are one, that of the gravest", () => {
  const marks = arrange(story({ events: [event("a", "upstream.gained", 1, { severity: "warning" }), event("b", "hoster.dark", 1.1), event("c", "upstream.lost", 20)] })).marks;
  const far = clustered(marks, { from: t(0), to: t(24), x0: 0, x1: 240, end: t(24) });
  expect(far.map((c) => [c.main.event.id, c.marks.length])).toEqual([["b", 2], ["c", 1]]);
  const near = clustered(marks, { from: t(0.9), to: t(1.2), x0: 0, x1: 240, end: t(24) });
  expect(near.map((c) => c.main.event.id)).toEqual(["a", "b"]);
});

test("the axis writes what is new at a tick", () => {
  expect(["2008-01-01T00:00:00Z", "2008-11-01T00:00:00Z", "2008-11-11T00:00:00Z", "2008-11-11T21:30:00Z", "2008-11-11T21:30:15Z"].map((s) => tickWords(Date.parse(s), false))).toEqual(["2008", "2008-11", "11-11", "21:30", "21:30:15"]);
});

import { expect, test } from "vitest";
import type { Gap, Peer } from "../../api/types";
import { adviceOfFeed, adviceOfGap, blind, grouped, lasted, peerState, strips, tables, tick, ticks, whom } from "./words";

const gap = (x: Partial<Gap>): Gap => ({ type: "gap", id: "g", revision: 1, source: "rislive", collector: "rrc00", reason: "session lost", from: "2008-11-11T10:00:00Z", to: "2008-11-11T11:00:00Z", peers: 3, away: 0, listed: [], filled: null, ...x });
const peer = (x: Partial<Peer>): Peer => ({ collector: "rrc00", address: "192.0.2.1", asn: 64501, state: "up", table: [true, false], ...x });

test("what to do about a hole", () => {
  expect(adviceOfGap(gap({ cause: "hold timer expired" }))).toContain("hold time");
  expect(adviceOfGap(gap({ cause: "cease, administrative shutdown: bye" }))).toContain("on purpose");
  expect(adviceOfGap(gap({ reason: "feed lost" }))).toContain("tries again by itself");
  expect(adviceOfGap(gap({ reason: "feed lost", cause: "depeer was not running" }))).toContain("depeer itself was away");
  expect(adviceOfGap(gap({ reason: "of tomorrow" }))).toBe("");
});

test("what to do about a feed", () => {
  expect(adviceOfFeed({ ready: true, type: "speaker" })).toBe("");
  expect(adviceOfFeed({ ready: false, type: "speaker", reason: "1 of 3 neighbours are not established: x" })).toContain("password");
  expect(adviceOfFeed({ ready: false, type: "rislive", reason: "connection refused" })).toContain("tries again");
  expect(adviceOfFeed({ ready: false, type: "elsewhere" })).toContain("Another process");
});

test("peers by collector, trouble first", () => {
  const peers = [peer({}), peer({ collector: "rrc01", address: "192.0.2.9", asn: 3549, state: "down", cause: "hold timer expired" }), peer({ collector: "rrc01", address: "2001:db8::1" }), peer({ collector: "rrc03" })];
  expect(grouped(peers, "", "").map((g) => [g.collector, g.up, g.peers.length])).toEqual([["rrc01", 1, 2], ["rrc00", 1, 1], ["rrc03", 1, 1]]);
  expect(grouped(peers, "AS3549", "").map((g) => g.peers.length)).toEqual([1]);
  expect(grouped(peers, "hold timer", "up")).toEqual([]);
  expect(grouped(peers, "", "not").map((g) => g.peers[0]!.address)).toEqual(["192.0.2.9"]);
  expect(peerState(peer({ table: [false, false] }))).toBe("heard, its whole table is not known");
  expect(tables([true, true])).toBe("IPv4 and IPv6");
  expect(tables([false, false])).toBe("none");
});

test("how long, and who", () => {
  const now = Date.parse("2008-11-11T12:00:00Z");
  expect(lasted(gap({}), now)).toBe("60 min");
  expect(lasted(gap({ to: null }), now)).toBe("2 h so far");
  expect(whom(gap({ to: null, away: 1 }))).toBe("1 peer of 3 at rrc00");
  expect(whom(gap({}))).toBe("3 peers at rrc00");
  expect(whom(gap({ peers: 0, collector: "" }))).toBe("everything of rislive");
});

test("bars lie between the two moments", () => {
  const from = Date.parse("2008-11-11T10:30:00Z");
  const to = Date.parse("2008-11-11T12:30:00Z");
  const lines = strips([gap({}), gap({ id: "h", to: null, from: "2008-11-11T12:00:00Z" }), gap({ id: "i", collector: "rrc01", from: "2008-11-11T11:30:00Z", to: "2008-11-11T11:30:00Z" })], from, to);
  expect(lines.map((l) => [l.place, l.bars.map((b) => [b.left, b.width])])).toEqual([["rrc00", [[0, 0.25], [0.75, 0.25]]], ["rrc01", [[0.5, 0]]]]);
  const many = Array.from({ length: 40 }, (_, i) => gap({ id: String(i), collector: `c${i}` }));
  const few = strips(many, from, to, 10);
  expect(few.length).toBe(10);
  expect(few[9]!.place).toBe("31 others");
  expect(few[9]!.bars.length).toBe(31);
});

test("ticks stand at whole units", () => {
  const from = Date.parse("2008-11-11T10:10:00Z");
  expect(ticks(from, from + 3 * 3_600_000, 6).map((t) => tick(t, 3 * 3_600_000))).toEqual(["11:00", "12:00", "13:00"]);
  expect(ticks(from, from + 7 * 86_400_000, 8).map((t) => tick(t, 7 * 86_400_000))).toEqual(["12 Nov", "13 Nov", "14 Nov", "15 Nov", "16 Nov", "17 Nov", "18 Nov"]);
  expect(ticks(0, 50 * 365 * 86_400_000, 8).length).toBeLessThanOrEqual(9);
});

test("when we were blind, in a sentence", () => {
  expect(blind([], [])).toContain("No hole");
  expect(blind([gap({}), gap({ collector: "rrc01", filled: "2008-11-11T13:00:00Z" })], [])).toBe("2 holes at 2 collectors and 1 filled from the archives.");
  expect(blind([gap({ to: null })], [gap({ to: null })])).toBe("1 hole at 1 collector, 1 still open and none filled from the archives.");
});

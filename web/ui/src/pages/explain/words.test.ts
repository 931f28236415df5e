import { expect, test } from "vitest";
import type { Explanation, UpstreamShare } from "../../api/types";
import { answer, fine, leftOut, nearest, pathOf, reasons, sorted, subjectOf, type PeerRow } from "./words";

const up = (asn: number, share: number, baseline: number, more: Partial<UpstreamShare> = {}): UpstreamShare => ({ asn, family: 4, share, baseline, peers: 5, lost: false, lost_at: baseline * 0.05, ...more });

const of = (more: Partial<Explanation> = {}): Explanation => ({
  prefix: "208.66.192.0/22", hoster: "mccolo", at: "2008-11-11T21:00:00Z", state: "steady", eligible: 40, holding: 38, baseline: 38, least: 2, seeded: true,
  lost_at: 3.8, back_at: 19, peers: [], upstreams: [up(6939, 0.58, 0.62), up(3549, 0.38, 0.36)], verdict: "no alert: it is seen as usual", ...more,
});

test("no alarm, and how far it is from one", () => {
  expect(answer([of(), of({ prefix: "208.72.168.0/23" })], false)).toEqual({ tone: "calm", text: "No alarm: AS6939 carries 58 % of its routes, usually 62 %; it counts as lost from 3.1 % on down." });
  expect(answer([of()], true).text).toBe("No alarm: AS6939 carried 58 % of the hoster's routes, usually 62 %; it counts as lost from 3.1 % on down.");
});

test("a pending alarm says until when it waits", () => {
  const u = up(6939, 0.02, 0.62, { hold_ends: "2008-11-11T21:24:30Z", since: "2008-11-11T21:23:30Z" });
  expect(answer([of({ upstreams: [u] })], false)).toEqual({
    tone: "pending",
    text: "An alarm is pending: AS6939 carries 2 % of the routes, usually 62 %, and counts as lost from 3.1 % on down. The hold ends 2008-11-11 21:24:30Z.",
  });
  expect(answer([of({ upstreams: [], state: "falling", holding: 2, hold_ends: "2008-11-11T21:24:00Z" })], false).text).toBe("An alarm is pending: 208.66.192.0/22 is seen by 2 of 40 peers, usually 38. The hold ends 2008-11-11 21:24Z.");
});

test("an alarm says what is gone", () => {
  expect(answer([of({ state: "lost", since: "2008-11-11T21:23:00Z", holding: 0 })], false).text).toBe("Alarm: 208.66.192.0/22 is withdrawn since 2008-11-11 21:23Z.");
  const gone = up(6939, 0, 0.62, { lost: true, since: "2008-11-11T21:23:00Z" });
  expect(answer([of({ state: "lost", since: "2008-11-11T21:25:00Z", upstreams: [gone] }), of({ state: "lost", since: "2008-11-11T21:23:00Z", upstreams: [gone] }), of({ upstreams: [gone] })], true).text).toBe("Alarm: 2 of 3 prefixes were withdrawn since 2008-11-11 21:23Z, and AS6939 was lost.");
  expect(answer([of({ upstreams: [gone] })], false).text).toBe("Alarm: AS6939 is lost since 2008-11-11 21:23Z: it carries 0 % of the routes, usually 62 %.");
});

test("what was told long ago is no new alarm", () => {
  const gone = of({ state: "lost", since: "2008-11-16T00:00:54Z", upstreams: [] });
  expect(answer([gone, gone], false, false)).toEqual({ tone: "known", text: "No new alarm: both prefixes are withdrawn since 2008-11-16 00:00:54Z, and no incident is open any more." });
  expect(answer([gone, gone, gone], false, true).text).toBe("Alarm: all 3 prefixes are withdrawn since 2008-11-16 00:00:54Z.");
  expect(answer([of()], false, false).tone).toBe("calm");
});

test("what no upstream says, the verdict does", () => {
  expect(answer([of({ upstreams: [], state: "never seen", verdict: "no alert: no peer spoke of it", baseline: 0 })], false).text).toBe("No alarm: no peer spoke of it.");
  expect(answer([of(), of({ prefix: "208.72.168.0/23", holding: 20, verdict: "no alert: it is seen by fewer peers than usual, but not by so few that it is withdrawn" })], false).text).toBe(
    "208.72.168.0/23: no alarm: it is seen by fewer peers than usual, but not by so few that it is withdrawn.",
  );
  expect(answer([], false).text).toBe("No alarm: nothing is known of it.");
});

test("the nearest to its threshold", () => {
  expect(nearest([up(1, 0.5, 0.5), up(2, 0.1, 0.3), up(3, 0, 0)])?.asn).toBe(2);
  expect(nearest([])).toBeUndefined();
  expect(fine(0.031)).toBe("3.1 %");
  expect(fine(0.6249)).toBe("62 %");
  expect(fine(0.05)).toBe("5 %");
});

test("peers that do not count say why", () => {
  const p = (peer: string, state: string, counted: boolean, holds = false): PeerRow => ({ peer, state, counted, holds });
  const all = [p("a", "up", true, true), p("b", "zombie", false, true), p("c", "up", true), p("d", "up", false), p("e", "up", false)];
  expect(sorted(all).map((x) => x.peer)).toEqual(["c", "a", "b", "d", "e"]);
  expect(reasons(all)).toEqual([
    { why: "no baseline: it did not hold the prefix lately, and its whole table is not known", peers: 2 },
    { why: "stuck: it still has a route that all others withdrew", peers: 1 },
  ]);
  expect(leftOut(p("x", "syncing", false))).toBe("it is sending its table");
  expect(leftOut(p("x", "up", true))).toBe("");
  expect(pathOf("64501 3549 {1,2} 26780")).toEqual([64501, 3549, [1, 2], 26780]);
});

test("what is asked about", () => {
  const names = new Map([["mccolo", "McColo Corp."]]);
  expect(subjectOf("mccolo corp.", names)).toEqual({ hoster: "mccolo" });
  expect(subjectOf(" 208.66.192.0/22 ", names)).toEqual({ prefix: "208.66.192.0/22" });
  expect(subjectOf("2001:db8::1", names)).toEqual({ prefix: "2001:db8::1" });
  expect(subjectOf("nobody", names)).toEqual({ hoster: "nobody" });
});

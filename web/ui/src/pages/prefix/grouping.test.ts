import { describe, expect, it } from "vitest";
import type { CarriedHoster, Event, Route } from "../../api/types";
import { grouped, inOrder, league, losses, matches, parts, readMoment, standingOf, written } from "./grouping";

function route(peer: number, upstream: number, more: Partial<Route> = {}): Route {
  return { peer: { collector: "rrc00", addr: `192.0.2.${peer}`, asn: 64600 + peer }, prefix: "208.66.192.0/22", path: [64600 + peer, peer % 2 ? 701 : 1239, upstream, 26780], upstream, origin: 26780, since: "2008-11-11T18:00:00Z", known: true, ...more };
}

describe("grouped", () => {
  it("puts 300 peers together by upstream, and says through whom they hear it", () => {
    const rows = Array.from({ length: 300 }, (_, i) => ({ route: route(i % 250, i % 3 ? 6939 : 3549) }));
    const g = grouped(rows);
    expect(g.map((x) => [x.upstream, x.rows.length])).toEqual([[6939, 200], [3549, 100]]);
    expect(g[0]!.heads.map(([asn]) => asn).sort()).toEqual([1239, 701]);
    expect(g[0]!.peers).toBeLessThanOrEqual(200);
  });

  it("counts a peer once, and puts what is not known last", () => {
    const g = grouped([{ route: route(1, 6939, { known: false, reason: "not heard" }) }, { route: route(2, 6939, { known: false }) }, { route: route(3, 3549) }, { route: route(3, 3549, { prefix: "208.72.168.0/21" }) }]);
    expect(g.map((x) => [x.upstream, x.known, x.peers, x.prefixes])).toEqual([[3549, true, 1, 2], [6939, false, 2, 1]]);
  });

  it("tells changes by where they went", () => {
    const g = grouped([{ was: route(1, 6939), route: route(1, 3549) }, { was: route(2, 6939), route: route(2, 3549) }, { was: route(3, 3549), route: route(3, 1299) }]);
    expect(g.map((x) => [x.was, x.upstream, x.peers])).toEqual([[6939, 3549, 2], [3549, 1299, 1]]);
  });
});

describe("matches", () => {
  const row = { route: route(7, 6939), was: route(7, 3549) };
  it.each([["", true], ["AS6939", true], ["6939", true], ["3549", true], ["693", false], ["AS64607", true], ["RRC00", true], ["192.0.2.7", true], ["208.66", true], ["nothing", false]] as const)("%s: %s", (word, want) => {
    expect(matches(row, word)).toBe(want);
  });
  it("looks into sets", () => {
    expect(matches({ route: route(1, 6939, { path: [1, [64500, 64501]] }) }, "AS64501")).toBe(true);
  });
});

describe("moments", () => {
  it.each([
    ["2008-11-11", "2008-11-11T00:00:00Z"], ["2008-11-11 21:00", "2008-11-11T21:00:00Z"], [" 2008-11-11T21:00:31Z ", "2008-11-11T21:00:31Z"], ["2008-11-11 21:00:31 UTC", "2008-11-11T21:00:31Z"],
    ["2008-11-11T21:00:31.25Z", "2008-11-11T21:00:31.25Z"], ["2008-11-31", undefined], ["2008-11-11 25:00", undefined], ["11.11.2008", undefined], ["", undefined], ["now", undefined], ["2008-11-11 21:00+01:00", undefined],
  ])("reads %s", (text, want) => {
    expect(readMoment(text)).toBe(want);
  });
  it("writes what it reads", () => {
    expect(readMoment(written("2008-11-11T21:00:31.25Z"))).toBe("2008-11-11T21:00:31.25Z");
  });
  it("puts two in order", () => {
    expect(inOrder("2008-11-11T21:00:00Z", "2008-11-11T21:00:00.5Z")).toEqual(["2008-11-11T21:00:00Z", "2008-11-11T21:00:00.5Z"]);
    expect(inOrder("2008-11-12T00:00:00Z", "2008-11-11T00:00:00Z")).toEqual(["2008-11-11T00:00:00Z", "2008-11-12T00:00:00Z"]);
  });
});

describe("losses", () => {
  const event = (kind: string, first_seen: string, at: string) => ({ kind, first_seen, at }) as Event;
  it("takes the losses of one night together, from before the first sign to the last word", () => {
    const list = losses([
      event("upstream.lost", "2008-11-16T00:00:10Z", "2008-11-16T00:02:00Z"),
      event("upstream.lost", "2008-11-11T21:00:47Z", "2008-11-11T21:02:00Z"), event("hoster.dark", "2008-11-11T21:30:40Z", "2008-11-11T21:31:34Z"),
      event("hoster.returned", "2008-11-15T12:00:00Z", "2008-11-15T12:00:00Z"),
    ]);
    expect(list.map((l) => [l.before, l.after, l.events.length])).toEqual([["2008-11-15T23:55:10Z", "2008-11-16T00:02:00Z", 1], ["2008-11-11T20:55:47Z", "2008-11-11T21:31:34Z", 2]]);
  });
  it("has none where nothing was lost", () => {
    expect(losses([event("prefix.new", "2008-11-11T00:00:00Z", "2008-11-11T00:00:00Z")])).toEqual([]);
  });
});

it("parts come in the order of reading, lists of null are empty", () => {
  const d = { from: "", to: "", went: null, came: [route(1, 1299)], changed: null, unknown: null, same: 0, gaps: null, missing: null };
  expect(parts(d).map((p) => [p.name, p.rows.length])).toEqual([["went", 0], ["came", 1], ["changed", 0], ["unknown", 0]]);
});

describe("league", () => {
  const h = (name: string, before: number, after: number, gained: string | null, dropped: string | null): CarriedHoster => ({ hoster: name, name, before, after, most: Math.max(before, after, 1), peers: 2, gained, dropped });
  const all = [h("stays", 1, 1, null, null), h("large", 9, 9, null, null), h("went", 2, 0, null, "2008-11-11T21:01:31Z"), h("came", 0, 2, "2008-11-15T12:00:00Z", null), h("passed", 0, 0, "2008-11-01T00:00:00Z", "2008-11-02T00:00:00Z")];
  it("says how each stands, the latest first", () => {
    expect(league(all).map((x) => [x.name, standingOf(x)])).toEqual([["came", "gained"], ["went", "dropped"], ["passed", "passed"], ["large", "carries"], ["stays", "carries"]]);
  });
});

import { describe, expect, it } from "vitest";
import type { Migration } from "../api/types";
import { briefWords, flowHeight, flowSentence, flowsOf, lagWords } from "./flows";

export function move(change: Partial<Migration>): Migration {
  return {
    type: "event", id: "m1", revision: 1, kind: "cnc.moved", at: "2008-11-18T00:00:00Z", first_seen: "2008-11-15T21:00:00Z", hoster: "mccolo", asn: 26780, incident: "i1",
    family: "Rustock", from: { asn: 26780, name: "McColo" }, to: { asn: 64999, name: "SUCCESSOR" }, how: "address", lag: 4 * 86400, brief: null, score: 6.5, routing: 4, cnc: 2.5,
    severity: "warning", evidence: [], summary: "", caveats: [], ...change,
  } as Migration;
}

const name = (id: string) => (id === "mccolo" ? "McColo Corp." : id);

describe("flowsOf", () => {
  it("leads from the hoster through the family to the network", () => {
    const f = flowsOf([move({})], [], name);
    expect(f.stops.map((s) => [s.layer, s.name, s.href])).toEqual([
      [1, "Rustock", "/families/Rustock"],
      [2, "AS64999 SUCCESSOR", "/asns/64999"],
      [0, "McColo Corp.", "/hosters/mccolo"],
    ]);
    expect(f.streams).toEqual([
      { from: "hoster mccolo", to: "family Rustock", width: 6.5, kind: "home", label: "" },
      { from: "family Rustock", to: "as 64999", width: 6.5, kind: "moved", label: "4 days later" },
    ]);
    expect(f.lines[0]!.what).toBe("moved, seen there 4 days later");
  });

  it("draws what did not move as ends, and leaves out what moved", () => {
    const f = flowsOf([move({})], [
      { hoster: "mccolo", family: "Rustock", fate: "moved" },
      { hoster: "mccolo", family: "Cutwail", fate: "never paused" },
      { hoster: "mccolo", family: "Storm", fate: "gone" },
      { hoster: "mccolo", family: "Xarvester", fate: "not known" },
      { hoster: "mccolo", family: "New", fate: "there" },
    ], name);
    expect(f.streams.filter((s) => s.kind === "end").map((s) => `${s.from} > ${s.to}`)).toEqual(["family Cutwail > end never paused", "family Storm > end gone", "family Xarvester > end not known", "family New > end still there"]);
    expect(f.lines).toHaveLength(5);
  });

  it("keeps a family that perhaps moved out of the ends, and says that it is not sure", () => {
    const f = flowsOf([move({ kind: "cnc.watch", score: 3.2 })], [{ hoster: "mccolo", family: "Rustock", fate: "gone" }], name);
    expect(f.streams.map((s) => s.kind)).toEqual(["home", "watch"]);
    expect(f.lines[0]!.what).toContain("perhaps moved");
  });

  it("makes no move of what is none", () => {
    expect(flowsOf([move({ kind: "cnc.no-gap", score: 0 }), move({ kind: "cnc.gone" })], [], name).lines).toEqual([]);
  });

  it("adds up moves along the same way: a surer one makes the stream sure", () => {
    const f = flowsOf([move({ id: "a", kind: "cnc.watch", score: 3 }), move({ id: "b", score: 6 })], [], name);
    expect(f.streams.find((s) => s.from.startsWith("family"))).toMatchObject({ width: 9, kind: "moved" });
  });

  it("has prefixes that moved as they were, without a family", () => {
    const f = flowsOf([move({ family: "", how: "label" })], [], name);
    expect(f.stops.find((s) => s.layer === 1)).toEqual({ id: "family ", layer: 1, name: "prefixes" });
  });

  it("never goes round in a circle, though a successor is a hoster too", () => {
    const f = flowsOf([move({}), move({ id: "m2", hoster: "b", asn: 64999, to: { asn: 26780, name: "" } })], [], name);
    const layer = new Map(f.stops.map((s) => [s.id, s.layer]));
    for (const s of f.streams) expect(layer.get(s.from)!).toBeLessThan(layer.get(s.to)!);
  });
});

describe("words", () => {
  it("says before and after", () => {
    expect(lagWords(4 * 86400)).toBe("4 days later");
    expect(lagWords(-3 * 86400)).toBe("3 days before");
    expect(lagWords(0)).toBe("at once");
    expect(briefWords(13 * 3600)).toBe("stayed 13 h at most");
    expect(briefWords(null)).toBe("");
  });
  it("counts in the sentence", () => {
    expect(flowSentence(flowsOf([move({})], [], name))).toMatch(/^1 family, 1 move to 1 network\./);
  });
  it("gives every name its room, within bounds", () => {
    expect(flowHeight(flowsOf([], [], name))).toBe(160);
    const many = Array.from({ length: 12 }, (_, i) => move({ id: String(i), to: { asn: 65000 + i, name: "" } }));
    expect(flowHeight(flowsOf(many, [], name))).toBe(12 * 34 + 24);
  });
});

import { describe, expect, it } from "vitest";
import type { Housed, Migration, Residence } from "../api/types";
import { asked, howWords, kindOf, overview, overviewWords, placeWords, spanOf, sumWords } from "./migrations";

const move = (points: number[], change: Partial<Migration>): Migration => ({ evidence: points.map((p, i) => ({ name: `e${i}`, points: p, text: "", records: [] })), score: 6.5, routing: 4, cnc: 2.5, ...change }) as unknown as Migration;

describe("a move", () => {
  it("has a word for every kind, and keeps a new one", () => {
    expect(["cnc.moved", "cnc.watch", "cnc.gone", "cnc.no-gap", "cnc.new"].map((k) => kindOf(k).word)).toEqual(["moved", "perhaps moved", "gone", "never paused", "cnc.new"]);
    expect(howWords("label")).toContain("origin");
    expect(howWords("none")).toBe("");
  });
  it("says how its points make the score", () => {
    expect(sumWords(move([3, 1, 2.5], {}))).toBe("4 for what routes did, 2.5 for what C&C did");
    expect(sumWords(move([3, 1, 4.25], {}))).toBe("4 for what routes did, 2.5 for what C&C did; of 8.25 points 1.75 are not counted, because the family is still seen where it was");
    expect(sumWords(move([3, 3, 2, 1, 1, 0.44], { score: 10.44, routing: 8, cnc: 2.44 }))).toBe("8 for what routes did, 2.44 for what C&C did");
  });
});

describe("places", () => {
  it("are an AS, or the block where nobody knows it", () => {
    const r = (asn: number, name: string, prefix?: string) => ({ asn, name, prefix }) as Residence;
    expect([r(64999, "SUCCESSOR"), r(64999, ""), r(0, "", "198.51.100.0/24")].map(placeWords)).toEqual(["AS64999 SUCCESSOR", "AS64999", "198.51.100.0/24"]);
  });
  it("lie on the line of time", () => {
    const day = (n: number) => new Date(Date.UTC(2008, 10, 1 + n)).toISOString();
    expect(spanOf(day(0), day(10), day(0), day(10))).toEqual({ left: 0, width: 1 });
    expect(spanOf(day(5), day(5), day(0), day(10))).toEqual({ left: 0.5, width: 0.01 });
    expect(spanOf(day(10), day(10), day(0), day(10))).toEqual({ left: 0.99, width: 0.01 });
    expect(spanOf(day(0), day(0), day(0), day(0)).width).toBeGreaterThan(0);
  });
});

it("counts where families are and were", () => {
  const h = (family: string, fate: string) => ({ family, fate }) as Housed;
  const list = overview([h("Zeus", "there"), h("Rustock", "moved"), h("Zeus", "there"), h("Zeus", "gone"), h("Asprox", "gone")]);
  expect(list.map((x) => `${x.family}: ${overviewWords(x)}`)).toEqual(["Zeus: at 2 hosters, was at 1 hoster", "Asprox: was at 1 hoster", "Rustock: was at 1 hoster"]);
  expect(overview(null)).toEqual([]);
});

it("asks for what stands in the URL and nothing else", () => {
  expect(asked({ hoster: "mccolo", score: "3", open: "m1", family: "", cursor: "x" })).toEqual({ hoster: "mccolo", score: "3" });
});

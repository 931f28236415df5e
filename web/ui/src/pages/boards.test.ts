import { describe, expect, it } from "vitest";
import type { Housed, Incident, Standing, Status, Still, UpstreamShare } from "../api/types";
import { arranged, byHoster, changedSince, familiesOf, fateWords, found, groupOf, knownHow, knownWords, mark, openGaps, routedWords, standsWords, upstreamsOf, worstFirst } from "./boards";

const up = (asn: number, share: number, change: Partial<UpstreamShare> = {}): UpstreamShare => ({ asn, family: 4, share, baseline: share, peers: 2, lost: false, lost_at: 0.03, ...change });

function hoster(id: string, state: string, change: Partial<Standing> = {}): Standing {
  return { hoster: id, name: id.toUpperCase(), asns: [64500], state, prefixes: 1, withdrawn: 0, visibility: 1, eligible: 3, upstreams: [up(6939, 0.62), up(3549, 0.38)], ...change };
}

const incident = (id: string, severity: string, opened = "2008-11-11T21:00:00Z"): Incident => ({ id, severity, opened, hoster: id, phase: "open", summary: `about ${id}` }) as Incident;
const status = (hosters: Standing[], incidents: Incident[] = []): Status => ({ hosters, incidents, ready: true, reasons: [], gaps: [], feeds: [], peers: [] }) as unknown as Status;

describe("the order", () => {
  it("puts a hoster into one group", () => {
    expect(["dark", "partly", "visible", "unknown", "not valid now", "something new"].map((s) => groupOf(hoster("a", s)))).toEqual(["dark", "partly", "visible", "unknown", "invalid", "unknown"]);
    expect(groupOf(hoster("a", "visible", { incident: "i" }))).toBe("open");
    expect(groupOf(hoster("a", "dark", { incident: "i" }))).toBe("dark");
    expect(groupOf(hoster("a", "unknown", { incident: "i" }))).toBe("open");
  });
  it("has the worst first, then goes by name as people read it", () => {
    const by = arranged([hoster("h10", "dark"), hoster("h2", "dark"), hoster("z", "dark", { incident: "i1" }), hoster("y", "dark", { incident: "i2" }), hoster("v", "visible")], [incident("i1", "critical"), incident("i2", "warning")]);
    expect(by.get("dark")!.map((h) => h.hoster)).toEqual(["z", "y", "h2", "h10"]);
    expect(by.get("visible")!.map((h) => h.hoster)).toEqual(["v"]);
  });
  it("does not change what it was given", () => {
    const list = Object.freeze([hoster("b", "dark"), hoster("a", "dark")]);
    expect(arranged(list, []).get("dark")!.map((h) => h.hoster)).toEqual(["a", "b"]);
  });
  it("has the worst and newest incident first", () => {
    const list = [incident("a", "info", "2009-01-01T00:00:00Z"), incident("b", "critical"), incident("c", "warning"), incident("d", "critical", "2008-12-01T00:00:00Z")];
    expect(worstFirst(list).map((i) => i.id)).toEqual(["d", "b", "c", "a"]);
  });
});

describe("the sentence", () => {
  const say = (hosters: Standing[], incidents: Incident[] = []) => standsWords(status(hosters, incidents)).text;
  const visible = (n: number) => Array.from({ length: n }, (_, i) => hoster(`v${i}`, "visible"));
  it.each([
    [visible(12), [], "All 12 hosters are visible; nothing is open"],
    [visible(1000), [], "All 1,000 hosters are visible; nothing is open"],
    [visible(2), [], "Both hosters are visible; nothing is open"],
    [visible(1), [], "V0 is visible; nothing is open"],
    [visible(3), [incident("i", "info")], "All 3 hosters are visible; 1 incident is open"],
    [[...visible(11), hoster("mccolo", "dark")], [incident("i", "critical")], "1 of 12 is dark: MCCOLO; 1 incident is open"],
    [[...visible(9), hoster("a", "dark"), hoster("b", "partly"), hoster("c", "partly")], [], "1 of 12 is dark: A; 2 are partly visible: B and C; nothing is open"],
    [[hoster("a", "dark")], [incident("i", "critical")], "A is dark; 1 incident is open"],
    [[...visible(2), hoster("a", "unknown")], [], "1 of 3 is not known: A; nothing is open"],
    [Array.from({ length: 40 }, (_, i) => hoster(`d${i}`, "dark")), [], "40 of 40 are dark; nothing is open"],
    [visible(3), [{ ...incident("i", "info"), phase: "pending" }], "All 3 hosters are visible; nothing is open, 1 pending"],
    [[hoster("a", "not valid now")], [], "No hoster is valid now; nothing is open"],
    [[...visible(2), hoster("a", "not valid now")], [], "Both hosters are visible; nothing is open"],
    [[], [], "No hoster is watched"],
  ] as [Standing[], Incident[], string][])("%#: %s", (hosters, incidents, want) => {
    expect(say(hosters, incidents)).toBe(want);
  });
  it("knows the worst", () => {
    expect(standsWords(status([hoster("a", "visible"), hoster("b", "partly")])).worst).toBe("partly");
    expect(standsWords(status([hoster("a", "visible", { incident: "i" })])).worst).toBe("open");
    expect(standsWords(status([])).worst).toBe("unknown");
  });
});

describe("who routes it", () => {
  it.each([
    [hoster("a", "visible"), "still routed by AS6939 (62 %) and AS3549 (38 %)"],
    [hoster("a", "dark", { upstreams: [up(6939, 0, { lost: true })] }), "routed by nobody that we hear"],
    [hoster("a", "dark", { upstreams: [up(226, 0.01)] }), "dark, and a remnant is routed by AS226 (1 %)"],
    [hoster("a", "partly", { upstreams: null }), "routed, with no upstream that two peers agree on"],
    [hoster("a", "unknown"), "by whom it is routed is not known: nobody who would see it is heard"],
    [hoster("a", "not valid now"), "not this hoster's at this time: not judged"],
    [hoster("a", "visible", { upstreams: [up(1, 0.5), up(2, 0.2), up(3, 0.1), up(4, 0.1), up(5, 0.1)] }), "still routed by AS1 (50 %), AS2 (20 %), AS3 (10 %) and 2 more"],
    [hoster("a", "visible", { upstreams: [up(1, 1), up(2, 1, { family: 6 })] }), "still routed by AS1 (100 %); over IPv6 by AS2 (100 %)"],
    [hoster("a", "visible", { upstreams: [up(2, 1, { family: 6 })] }), "still routed over IPv6 by AS2 (100 %)"],
  ])("%#", (h, want) => expect(routedWords(h)).toBe(want));

  it("keeps an upstream that was lost where it was", () => {
    expect(upstreamsOf(hoster("a", "partly", { upstreams: [up(3549, 0.4), up(6939, 0, { baseline: 0.6, lost: true }), up(7, 0.1, { family: 6 })] })).map((u) => u.asn)).toEqual([6939, 3549, 7]);
  });
  it("says for how long it has been known", () => {
    const still = (days: number, by = "given") => ({ hoster: "a", days, reported: "2008-10-15T00:00:00Z", reported_by: by }) as Still;
    expect([knownWords(still(27)), knownWords(still(1)), knownWords(still(0)), knownWords(undefined), knownWords({ ...still(3), reported: null })]).toEqual(["27 days since first reported", "1 day since first reported", "first reported today", "", ""]);
    expect(knownHow(still(27))).toBe("2008-10-15: as the watchlist says");
    expect(knownHow(still(27, "event"))).toBe("2008-10-15: the first event of it that is remembered");
  });
});

describe("families", () => {
  const f = (family: string, fate: string, to: number[] = []) => ({ hoster: "a", family, fate, moved_to: to.map((asn) => ({ asn, name: "" })) }) as unknown as Housed;
  it("says what became of them", () => {
    expect([f("a", "there"), f("a", "gone"), f("a", "moved", [1, 2]), f("a", "moved", [1, 2, 3, 4]), f("a", "moved")].map(fateWords)).toEqual(["", "gone", "moved to AS1 and AS2", "moved to AS1, AS2 and 2 more", "moved"]);
  });
  it("has what is there first", () => {
    expect(familiesOf([f("z", "gone"), f("b", "there"), f("a", "moved"), f("a", "there")]).map((x) => `${x.family} ${x.fate}`)).toEqual(["a there", "b there", "a moved", "z gone"]);
  });
  it("finds a hoster by name, id, AS, upstream and family", () => {
    const h = hoster("mccolo", "visible", { name: "McColo Corp." });
    const words = ["colo c", "mccolo", "AS64500", "64500", "as 6939", "rust", "", "  "];
    expect(words.map((q) => found(h, q, [f("Rustock", "there")]))).toEqual(words.map(() => true));
    expect(["AS6450", "393", "storm"].map((q) => found(h, q, [f("Rustock", "there")]))).toEqual([false, false, false]);
  });
  it("sorts them by hoster", () => {
    expect([...byHoster([f("a", "there"), { ...f("b", "gone"), hoster: "x" }, f("c", "gone")])].map(([k, v]) => [k, v.length])).toEqual([["a", 2], ["x", 1]]);
    expect(byHoster(null).size).toBe(0);
  });
});

describe("what changed", () => {
  it("marks another state, incident or upstream, and not every percent", () => {
    const before = hoster("a", "visible");
    const marks = new Map([["a", mark(before)]]);
    const is = (h: Standing) => changedSince(marks, [h]).length === 1;
    expect(is({ ...before, visibility: 0.97, upstreams: [up(6939, 0.6), up(3549, 0.4)] })).toBe(false);
    expect(is({ ...before, state: "partly" })).toBe(true);
    expect(is({ ...before, incident: "i" })).toBe(true);
    expect(is({ ...before, upstreams: [up(6939, 0.62), up(3549, 0, { lost: true })] })).toBe(true);
    expect(changedSince(marks, [hoster("new", "dark")])).toEqual([]);
  });
  it("knows which gaps are open", () => {
    expect(openGaps({ gaps: [{ id: "a", to: null }, { id: "b", to: "2008-11-11T00:00:00Z" }] } as unknown as Status).map((g) => g.id)).toEqual(["a"]);
  });
});

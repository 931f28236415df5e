import { expect, test } from "vitest";
import type { Route, Standing, Still } from "../../api/types";
import { heldAt } from "./routes";
import { carriers, course, howItStands, stillRouted } from "./words";

const up = (asn: number, share: number, baseline = share, more = {}) => ({ asn, family: 4, share, baseline, peers: 3, lost: false, lost_at: 0.03, ...more });
const standing = (state: string, more: Partial<Standing> = {}): Standing => ({ hoster: "mccolo", name: "McColo Corp.", asns: [26780], state, prefixes: 2, withdrawn: 0, visibility: 1, eligible: 40, upstreams: [up(6939, 0.62), up(3549, 0.38)], ...more });

test("every state is told in a sentence that claims no more than is known", () => {
  expect(howItStands(standing("visible"))).toBe("Routed: 100 % of what 40 peers could see of its 2 prefixes, through AS6939 (62 %) and AS3549 (38 %).");
  expect(howItStands(standing("partly", { visibility: 0.5, withdrawn: 1, upstreams: [up(3549, 0.38)] }))).toBe("Partly routed: 50 % of what 40 peers could see of its 2 prefixes, through AS3549 (38 %). 1 prefix is withdrawn.");
  expect(howItStands(standing("dark", { prefixes: 1, upstreams: [up(6939, 0, 0.62, { lost: true })] }))).toBe("Dark: of 40 peers that could see it, none holds a route to its one prefix.");
  expect(howItStands(standing("dark", { upstreams: [up(226, 0.05)] }))).toContain("hardly any holds a route to its 2 prefixes, through AS226 (5 %)");
  expect(howItStands(standing("unknown", { eligible: 0 }))).toContain("Not known");
  expect(howItStands(standing("not valid now"))).toContain("Not watched now");
});

test("for how long it has been known, and by whom it is routed nevertheless", () => {
  const still = { hoster: "mccolo", name: "McColo Corp.", at: "", routed: true, by: [{ asn: 6939, family: 4, share: 0.62, peers: 25, since: "" }], reported: "2008-10-15T00:00:00Z", reported_by: "given", days: 27, gaps: [] } as Still;
  expect(stillRouted(still)).toBe("Still routed by AS6939 (62 %), 27 days after it was first reported.");
  expect(stillRouted(still, true)).toBe("Still routed, 27 days after it was first reported.");
  expect(stillRouted({ ...still, routed: false, by: [], days: 1, reported_by: "sighting" })).toBe("No longer routed, as far as is heard, 1 day after its first C&C server was seen.");
  expect(stillRouted({ ...still, reported: null })).toBe("");
  expect(carriers([up(1, 0.3), up(2, 0.2), up(3, 0.1), up(4, 0.1), up(5, 0.1)])).toBe("AS1 (30 %), AS2 (20 %), AS3 (10 %), AS4 (10 %) and 1 more");
  expect(carriers([up(1, 0.3), { ...up(1, 1), family: 6 }])).toBe("AS1 (30 % of IPv4) and AS1 (100 % of IPv6)");
});

test("what became of a share", () => {
  expect([up(1, 0, 0.6, { lost: true }), up(1, 0.1, 0), up(1, 0.2, 0.6), up(1, 0.6, 0.6)].map(course)).toEqual(["lost", "new", "fallen", "carries it"]);
});

test("routes of a moment by prefix: a peer counts once, one that was not heard counts apart", () => {
  const route = (peer: number, prefix: string, upstream: number, known = true): Route => ({ peer: { collector: "rrc00", addr: `192.0.2.${peer}`, asn: 64500 + peer }, prefix, path: [], origin: 26780, upstream, since: "", known });
  const held = heldAt([route(1, "a", 6939), route(1, "a", 3549), route(2, "a", 6939), route(3, "a", 6939, false), route(1, "b", 0)]);
  expect(held).toEqual([
    { prefix: "a", peers: 2, unheard: 1, through: [{ asn: 6939, peers: 2 }, { asn: 3549, peers: 1 }], origins: [26780] },
    { prefix: "b", peers: 1, unheard: 0, through: [{ asn: 0, peers: 1 }], origins: [26780] },
  ]);
});

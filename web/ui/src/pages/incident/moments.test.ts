import { expect, test } from "vitest";
import type { Lane, Timeline } from "../../api/types";
import { moments, sharesOf } from "./moments";
import { incident } from "./sample";
import { endOf } from "./silence";

const lane = (more: Partial<Lane>, value: number, eligible = 40): Lane => ({ family: 4, peak: 1, peers: 40, points: [{ at: "2008-11-11T20:00:00Z", value, eligible }], ...more });
const timeline = (visibility: Lane[], upstreams: Lane[]) => ({ to: "2008-11-11T21:00:00Z", visibility, upstreams }) as unknown as Timeline;

test("what lasts is compared with now, what is over with how it stood last", () => {
  const revisions = [incident(), incident({ revision: 2, at: "2008-11-11T21:31:50Z", summary: "dark ".repeat(30) }), incident({ revision: 3, at: "2008-11-12T21:31:50Z", phase: "resolved" })];
  const open = moments(incident(), revisions.slice(0, 2));
  expect(open.map((m) => [m.at, !!m.first])).toEqual([["now", true], ["2008-11-11T21:01:31Z", false], ["2008-11-11T21:31:50Z", false]]);
  expect(open[2]!.name.length).toBeLessThan(100);
  const over = moments(incident({ phase: "resolved", resolved: "2008-11-12T21:31:50Z" }), revisions);
  expect(over.map((m) => [m.at, !!m.first])).toEqual([["2008-11-12T21:31:50Z", false], ["2008-11-11T21:01:31Z", false], ["2008-11-11T21:31:50Z", true]]);
  // Of which nothing but the end is remembered.
  expect(moments(incident({ phase: "resolved", resolved: "2008-11-12T21:31:50Z" }), []).map((m) => !!m.first)).toEqual([true]);
});

test("who carries nothing any more carries 0 %; where nobody could see, nothing is said", () => {
  const before = timeline([lane({}, 1)], [lane({ asn: 6939 }, 0.6), lane({ asn: 3549 }, 0.4), lane({ asn: 1 }, 0)]);
  const after = timeline([lane({}, 0.05), lane({ family: 6 }, 0, 0)], [lane({ asn: 226 }, 0.05), lane({ asn: 1 }, 0)]);
  expect(sharesOf(before, after).map((r) => [r.what, r.asn, r.family, r.before, r.after])).toEqual([
    ["visibility", 0, 4, 1, 0.05],
    ["visibility", 0, 6, undefined, undefined],
    ["upstream", 6939, 4, 0.6, 0],
    ["upstream", 3549, 4, 0.4, 0],
    ["upstream", 226, 4, 0, 0.05],
  ]);
  const blind = timeline([lane({}, 0, 0)], []);
  expect(sharesOf(before, blind).find((r) => r.asn === 6939)?.after).toBeUndefined();
});

test("a silence ends when it says", () => {
  const at = Date.UTC(2008, 10, 11, 23, 30);
  expect(endOf("1h", at, "", 0)?.toISOString()).toBe("2008-11-12T00:30:00.000Z");
  expect(endOf("8h", at, "", 0)?.toISOString()).toBe("2008-11-12T07:30:00.000Z");
  expect(endOf("tomorrow", at, "", 0)?.toISOString()).toBe("2008-11-12T08:00:00.000Z");
  expect(endOf("tomorrow", at, "", 300)?.toISOString()).toBe("2008-11-12T13:00:00.000Z"); // New York, where it is still the 11th
  expect(endOf("tomorrow", at, "", -60)?.toISOString()).toBe("2008-11-13T07:00:00.000Z"); // Paris, where it is the 12th
  expect(endOf("own", at, "2008-11-12T06:00", 300)?.toISOString()).toBe("2008-11-12T06:00:00.000Z");
  expect(endOf("own", at, "", 0)).toBeUndefined();
});

import { expect, test } from "vitest";
import { askedFor, closest, isAll, moved, sized, stamp, within, zoomed, type Span } from "./zoom";

const hour = 3_600_000;
const all: Span = { from: 0, to: 100 * hour };

test("what is shown lies within what there is", () => {
  expect(within({ from: -hour, to: hour }, all)).toEqual({ from: 0, to: 2 * hour });
  expect(within({ from: 99 * hour, to: 101 * hour }, all)).toEqual({ from: 98 * hour, to: 100 * hour });
  expect(within({ from: -hour, to: 500 * hour }, all)).toEqual(all);
  const close = within({ from: hour, to: hour + 1 }, all);
  expect(close.to - close.from).toBe(closest);
  expect((close.from + close.to) / 2).toBeCloseTo(hour, -1);
});

test("the moment under the pointer stays there", () => {
  const s = zoomed({ from: 10 * hour, to: 20 * hour }, 0.5, 12 * hour, all);
  expect(s).toEqual({ from: 11 * hour, to: 16 * hour });
  expect((12 * hour - s.from) / (s.to - s.from)).toBe(0.2);
  expect(zoomed(s, 100, 12 * hour, all)).toEqual(all);
});

test("moving keeps the length, also at the ends", () => {
  expect(moved({ from: 10 * hour, to: 20 * hour }, 0.5, all)).toEqual({ from: 15 * hour, to: 25 * hour });
  expect(moved({ from: 85 * hour, to: 95 * hour }, 1, all)).toEqual({ from: 90 * hour, to: 100 * hour });
  expect(sized({ from: 10 * hour, to: 20 * hour }, 2 * hour, all)).toEqual({ from: 14 * hour, to: 16 * hour });
});

test("a URL carries whole seconds", () => {
  expect(stamp(Date.parse("2008-11-11T21:30:50.400Z"))).toBe("2008-11-11T21:30:50Z");
});

test("all is all, but for what nobody sees", () => {
  expect(isAll({ from: 1000, to: 100 * hour - 1000 }, all)).toBe(true);
  expect(isAll({ from: hour, to: 100 * hour }, all)).toBe(false);
});

test("whoever moves a little asks nothing new", () => {
  const a = askedFor({ from: 50 * hour, to: 52 * hour }, all);
  expect(a.from).toBeLessThan(50 * hour);
  expect(a.to).toBeGreaterThan(52 * hour);
  expect(a.to - a.from).toBeLessThan(8 * hour);
  expect(askedFor({ from: 50 * hour + 60_000, to: 52 * hour + 60_000 }, all)).toEqual(a);
  expect(askedFor(all, all)).toEqual(all);
});

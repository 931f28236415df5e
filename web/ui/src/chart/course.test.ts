import { expect, test } from "vitest";
import { columns, courseOf, spliced, stepAt, timeOf, union, valueAt, xOf, type Window } from "./course";

const t0 = Date.parse("2008-11-11T00:00:00Z");
const at = (s: number) => new Date(t0 + s * 1000).toISOString();
const course = (...steps: [number, number, number][]) => courseOf(steps.map(([s, value, eligible]) => ({ at: at(s), value, eligible })));
const w = (from: number, to: number, width: number, end = to): Window => ({ from: t0 + from * 1000, to: t0 + to * 1000, x0: 0, x1: width, end: t0 + end * 1000 });
const boxes = (c: ReturnType<typeof columns>) => c.map((x) => [x.x0, x.x1, x.low, x.high, x.seen, x.blind]);

test("a step holds until the next, and nothing before the first", () => {
  const c = course([10, 0.5, 40], [20, 1, 40]);
  expect([5, 10, 15, 20, 99].map((s) => stepAt(c, t0 + s * 1000))).toEqual([-1, 0, 0, 1, 1]);
  expect(valueAt(c, t0)).toBeUndefined();
  expect(valueAt(c, t0 + 19_000)).toEqual({ value: 0.5, eligible: 40, since: t0 + 10_000 });
  expect(courseOf(null).at.length).toBe(0);
});

test("wide steps are drawn as they are, to the pixel", () => {
  const c = course([0, 1, 40], [50, 0.5, 40], [75, 0, 40]);
  expect(boxes(columns(c, w(0, 100, 100), 1))).toEqual([
    [0, 50, 1, 1, true, false],
    [50, 75, 0.5, 0.5, true, false],
    [75, 100, 0, 0, true, false],
  ]);
  // The full height of a group of small shares.
  expect(columns(course([0, 0.05, 40]), w(0, 100, 100), 0.1)[0]!.high).toBe(0.5);
});

test("where nobody was there to see, no value is drawn, whatever stands there", () => {
  const c = course([0, 1, 40], [50, 0.7, 0], [75, 1, 40]);
  expect(boxes(columns(c, w(0, 100, 100), 1))).toEqual([
    [0, 50, 1, 1, true, false],
    [50, 75, 0, 0, false, true],
    [75, 100, 1, 1, true, false],
  ]);
  // Before the first step nothing is known; after the end nothing has happened.
  expect(boxes(columns(course([50, 1, 40]), w(0, 100, 100, 80), 1))).toEqual([
    [0, 50, 0, 0, false, true],
    [50, 80, 1, 1, true, false],
  ]);
  expect(boxes(columns(course(), w(0, 100, 100), 1))).toEqual([[0, 100, 0, 0, false, true]]);
});

test("what falls on one pixel is its least and its most: a short outage in a long time is seen", () => {
  const c = course([0, 1, 40], [50.2, 0, 40], [50.4, 1, 40]);
  const all = columns(c, w(0, 100, 100), 1);
  const dip = all.find((x) => x.low === 0)!;
  expect([dip.high, dip.x1 - dip.x0 <= 1.5]).toEqual([1, true]);
  expect(all[0]!.x0).toBe(0);
  expect(all[all.length - 1]!.x1).toBe(100);
  // Ten thousand steps are no more than a column a pixel.
  const many = courseOf(Array.from({ length: 10_000 }, (_, i) => ({ at: at(i / 100), value: i % 2, eligible: 40 })));
  const drawn = columns(many, w(0, 100, 100), 1);
  expect(drawn.length).toBeLessThanOrEqual(101);
  expect(drawn.every((x, i) => i === 0 || Math.abs(x.x0 - drawn[i - 1]!.x1) < 1e-9)).toBe(true);
});

test("a part of the time takes the finer steps, the rest stays", () => {
  const whole = course([0, 1, 40], [40, 0.5, 40], [90, 0, 40]);
  const fine = course([30, 1, 40], [38, 0.8, 40], [41, 0.5, 40]);
  const c = spliced(whole, fine, t0 + 30_000, t0 + 60_000);
  expect([...c.at].map((x) => (x - t0) / 1000)).toEqual([0, 30, 38, 41, 60, 90]);
  expect([...c.value]).toEqual([1, 1, 0.8, 0.5, 0.5, 0]);
  expect(spliced(whole, course(), t0, t0 + 1000)).toBe(whole);
});

test("pixels and times are each other's inverse", () => {
  const x = w(0, 100, 1000);
  expect(timeOf(x, xOf(x, t0 + 33_000))).toBe(t0 + 33_000);
});

test("stretches that touch are one", () => {
  expect(union([[5, 6], [0, 2], [1, 3], [3.2, 4]], 0.5)).toEqual([[0, 4], [5, 6]]);
});

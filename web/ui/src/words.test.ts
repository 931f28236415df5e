import { expect, test } from "vitest";
import { count, lasting, listed, percent, utc } from "./words";

test("times are UTC, and short", () => {
  expect(utc("2008-11-11T21:04:07Z")).toBe("2008-11-11 21:04:07Z");
  expect(utc("2008-11-11T22:04:00+01:00")).toBe("2008-11-11 21:04Z");
  expect(utc("no time")).toBe("");
});

test("a part of one never looks like none or all where it is neither", () => {
  expect([0, 0.001, 0.05, 0.999, 1].map(percent)).toEqual(["0 %", "under 1 %", "5 %", "over 99 %", "100 %"]);
});

test("halves of a percent are what the sentences of the server say", () => {
  expect([0.625, 0.375, 0.025, 0.045].map(percent)).toEqual(["62 %", "38 %", "2 %", "4 %"]);
});

test("spans of time in the largest unit that still says enough", () => {
  expect([12_000, 300_000, 7_200_000, 27 * 86_400_000].map(lasting)).toEqual(["12 s", "5 min", "2 h", "27 days"]);
});

test("numbers with their nouns, and lists as people say them", () => {
  expect(count(1, "prefix", "prefixes")).toBe("1 prefix");
  expect(count(2, "prefix", "prefixes")).toBe("2 prefixes");
  expect(listed(["AS1", "AS2", "AS3"])).toBe("AS1, AS2 and AS3");
});

import { describe, expect, it } from "vitest";
import { periodOf, stepsOf } from "./steps";

const end = Date.parse("2008-12-08T01:01:00Z");

describe("periodOf", () => {
  it("ends with the present minute", () => {
    expect(periodOf("day", end)).toEqual({ from: "2008-12-07T01:01:00Z", to: "2008-12-08T01:01:00Z" });
    expect(periodOf("month", end, "2001-01-01", "2002-01-01")).toEqual({ from: "2008-11-08T01:01:00Z", to: "2008-12-08T01:01:00Z" });
  });
  it("is all that is known", () => {
    expect(periodOf("all", end)).toEqual({});
  });
  it("is one's own, with one end or both", () => {
    expect(periodOf("own", end, "2008-11-11", "2008-11-12 12:00")).toEqual({ from: "2008-11-11T00:00:00Z", to: "2008-11-12T12:00:00Z" });
    expect(periodOf("own", end, undefined, "2008-11-12")).toEqual({ to: "2008-11-12T00:00:00Z" });
  });
  it("asks for no period that ends before it begins, and for no nonsense", () => {
    expect(periodOf("own", end, "2008-11-12", "2008-11-11")).toEqual({ from: "2008-11-12T00:00:00Z" });
    expect(periodOf("own", end, "yesterday", "now")).toEqual({});
    expect(periodOf("nonsense" as "own", end)).toEqual({});
  });
});

describe("stepsOf", () => {
  const at = (h: number) => `2008-11-11T${String(h).padStart(2, "0")}:00:00Z`;
  const ms = (h: number) => Date.parse(at(h));
  const course = [{ at: at(1), hosters: 1, prefixes: 2 }, { at: at(2), hosters: 1, prefixes: 3 }, { at: at(4), hosters: 0, prefixes: 0 }];
  it("goes on while a number stays", () => {
    expect(stepsOf(course, "hosters", ms(6))).toEqual([[ms(1), ms(4), 1], [ms(4), ms(6), 0]]);
    expect(stepsOf(course, "prefixes", ms(6))).toEqual([[ms(1), ms(2), 2], [ms(2), ms(4), 3], [ms(4), ms(6), 0]]);
  });
  it("ends where the period does, or with its last step", () => {
    expect(stepsOf(course, "hosters", ms(3))).toEqual([[ms(1), ms(4), 1], [ms(4), ms(4), 0]]);
    expect(stepsOf([], "hosters", ms(3))).toEqual([]);
  });
});

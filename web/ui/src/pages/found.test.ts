import { expect, it } from "vitest";
import { kindWords, nextOf } from "./found";

it("names every kind", () => {
  expect(["hoster", "as", "family", "something new"].map(kindWords)).toEqual(["hoster", "AS", "C&C family", "something new"]);
});

it("steps from result to result, and stays within them", () => {
  expect([nextOf("ArrowDown", -1, 3), nextOf("ArrowDown", 2, 3), nextOf("ArrowUp", 1, 3), nextOf("ArrowUp", 0, 3), nextOf("End", 0, 3), nextOf("Home", 2, 3)]).toEqual([0, 2, 0, 0, 2, 0]);
  expect([nextOf("a", 0, 3), nextOf("ArrowDown", -1, 0)]).toEqual([undefined, undefined]);
});

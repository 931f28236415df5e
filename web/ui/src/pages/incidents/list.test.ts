import { expect, test } from "vitest";
import { asked, moment } from "./filters";
import { joined, unseen } from "./list";

test("pages follow one another, nothing twice, and each thing in its latest revision", () => {
  const pages = [[{ id: "a", revision: 1 }, { id: "b", revision: 2 }], [{ id: "b", revision: 1 }, { id: "c", revision: 1 }]];
  const latest = new Map([["a", { id: "a", revision: 3 }], ["c", { id: "c", revision: 1 }], ["d", { id: "d", revision: 9 }]]);
  expect(joined(pages, latest)).toEqual([{ id: "a", revision: 3 }, { id: "b", revision: 2 }, { id: "c", revision: 1 }]);
});

test("what is new is what is not shown", () => {
  expect(unseen([{ id: "c" }, { id: "a" }, { id: "d" }], [{ id: "a" }, { id: "b" }])).toBe(2);
  expect(unseen([], [])).toBe(0);
});

test("the API is asked for the filters that the list knows", () => {
  expect(asked({ hoster: "mccolo", event: "e1", phase: "", class: "blackout", kind: "upstream.lost" }, ["hoster", "class", "phase"])).toEqual({ hoster: "mccolo", class: "blackout" });
});

test("moments are read as people write them, in UTC", () => {
  expect(moment("2008-11-11 21:00")).toBe("2008-11-11T21:00:00Z");
  expect(moment("2008-11-11T21:00:05.5Z")).toBe("2008-11-11T21:00:05.5Z");
  expect(moment(" 2008-11-11 ")).toBe("2008-11-11");
  expect(moment("yesterday")).toBe("yesterday"); // the API says what it wants
  expect(moment(" ")).toBeUndefined();
});

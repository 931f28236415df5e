// What holds on every page, on a screen.
import { afterAll } from "vitest";
import { describe, expect, test } from "./harness";
import { check, places, titles } from "./places";

describe("on a screen", () => {
  test.each(places.map((p, i) => ({ ...p, dark: i % 2 === 1 })))("$name", async ({ dark, ...place }) => {
    await check(place, { width: 1280, height: 800, dark });
  });

  afterAll(() => {
    // Who has many tabs open tells them apart by their titles.
    const all = [...titles.entries()].filter(([name]) => name !== "hoster on the day");
    const twice = all.filter(([, title], i) => all.findIndex(([, t]) => t === title) !== i);
    expect(twice, "titles that two places have").toEqual([]);
  });
});

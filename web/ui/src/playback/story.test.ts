import { describe, expect, it } from "vitest";
import { between } from "../api/playback";
import { chapterAt, clockOf, progress, speedName, untilChapter } from "./story";

const at = (s: string) => Date.parse(`2008-11-${s}Z`);
const chapter = (s: string) => ({ at: `2008-11-${s}Z`, title: s, text: "", source: "", look: "" });
const p = { from: "2008-11-11T18:00:00Z", to: "2008-11-12T00:00:00Z", chapters: [chapter("11T18:00:00"), chapter("11T20:00:00"), chapter("11T21:00:00")] };

describe("chapters", () => {
  it("begin at their moment", () => {
    expect(chapterAt(p, at("11T17:00:00"))).toBe(0);
    expect(chapterAt(p, at("11T19:59:59"))).toBe(0);
    expect(chapterAt(p, at("11T20:00:00"))).toBe(1);
    expect(chapterAt(p, at("30T00:00:00"))).toBe(2);
    expect(chapterAt({ chapters: null as never }, 0)).toBe(0);
  });
  it("are over as far as their time has passed, the last one at the end of the story", () => {
    expect(progress(p, at("11T19:00:00"))).toBe(0.5);
    expect(progress(p, at("11T20:15:00"))).toBe(0.25);
    expect(progress(p, at("11T22:30:00"))).toBe(0.5);
    expect(progress(p, at("13T00:00:00"))).toBe(1);
    expect(progress(p, at("11T17:00:00"))).toBe(0);
  });
  it("are waited for until they begin", () => {
    expect(untilChapter(p, at("11T19:00:00"), 1)).toBe(3_600_000);
    expect(untilChapter(p, at("11T20:30:00"), 1)).toBe(0);
    expect(untilChapter(p, at("11T20:30:00"), 9)).toBe(0);
  });
});

describe("the clock", () => {
  it("says day and time in UTC", () => {
    expect(clockOf(at("11T21:01:09"))).toEqual({ day: "Tue 11 Nov", year: "2008", time: "21:01:09" });
  });
  it("runs evenly from one answer to the next, and waits there", () => {
    const a = { at: 1000, story: 50_000 };
    const b = { at: 1400, story: 90_000 };
    expect(between(a, b, 1400)).toBe(50_000);
    expect(between(a, b, 1600)).toBe(70_000);
    expect(between(a, b, 1800)).toBe(90_000);
    expect(between(a, b, 9999)).toBe(90_000);
    expect(between(a, a, 1000)).toBe(50_000);
  });
});

describe("speeds", () => {
  it("are told against an hour a second", () => {
    expect([900, 1800, 3600, 7200, 14400, 0, 1000].map(speedName)).toEqual(["¼×", "½×", "1×", "2×", "4×", "at once", "0.28×"]);
  });
});

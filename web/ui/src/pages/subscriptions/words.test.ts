import { expect, test } from "vitest";
import type { Silence, Subscription, Told } from "../../api/types";
import { asnOf, beyond, draftOf, subscriptionOf, wrong } from "./draft";
import { about, covered, ends, faults, faultsOf, limits, outcome, window } from "./words";

const nameOf = (id: string) => (id === "mccolo" ? "McColo Corp." : id);

test("a match in a sentence", () => {
  expect(about(undefined, nameOf)).toBe("incidents from severity warning on");
  expect(about({ hosters: ["mccolo", "other"], severity: "critical" }, nameOf)).toBe("incidents of McColo Corp. or other from severity critical on");
  expect(about({ classes: ["depeered", "blackout", "moved"] }, nameOf)).toBe("incidents of class depeered, blackout or moved");
  expect(about({ kinds: ["upstream.lost", "feed.*"] }, nameOf)).toBe("events of kind upstream.lost or feed.*");
  expect(about({ upstreams: [6939], severity: "info" }, nameOf)).toBe("incidents in which AS6939 is lost or gained of any severity");
  expect(about({ tags: ["bulletproof"], prefixes: ["192.0.2.0/24"], hosters: null }, nameOf)).toBe("incidents of hosters tagged bulletproof that touch 192.0.2.0/24 from severity warning on");
  expect(about({ score: 6 }, nameOf)).toBe("migrations with a score of 6 or more from severity warning on");
});

test("a silence is about everything that it does not exclude", () => {
  expect(covered(undefined, nameOf)).toBe("everything");
  expect(covered({}, nameOf)).toBe("everything");
  expect(covered({ severity: "info" }, nameOf)).toBe("everything");
  expect(covered({ hosters: ["mccolo"] }, nameOf)).toBe("everything of McColo Corp.");
  expect(covered({ kinds: ["feed.*"], sources: ["rrc00"] }, nameOf)).toBe("events of kind feed.* seen by rrc00");
});

test("when a subscription is silent", () => {
  const s: Subscription = {
    name: "noc", to: ["slack"], wait: "15m", updates: "important", repeat: "4h",
    quiet: { windows: [{ hours: ["22:00-07:00"], days: ["mon-fri", "sun"], month_days: null, zone: "Europe/Paris" }], unless: "critical" },
    escalate: [{ after: "30m", to: ["pager"] }],
    except: [{ tags: ["test"] } as never],
  };
  expect(limits(s, nameOf)).toEqual([
    "Not: everything of hosters tagged test",
    "Quiet 22:00-07:00 on Monday to Friday and Sunday (Europe/Paris), unless critical: told when that ends",
    "Waits 15m: what is over by then is never told",
    "Afterwards only what got worse, and the end",
    "Reminds every 4h until somebody acknowledges",
    "Not acknowledged after 30m: pager too",
  ]);
  expect(limits({ name: "x", to: ["mail"], digest: { every: "weekly", at: "", day: "", zone: "" } }, nameOf)).toEqual(["One summary a week on Monday at 08:00, no single messages"]);
  expect(window({ days: ["sat"] })).toBe("Saturday");
  expect(window({ month_days: ["-1"], zone: "UTC" })).toBe("on day -1 of the month (UTC)");
});

test("when a silence ends", () => {
  const now = Date.parse("2008-11-11T12:00:00Z");
  const of = (x: Partial<Silence>) => ends({ until: "2008-11-11T15:00:00Z", ...x }, now);
  expect(of({})).toBe("3 h more");
  expect(of({ from: "2008-11-11T10:00:00Z" })).toBe("3 h more");
  expect(of({ from: "2008-11-11T13:00:00Z" })).toBe("begins in 60 min, for 2 h");
  expect(of({ until: "2008-11-11T12:00:00Z" })).toBe("over");
});

test("what came of telling", () => {
  const of = (x: Partial<Told>) => outcome({ at: "", receiver: "slack", outcome: "sent", ...x });
  expect(of({})).toBe("was told");
  expect(of({ loud: true })).toBe("was told, loudly");
  expect(of({ outcome: "failed", attempt: 3 })).toBe("could not be told (attempt 3), tried again");
  expect(of({ outcome: "held" })).toBe("is not told now");
});

test("faults find their field", () => {
  const shape = faults('validation failed: body.match.severity: expected value to be one of "info, warning, critical"; body.name: expected string to match pattern ^[a-z]$; body.to: x');
  expect(faultsOf(shape, "match.severity")).toContain("expected value");
  expect(faultsOf(shape, "name")).toContain("pattern");
  const desk = faults('to[0]: "pager" is no receiver (slack)\nquiet.windows[0].hours[0]: "x" is no time of day\nrepeat: 1s is less than 1m');
  expect(faultsOf(desk, "to")).toBe('"pager" is no receiver (slack)');
  expect(faultsOf(desk, "quiet")).toContain("time of day");
  expect(faultsOf(desk, "repeat")).toBe("1s is less than 1m");
  expect(faultsOf(desk, "name")).toBe("");
  expect(faults("something else").get("")).toBe("something else");
});

test("a form keeps what it does not show", () => {
  const s: Subscription = {
    name: "noc", by: "ann", to: ["slack"], match: { hosters: ["mccolo"], severity: "critical", sources: ["rrc00"], upstreams: [6939] } as never,
    escalate: [{ after: "30m", to: ["pager"] }],
    quiet: { windows: [{ hours: ["22:00-07:00"], zone: "Europe/Paris" } as never, { days: ["sun"] } as never], unless: "critical" },
  };
  const d = draftOf(s);
  expect(subscriptionOf(d, s)).toEqual({
    name: "noc", to: ["slack"], match: { hosters: ["mccolo"], severity: "critical", sources: ["rrc00"], upstreams: [6939] },
    escalate: [{ after: "30m", to: ["pager"] }],
    quiet: { windows: [{ hours: ["22:00-07:00"], zone: "Europe/Paris" }, { days: ["sun"] }], unless: "critical" },
  });
  expect(beyond(s)).toEqual(["match.sources", "escalate", "the other quiet windows"]);
  expect(subscriptionOf({ ...draftOf(undefined), name: "x", to: ["slack"] })).toEqual({ name: "x", to: ["slack"] });
  expect(subscriptionOf({ ...d, hosters: [], severity: "", quietHours: "", upstreams: ["as3549"] }, s)["match"]).toEqual({ sources: ["rrc00"], upstreams: [3549] });
});

test("what is wrong before it is sent", () => {
  const d = draftOf(undefined);
  expect([...wrong(d).keys()]).toEqual(["name", "to"]);
  expect(wrong({ ...d, name: "NOC 1", to: ["slack"] }).get("name")).toContain("small letters");
  expect(wrong({ ...d, name: "noc", to: ["slack"], upstreams: ["Hurricane"] }).get("match.upstreams")).toContain("no AS number");
  expect(asnOf("AS4294967296")).toBeUndefined();
  expect(asnOf(" as6939 ")).toBe(6939);
});

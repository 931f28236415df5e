// The page of an incident: whether it is true, whether it is enough, and what one can do.
import { beforeAll } from "vitest";
import type { Story } from "../src/api/types";
import { axe, demo, describe, expect, mayFail, noJumps, noSideways, ownDemo, settled, shot, test, until, visit, type Page, type Server } from "./harness";

const api = "/api/v1";

/** The incident of the eleventh of November 2008, once it is over. */
async function blackout(url: string): Promise<Story> {
  const id = await until("the blackout is over", async () => {
    const list = (await (await fetch(`${url}${api}/incidents?class=blackout&phase=resolved`)).json()) as { items?: { id: string }[] };
    return list.items?.[0]?.id;
  });
  return (await (await fetch(`${url}${api}/incidents/${id}`)).json()) as Story;
}

/** Answers a path of the API from here. */
async function answers(page: Page, path: RegExp, body: unknown, status = 200): Promise<void> {
  await page.route(path, (r) => r.fulfill({ status, contentType: status < 400 ? "application/json" : "application/problem+json", body: JSON.stringify(body) }));
}

/** An empty page of the same place, on which what is asked can be answered from here before anything is. */
async function prepared(url: string, look = {}): Promise<Page> {
  const page = await visit(`${url}/icon.svg`, look);
  await page.waitForLoadState();
  return page;
}

/** The page as it is live: without the bar that plays the demo, which comes when it comes. */
async function live(page: Page): Promise<void> {
  await page.route(/\/api\/v1\/status$/, async (r) => {
    try {
      const answer = await r.fetch();
      const board = (await answer.json()) as { playback?: unknown };
      delete board.playback;
      await r.fulfill({ response: answer, json: board });
    } catch {
      // The page went meanwhile.
    }
  });
}

describe("an incident of the past", () => {
  let story: Story;
  beforeAll(async () => {
    story = await blackout(demo);
  });

  test("tells its story down to the BGP message", async () => {
    const page = await visit(`/incidents/${story.incident.id}`);
    await settled(page);
    expect(await page.title()).toContain("McColo Corp.");
    expect(await page.locator("h1").allInnerTexts()).toEqual([story.incident.summary]);
    const shares = page.getByRole("region", { name: "Shares before and after" });
    for (const row of ["seen by peers 100 % 5 %", "AS6939 60 % 0 %", "AS3549 38 % 0 %"]) await shares.getByRole("row", { name: row }).waitFor();
    // In order: what came first stands first.
    const lines = await page.locator(".incident-line").allInnerTexts();
    const where = (text: string) => lines.findIndex((l) => l.includes(text));
    expect(where("AS226 carries 5 %")).toBeLessThan(where("AS6939 carries none"));
    expect(where("AS6939 carries none")).toBeLessThan(where("AS3549 carries none"));
    expect(where("AS3549 carries none")).toBeLessThan(where("every prefix of it is gone"));
    expect(lines.some((l) => l.includes("208.66.192.0/22 and 208.72.168.0/21 at once"))).toBe(true);

    await page.getByText("AS6939 carries none of it").click();
    const messages = page.getByRole("region", { name: "BGP messages behind it" });
    await messages.waitFor();
    const evidence = story.events!.find((e) => e.upstream === 6939 && e.kind === "upstream.lost")!.evidence!;
    expect(await messages.getByRole("row").count()).toBe(evidence.length + 1);
    expect(await messages.innerText()).toContain(evidence[0]!.at.slice(11, 19) + ".");
    expect(await messages.innerText()).toContain("announced");
    await page.getByText("What every peer had before it began").click();
    await page.getByText(/routes? went, \d+ changed/).waitFor();
    await settled(page);
    await axe(page);
    await shot(page, "incident evidence");

    // What is open is in the URL: a colleague sees the same, and the switch of the chapters too.
    await page.reload();
    await messages.waitFor();
    await page.getByRole("button", { name: /^What it became/ }).click();
    await until("only revisions are shown", async () => (await page.locator(".incident-line").count()) === story.revisions!.length);
    expect(page.url()).toContain("show=revisions");
  });

  for (const look of [{}, { phone: true }, { dark: true }, { phone: true, dark: true }]) {
    test(`fits and stays where it is: ${JSON.stringify(look)}`, async () => {
      const page = await prepared(demo, look);
      await live(page);
      await page.goto(`${demo}/incidents/${story.incident.id}`);
      await noSideways(page);
      await noJumps(page);
      await shot(page, `incident ${Object.keys(look).join(" ") || "wide"}`, true);
    });
  }

  test("can be compared with another moment", async () => {
    const page = await visit(`/incidents/${story.incident.id}`);
    await page.getByLabel("Compare with").selectOption({ index: 2 });
    const second = story.revisions![1]!;
    await page.getByRole("columnheader", { name: `At ${second.at.slice(0, 10)} ${second.at.slice(11, 19)}Z` }).waitFor();
    await page.getByRole("row", { name: "AS3549 38 % 95 %" }).waitFor();
    expect(page.url()).toContain(`then=${second.at}`);
  });

  test("can be taken away in every format, and as text", async () => {
    const page = await visit(`/incidents/${story.incident.id}`);
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await settled(page);
    const links = await page.locator(".incident-exports a").evaluateAll((all) => all.map((a) => (a as HTMLAnchorElement).href));
    expect(links.length).toBeGreaterThan(10);
    const types = new Set<string>();
    for (const link of links) {
      const answer = await page.request.get(link);
      expect(answer.status(), link).toBe(200);
      expect((await answer.body()).length, link).toBeGreaterThan(100);
      types.add((answer.headers()["content-type"] ?? "").split(";")[0]!);
    }
    expect([...types].sort()).toEqual(["application/json", "application/stix+json", "application/x-ndjson", "image/png", "image/svg+xml", "text/csv"]);
    await page.getByRole("button", { name: "Copy as text" }).click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    const text = await page.evaluate(() => navigator.clipboard.readText());
    expect(text.startsWith(`${story.incident.summary}\n`)).toBe(true);
    expect(text).toContain("Upstream lost: AS6939 carries none of it");
    expect(text).toContain(page.url());
  });

  test("n and p lead to the next and the previous one", async () => {
    const page = await visit(`/incidents`);
    const titles = page.locator(".incidents-what");
    await titles.nth(1).waitFor();
    const [first, second] = await titles.allInnerTexts();
    await titles.first().click();
    await page.getByRole("heading", { level: 1, name: first! }).waitFor();
    await page.keyboard.press("n");
    await page.getByRole("heading", { level: 1, name: second! }).waitFor();
    await page.keyboard.press("p");
    await page.getByRole("heading", { level: 1, name: first! }).waitFor();
  });
});

describe("whoever is on duty", () => {
  let server: Server;
  let path = "";
  beforeAll(async () => {
    server = await ownDemo();
    path = `${server.url}/incidents/${(await blackout(server.url)).incident.id}`;
  });

  test("acknowledges, comments and silences, and others see it at once and later", async () => {
    const page = await visit(path);
    const other = await visit(path);
    for (const p of [page, other]) await p.getByRole("button", { name: /^Acknowledge a$/ }).waitFor();
    await other.getByText("nobody acknowledged it").waitFor();

    const comment = page.getByRole("textbox", { name: "Comment" });
    await page.keyboard.press("c");
    await page.keyboard.type("a call to AS6939"); // the keys are letters now
    expect(await comment.inputValue()).toBe("a call to AS6939");
    await page.getByRole("button", { name: /^Comment/ }).click();
    await page.getByText("The comment is kept").waitFor();
    expect(await comment.inputValue()).toBe("");
    await other.locator(".incident-line-note", { hasText: "a call to AS6939" }).waitFor(); // by the stream

    await page.locator("h1").click();
    await page.keyboard.press("a");
    await page.getByText("Acknowledged: reminders and escalation stop").waitFor();
    await other.getByRole("button", { name: /^Acknowledge again/ }).waitFor();
    await page.locator("h1").click();
    await page.keyboard.press("a");
    await page.getByText("It is yours already").waitFor();

    await page.getByRole("button", { name: "Silence…" }).click();
    const form = page.getByRole("form", { name: "Silence" });
    expect(await form.getByRole("button", { name: /^Silence/ }).isDisabled()).toBe(true); // without a reason
    await form.getByLabel("Why").fill("planned work");
    await axe(page);
    await shot(page, "incident silence");
    await form.getByRole("button", { name: /^Silence until/ }).click();
    await page.getByText("Silenced until").waitFor();
    await page.getByText("planned work").waitFor();

    await page.reload();
    await page.getByRole("list", { name: "Silences in force" }).getByText("planned work").waitFor();
    for (const text of ["a call to AS6939", "takes care of it"]) await page.locator(".incident-line-note", { hasText: text }).waitFor();
    await page.getByRole("button", { name: "End it now" }).click();
    await page.getByText("The silence is over").waitFor();
    await page.getByRole("list", { name: "Silences in force" }).waitFor({ state: "detached" });

    await page.getByRole("button", { name: "Silence…" }).click();
    await form.getByLabel("anything of McColo Corp.").check();
    await form.getByLabel("For").selectOption("own");
    await form.getByLabel("End (UTC)").fill("2001-01-01T00:00");
    await form.getByLabel("Why").fill("never");
    mayFail(page, /POST .*\/silences: 400/);
    await form.getByRole("button", { name: /^Silence until/ }).click();
    await page.getByText(/is over already/).waitFor(); // what the server says of it
    await form.getByRole("button", { name: "Do not" }).click();
    await form.waitFor({ state: "detached" });
  });

  test("is told when it did not work, and loses no word", async () => {
    const page = await prepared(server.url, { faults: [/POST .*: 503/] });
    await answers(page, /\/comments$/, { title: "Service Unavailable", status: 503, detail: "the ledger is away: again in a moment" }, 503);
    await page.goto(path);
    await settled(page);
    const comment = page.getByRole("textbox", { name: "Comment" });
    await comment.fill("called them");
    await page.getByRole("button", { name: /^Comment/ }).click();
    await page.getByText("the ledger is away: again in a moment").waitFor();
    expect(await comment.inputValue()).toBe("called them");
    await page.unroute(/\/comments$/);
    await page.getByRole("button", { name: /^Comment/ }).click();
    await page.getByText("The comment is kept").waitFor();
  });

  test("is told why he can do nothing", async () => {
    const page = await prepared(server.url);
    await answers(page, /\/whoami$/, { name: "wallboard", scope: "viewer", via: "token" });
    await page.goto(path);
    await page.getByText("to act one needs the scope operator").waitFor();
    for (const name of [/^Acknowledge|^Take over/, /^Comment/, "Silence…"]) expect(await page.getByRole("button", { name }).isDisabled()).toBe(true);
    await page.unroute(/\/whoami$/);
    mayFail(page, /GET .*\/silences.*: 501/);
    await answers(page, /\/silences/, { title: "Not Implemented", status: 501, detail: "no receivers are configured (configuration: notify)" }, 501);
    await page.reload();
    await page.getByText("no receivers are configured (configuration: notify)").waitFor();
    expect(await page.getByRole("button", { name: "Silence…" }).isDisabled()).toBe(true);
  });
});

describe("what is rare", () => {
  test("an id that nobody has, and a depeer without a memory", async () => {
    const page = await visit("/incidents/none", { faults: [/GET .*\/incidents\/none: (404|501)/] });
    await page.getByText("no incident has the id none").waitFor();
    await page.getByRole("link", { name: "All incidents" }).waitFor();
    await axe(page);
    await answers(page, /\/api\/v1\/incidents\/none$/, { title: "Not Implemented", status: 501, detail: "no timeline is configured: nothing of the past is remembered (configuration: timeline)" }, 501);
    await page.reload();
    await page.getByText("(configuration: timeline)").waitFor();
  });

  test("hundreds of events, flapping, missing ones, told in vain", async () => {
    // The paths of prefixes that nobody ever announced are not known.
    const page = await prepared(demo, { faults: [/\/prefixes\/10\.0\.0\.0\/24\/routes.*: 404/] });
    const story = await blackout(demo);
    const one = story.events!.find((e) => e.kind === "route.withdrawn")!;
    const events = Array.from({ length: 600 }, (_, i) => ({ ...one, id: `w${i}`, prefix: `10.${i >> 8}.${i & 255}.0/24`, prefixes: null, at: new Date(Date.parse(one.at) + i * 50).toISOString() }));
    const incident = { ...story.incident, phase: "open", resolved: null, resolution: null, flaps: 3, prefixes: events.map((e) => e.prefix), events: events.map((e) => e.id) };
    const deliveries = Array.from({ length: 40 }, (_, i) => ({ at: new Date(Date.parse(one.at) + i * 60_000).toISOString(), id: `d${i}`, receiver: "pager", outcome: "failed", attempt: i + 1, why: "answered 500" }));
    await answers(page, new RegExp(`/api/v1/incidents/${incident.id}$`), { ...story, incident, revisions: story.revisions!.slice(0, 4), events, deliveries, missing: ["12 of its 612 events are not in the timeline"] });
    await page.goto(`${demo}/incidents/${incident.id}`);
    await settled(page);
    for (const text of ["lost again 3 times", "12 of its 612 events are not in the timeline", "596 more", "confirmed, and it lasts"]) await page.getByText(text).first().waitFor();
    expect(await page.locator(".incident-line-events").count()).toBe(1); // all of them are one line
    expect(await page.locator(".incident-line-told").count()).toBe(1);
    await page.getByText("40 times, last").waitFor();
    await page.locator(".incident-line-events summary").click();
    const many = page.locator(".incident-many > li");
    await until("some are listed", async () => (await many.count()) === 20);
    await page.getByRole("button", { name: "100 more of 580" }).click();
    await until("more are", async () => (await many.count()) === 120);
    await noSideways(page);
    await axe(page);
    await shot(page, "incident of hundreds of events", true);
  });
});

// The board: how everything stands, as it changes.
import { afterEach } from "vitest";
import { axe, demo, describe, expect, mayFail, noJumps, noSideways, patience, settled, shot, test, until, visit, type Page } from "./harness";
import { evening, feed, incident, Paper, paperNow, peer, share, standing, status } from "./paper";

const papers: Paper[] = [];
afterEach(async () => {
  await Promise.all(papers.splice(0).map((p) => p.stop()));
});

async function paper(...args: ConstructorParameters<typeof Paper> extends [string, ...infer Rest] ? Rest : never): Promise<Paper> {
  const p = await new Paper(demo, ...args).start();
  papers.push(p);
  return p;
}

const heading = (page: Page) => page.locator("h1").textContent();
const names = (page: Page) => page.locator("a[data-hoster]").allTextContents();
const focused = (page: Page) => page.evaluate(() => document.activeElement?.getAttribute("data-hoster") ?? document.activeElement?.tagName);

async function says(page: Page, text: string): Promise<void> {
  await until(() => `the board says ${text}`, async () => (await heading(page))?.includes(text));
}

describe("the board of the demo", () => {
  test("tells in one look what became of McColo", async () => {
    const page = await visit("/");
    await says(page, "McColo Corp. is dark");
    await settled(page);
    const card = page.locator("article", { hasText: "McColo Corp." });
    const text = await card.innerText();
    expect(text).toContain("routed by nobody that we hear");
    expect(text).toMatch(/\d+ days since first reported/);
    expect(text).toMatch(/Rustock moved to AS64501 and AS64502/);
    expect(text).toContain("Cutwail never paused");
    expect(await card.locator("s", { hasText: "AS6939" }).count()).toBe(1); // lost: struck
    expect(await page.title()).toMatch(/^McColo Corp\. is dark.* – depeer$/);
    await axe(page);
    await noSideways(page);
    await shot(page, "board");
  });

  test("on a phone", async () => {
    const page = await visit("/", { phone: true });
    await says(page, "McColo Corp. is dark");
    await noSideways(page);
    await shot(page, "board phone", true);
  });

  test("leads on: to the hoster, an upstream, a family", async () => {
    const page = await visit("/");
    for (const [name, path] of [["McColo Corp.", "/hosters/mccolo"], ["AS6939", "/upstreams/6939"], ["Rustock", "/families/Rustock"]] as const) {
      await says(page, "McColo Corp.");
      await page.locator("article").getByRole("link", { name, exact: true }).click();
      await until(`it is at ${path}`, () => new URL(page.url()).pathname === path);
      await page.goBack();
    }
  });
});

describe("a board on paper", () => {
  test("has the worst first, the calm small, and is walked through with keys", async () => {
    const p = await paper(evening(12));
    const page = await visit(p.url);
    await says(page, "1 of 12 is dark: McColo Corp.; 1 incident is open");
    expect(await page.locator("article").allInnerTexts()).toHaveLength(1);
    await noJumps(page); // while families and days came
    expect((await names(page)).slice(0, 3)).toEqual(["McColo Corp.", "Hoster 1 Ltd.", "Hoster 2 Ltd."]); // 2 before 10
    expect(await page.locator("article a", { hasText: "dropped it within 30 minutes" }).getAttribute("href")).toBe("/incidents/of-mccolo");
    await page.keyboard.press("j");
    expect(await focused(page)).toBe("mccolo");
    await page.keyboard.press("j");
    await page.keyboard.press("ArrowDown");
    expect(await focused(page)).toBe("hoster-2");
    await page.keyboard.press("k");
    expect(await focused(page)).toBe("hoster-1");
    await page.keyboard.press("/");
    await page.keyboard.type("jk"); // letters in a field are letters
    expect(await focused(page)).toBe("INPUT");
    await page.locator("h1").click();
    await page.keyboard.press("j");
    mayFail(page, /404/); // the page of a hoster asks more than is on paper
    await page.keyboard.press("Enter");
    await until("the hoster is open", () => new URL(page.url()).pathname === "/hosters/mccolo");
  });

  test("changes live: a card that changed is marked, the others stay, and a new incident is announced once", async () => {
    const p = await paper(evening(12));
    const page = await visit(p.url);
    await says(page, "1 of 12 is dark");
    await settled(page);
    await until("the stream is read", () => p.reading > 0);
    const news = page.locator(".page > [role=status]");
    expect(await news.textContent()).toBe(""); // what was open before is no news
    const lost = standing(3, { state: "dark", visibility: 0, incident: "of-hoster-3", upstreams: [share(6939, 0, { baseline: 0.62, lost: true, since: p.board.now })] });
    const story = incident("hoster-3", { summary: "Hoster 3 Ltd. is dark: AS6939 dropped it" });
    p.tell("incident", { ...story, phase: "pending" });
    p.tell("status", { hosters: [lost] });
    await says(page, "2 of 12 are dark: Hoster 3 Ltd. and McColo Corp.; 1 incident is open, 1 pending");
    expect(await news.textContent()).toBe(""); // perhaps it is nothing
    const card = page.locator("article", { hasText: "Hoster 3 Ltd." });
    await card.waitFor();
    expect(await card.evaluate((e) => getComputedStyle(e).outlineStyle)).toBe("solid"); // marked, and nothing moves: less motion was asked for
    expect(await page.locator(".board-changed").count()).toBe(1);
    p.tell("incident", { ...story, revision: 2 });
    await until("it is announced", async () => (await news.textContent())?.startsWith("New incident, critical: Hoster 3 Ltd"));
    const said = await news.textContent();
    p.tell("incident", { ...story, revision: 3, summary: "another sentence" });
    await card.getByText("another sentence").waitFor();
    expect(await news.textContent()).toBe(said); // not again
    await page.waitForFunction(() => !document.querySelector(".board-changed"), null, { timeout: patience }); // for a moment only
    p.tell("incident", { ...story, revision: 4, phase: "resolved" });
    await says(page, "2 of 12 are dark: Hoster 3 Ltd. and McColo Corp.; 1 incident is open");
  });

  test("has room for a thousand", async () => {
    const p = await paper(evening(1000));
    const page = await visit(p.url);
    await says(page, "1 of 1,000 is dark");
    await until("all are there", async () => (await page.locator("a[data-hoster]").count()) === 1000);
    expect(await page.locator(".board-line").first().evaluate((e) => getComputedStyle(e).contentVisibility)).toBe("auto"); // only what is seen is laid out
    await page.getByRole("searchbox", { name: /Show only hosters/ }).fill("AS64777");
    await until("one is left", async () => (await names(page)).join() === "Hoster 277 Ltd.");
    expect(new URL(page.url()).searchParams.get("q")).toBe("AS64777");
    await page.getByRole("searchbox", { name: /Show only hosters/ }).fill("nobody of this name");
    await page.getByText("None of 1,000 hosters fits").waitFor();
    await page.getByRole("link", { name: "Show all" }).click();
    await page.getByRole("button", { name: "1 dark" }).click();
    await until("the dark are left", async () => (await names(page)).join() === "McColo Corp.");
    expect(new URL(page.url()).search).toBe("?show=dark");
    await page.goBack();
    await until("all are back", async () => (await page.locator("a[data-hoster]").count()) === 1000);
    await noSideways(page);
    await shot(page, "board thousand");
  });

  test("is seen across the room", async () => {
    const p = await paper(evening(12));
    const page = await visit(p.url, { width: 1920, height: 1080, dark: true });
    await says(page, "1 of 12 is dark");
    const size = () => page.locator("h1").evaluate((e) => parseFloat(getComputedStyle(e).fontSize));
    const before = await size();
    await page.keyboard.press("w");
    await until("it is the wall", () => new URL(page.url()).search === "?wall=1");
    await page.locator(".shell").waitFor({ state: "hidden" });
    expect(await size()).toBeGreaterThan(before * 1.2);
    expect(await page.locator("button:visible, input:visible").count()).toBe(0); // nothing to be clicked
    await axe(page);
    await shot(page, "board wall");
    await page.keyboard.press("Escape");
    await page.locator(".shell").waitFor();
    expect(new URL(page.url()).search).toBe("");
    await page.goto(`${p.url}/?wall=1`);
    await page.locator(".shell").waitFor({ state: "hidden" });
    await page.getByRole("link", { name: "Leave the wall view" }).focus();
    await page.keyboard.press("Enter");
    await page.locator(".shell").waitFor();
  });

  test("is calm when all is calm", async () => {
    const p = await paper(status([1, 2, 3].map((i) => standing(i))));
    const page = await visit(p.url);
    await says(page, "All 3 hosters are visible; nothing is open");
    await page.getByText("Nothing is open.").waitFor();
    await page.getByText("No hole is open in what is seen.").waitFor();
    expect(await page.locator("article").count()).toBe(3);
    expect(await page.locator("article").first().innerText()).toContain("still routed by AS6939 (62 %) and AS3549 (38 %)");
    expect(await page.locator("[role=alert]").count()).toBe(0);
    await axe(page);
  });

  test("says first of all when it does not see everything", async () => {
    const gap = { type: "gap", id: "g", revision: 1, source: "ris", collector: "rrc00", reason: "session lost", from: p0, to: null, peers: 28, listed: [] };
    const p = await paper(status([standing(1)], { ready: false, reasons: ["ris: nothing was heard for 4 min"], feeds: [feed({ ready: false, reason: "nothing was heard for 4 min", up: 12 })], peers: Array.from({ length: 40 }, (_, i) => peer(i + 1, i < 12 ? "up" : "down")), gaps: [gap as never] }));
    const page = await visit(p.url);
    await says(page, "As far as is seen now: Hoster 1 Ltd. is visible");
    const alert = page.getByRole("alert");
    expect(await alert.innerText()).toContain("what is shown here may be untrue");
    expect(await alert.innerText()).toContain("ris: nothing was heard for 4 min");
    const eyes = await page.getByRole("region", { name: "Our eyes" }).innerText();
    expect(eyes).toContain("12 of 40 peers count");
    expect(eyes).toContain("1 hole in what is seen is open: rrc00, session lost");
    await axe(page);
    p.board = { ...p.board, ready: true, reasons: [] };
    p.tell("status", { hosters: [], ready: true, reasons: [] });
    await says(page, "Hoster 1 Ltd. is visible; nothing is open");
    await alert.waitFor({ state: "detached" });
  });

  test("says what to do where nobody is watched", async () => {
    const page = await visit((await paper(status([]))).url);
    await says(page, "No hoster is watched");
    expect(await page.locator("main").innerText()).toContain("depeer watchlist generate --asn AS26780 RIB");
    await axe(page);
  });

  test("says what is not configured, and shows the rest", async () => {
    const problem = (detail: string) => ({ status: 501, title: "Not Implemented", detail });
    const p = await paper(evening(2), { "/families": problem("no sightings are configured"), "/still": problem("no timeline is configured") });
    const page = await visit(p.url, { faults: [/501/] });
    await says(page, "1 of 2 is dark");
    await page.getByText("C&C families: no sightings are configured").waitFor();
    await page.getByText("Since when it is known: no timeline is configured").waitFor();
    await noSideways(page);
  });

  test("says when there is no answer, and asks again", async () => {
    const p = await paper(evening(2), { "/status": { status: 503, title: "Service Unavailable", detail: "depeer is starting" } });
    const page = await visit(p.url, { faults: [/503/] });
    await page.getByText("depeer is starting").waitFor();
    delete p.answers["/status"];
    await page.getByRole("button", { name: "Ask again" }).click();
    await says(page, "1 of 2 is dark");
  });
});

const p0 = new Date(paperNow - 240_000).toISOString();

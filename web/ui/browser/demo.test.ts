// McColo's weeks, as who sees them for the first time would.
import { axe, describe, expect, noSideways, ownDemo, run, settled, shot, test, until, visit, type Page } from "./harness";

interface Playing {
  now: string;
  speed: number;
  paused: boolean;
  over: boolean;
}

const playing = (page: Page): Promise<Playing> => page.evaluate(async () => (await fetch("/api/v1/playback")).json());
const chapter = (page: Page) => page.locator(".playback-chapter[aria-current=step]").innerText();
const state = (page: Page) => page.getByRole("heading", { level: 1 }).first().innerText();
const clock = (page: Page) => page.locator(".playback-clock").getAttribute("datetime");

/** So many answers about the story have come: had it moved, they would say so. */
async function answers(page: Page, n: number): Promise<void> {
  for (let i = 0; i < n; i++) await page.waitForResponse((r) => r.url().endsWith("/api/v1/playback"));
}

describe("the demo", () => {
  test("says what it is about, plays, pauses, jumps, changes its speed, and says at the end what there was", async () => {
    const server = await ownDemo("--paused", "--speed", "3600");
    const page = await visit(server.url + "/");
    const intro = page.getByRole("dialog");
    await intro.waitFor();
    expect(await intro.innerText()).toMatch(/where its botnets went/);
    await axe(page);
    await shot(page, "demo begins");
    await until("the board is calm", async () => /visible/i.test(await page.locator("main").innerText()));
    await page.evaluate(() => Object.assign(window, { same: true })); // a page that is loaded again forgets it
    await intro.getByRole("button", { name: "Play the story" }).click();
    await intro.waitFor({ state: "hidden" });
    const first = await clock(page);
    await until("the clock goes", async () => (await clock(page)) !== first);

    // Paused by a key, it stands still; it goes at once to where it is wanted, and stays there.
    await page.locator("#main").focus();
    await page.keyboard.press("Space");
    await page.getByRole("button", { name: "Play", exact: true }).waitFor();
    const { now } = await playing(page);
    await answers(page, 3);
    expect((await playing(page)).now).toBe(now);
    await page.getByRole("button", { name: "First cut" }).click();
    await until("it is there", async () => (await playing(page)).now === "2008-11-11T21:00:00Z" && (await chapter(page)) === "First cut");
    expect((await playing(page)).paused).toBe(true);

    // Faster, and the board becomes dark by itself.
    await page.getByLabel("Speed").selectOption({ label: "4×" });
    await until("it is faster", async () => (await playing(page)).speed === 14_400);
    expect(await state(page)).not.toMatch(/dark/);
    await page.getByRole("button", { name: "Play", exact: true }).click();
    await until("the board is dark", async () => /dark/.test(await state(page)));
    await until("depeer says so", async () => /is dark/.test(await page.locator(".playback-says").innerText()));
    expect(await page.evaluate(() => "same" in window)).toBe(true);
    await axe(page);
    await shot(page, "demo dark");

    await page.getByRole("button", { name: "Mega-D" }).click();
    const end = page.getByRole("dialog", { name: "What you have seen" });
    await end.waitFor();
    await until("it lists what happened", async () => (await end.getByRole("listitem").count()) >= 10);
    expect(await end.innerText()).toMatch(/Srizbi appeared in AS39823/);
    expect(await page.evaluate(() => "same" in window)).toBe(true);
    await axe(page);
    await shot(page, "demo over");
    await end.getByRole("link", { name: "Where the botnets went" }).click();
    await page.waitForURL("**/migrations");
    await page.getByRole("dialog").waitFor({ state: "detached" });
  });

  test("tells on a phone, too, what it is, and what depeer said", async () => {
    const page = await visit("/", { phone: true, dark: true });
    await settled(page);
    await noSideways(page);
    await axe(page);
    expect(await page.locator(".playback-note").innerText()).toMatch(/reconstruction/i);
    expect(await page.locator(".playback-says").innerText()).toMatch(/Mega-D/);
    expect(await page.getByRole("dialog").count()).toBe(0); // nobody saw it end here
    await page.getByRole("button", { name: "Summary" }).click();
    await page.getByRole("dialog", { name: "What you have seen" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "What is this?" }).click();
    await page.getByRole("dialog", { name: "McColo, November 2008" }).waitFor();
    await noSideways(page);
  });

  test("is not there where what happens now is watched", async () => {
    const server = await run();
    const page = await visit(server.url + "/");
    await settled(page);
    expect(await page.locator(".playback").count()).toBe(0);
  });
});

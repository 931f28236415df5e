// The league of an upstream.
import { axe, describe, expect, noSideways, settled, shot, test, visit, type Page } from "./harness";

const place = (page: Page) => new URL(page.url());

describe("an upstream", () => {
  test("says whom it dropped and when, and whom it carries", async () => {
    const page = await visit("/upstreams/6939");
    await settled(page);
    expect(await page.title()).toBe("AS6939 as upstream – depeer");
    const words = await page.locator(".upstream-words").innerText();
    expect(words).toMatch(/^AS6939 dropped McColo Corp\. on 2008-11-11 21:0\d:\d\dZ\. It carries 0 of the 1 watched hoster now\.$/);
    const row = page.locator("#league tbody tr").first();
    expect(await row.innerText()).toMatch(/McColo Corp\.[\s\S]*dropped[\s\S]*had it before[\s\S]*2 → 0/);
    await row.locator("summary").click();
    expect(await row.locator("li").allInnerTexts()).toEqual([expect.stringContaining("208.66.192.0/22"), expect.stringContaining("208.72.168.0/21")]);
    await page.locator("#course .chart[data-drawn]").waitFor();
    expect(await page.locator("#course .chart").getAttribute("aria-label")).toMatch(/^AS6939 carried 1 watched hoster with 2 prefixes on 2008-11-11 18:00Z, and 0 with 0 on /);
    await shot(page, "upstream-league", true);
    await axe(page, "#league");
  });

  test("takes a period, by button and by hand, into the URL", async () => {
    const page = await visit("/upstreams/1299");
    await settled(page);
    expect(await page.locator(".upstream-words").innerText()).toMatch(/^AS1299 took on McColo Corp\. on 2008-11-15 12:0\d[:\d]*Z and dropped it on 2008-11-16 00:0\d[:\d]*Z\./);
    await page.getByRole("button", { name: "Day", exact: true }).click();
    await page.waitForURL("**period=day");
    await settled(page);
    expect(await page.locator("#league").innerText()).toContain("In this period it was the upstream of nobody that is watched");
    await page.getByLabel("From").fill("2008-11-15");
    await page.getByLabel("to", { exact: true }).fill("2008-11-15 18:00");
    await page.keyboard.press("Enter");
    await page.waitForURL("**from=2008-11-15T00:00:00Z*");
    expect(place(page).searchParams.get("to")).toBe("2008-11-15T18:00:00Z");
    await settled(page);
    expect(await page.locator("#league tbody tr").first().innerText()).toMatch(/McColo Corp\.[\s\S]*gained[\s\S]*2008-11-15 12:00/);
    await page.goBack();
    await page.waitForURL("**period=day");
    await settled(page);
    await page.getByLabel("From").fill("yesterday");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("yesterday is no time").waitFor();
  });

  test("filters by standing and name", async () => {
    const page = await visit("/upstreams/6939?period=all");
    await settled(page);
    await page.getByRole("button", { name: "carries 0" }).press("Enter");
    await page.waitForURL("**show=carries*");
    await page.getByText("None of them is like that").waitFor();
    await page.getByRole("button", { name: "dropped 1" }).click();
    await page.getByLabel("Filter by hoster").fill("mccolo");
    expect(await page.locator("#league tbody tr").count()).toBe(1);
    await page.waitForURL("**hoster=mccolo*");
  });

  test("of whom nothing is known says why", async () => {
    const page = await visit("/upstreams/64999", { phone: true, dark: true });
    await settled(page);
    expect(await page.locator("#main").innerText()).toContain("Nothing is remembered of AS64999");
    await noSideways(page);
    await axe(page);
  });
});

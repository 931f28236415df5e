// Why there was an alarm, or none.
import { axe, demo, describe, expect, mayFail, noSideways, settled, shot, test, until, visit } from "./harness";

describe("explain", () => {
  test("says of a moment why there was an alarm", async () => {
    const page = await visit("/explain?hoster=mccolo&at=2008-11-11T21:26:00Z");
    await settled(page);
    const said = page.getByRole("region", { name: "The answer" });
    expect(await said.innerText()).toMatch(/Alarm: AS6939 was lost since 2008-11-11 21:\d\d:\d\dZ: it carried 0 % of the routes, usually \d+ %/);
    // The picture has its numbers beside it.
    const ups = page.getByRole("region", { name: "Upstreams" });
    expect(await ups.getByRole("listitem").filter({ hasText: "AS6939" }).innerText()).toMatch(/0 %.*usually \d+ %, lost from [\d.]+ % on down/);
    expect(await page.getByRole("region", { name: "What was concluded" }).innerText()).toContain("upstream.lost");
    expect(await page.getByRole("region", { name: "Who was told" }).innerText()).toContain("was told");
    expect(await page.title()).toBe("Why McColo Corp. – depeer");
    await axe(page);
    await noSideways(page);
    await shot(page, "explain");
  });

  test("says why there was none", async () => {
    const page = await visit("/explain?hoster=mccolo&at=2008-11-11T19:30:00Z");
    await settled(page);
    expect(await page.getByRole("region", { name: "The answer" }).innerText()).toMatch(/No alarm: AS\d+ carried \d+ % of its routes, usually \d+ %; it counts as lost from [\d.]+ % on down\./);
  });

  test("is asked by name, and leads to what each peer says", async () => {
    const page = await visit("/explain");
    await settled(page);
    await page.getByRole("combobox", { name: "Hoster, prefix or address" }).fill("mccolo corp.");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/explain?hoster=mccolo");
    await settled(page);
    await page.getByRole("link", { name: "Who says what of 208.66.192.0/22" }).click();
    await page.waitForURL("**/explain?prefix=208.66.192.0/22");
    await settled(page);
    const rows = page.getByRole("region", { name: "Peers", exact: true }).locator("tbody tr");
    const all = await rows.count();
    expect(all).toBeGreaterThan(10);
    await page.getByPlaceholder("Peer, collector, AS in the path").fill("rrc00");
    await until("only those of rrc00 are there", async () => (await rows.count()) < all && (await rows.allInnerTexts()).every((t) => t.includes("rrc00")));
    await axe(page);
    await page.goBack();
    await page.waitForURL("**/explain?hoster=mccolo");
  });

  test("goes from a moment to now", async () => {
    const page = await visit("/explain?prefix=208.66.192.0/22&at=2008-11-11T21:26:00Z");
    await settled(page);
    await page.getByRole("button", { name: "As it is now" }).click();
    await page.waitForURL("**/explain?prefix=208.66.192.0/22");
    await settled(page);
    expect(await page.getByRole("region", { name: "The answer" }).innerText()).not.toContain("from the memory");
  });

  test("says what to do about what it does not know", async () => {
    const page = await visit("/explain?hoster=nobody", { faults: [/explain.*: 404$/] });
    await settled(page);
    expect(await page.getByRole("alert").innerText()).toContain("nobody");
    expect(await page.getByText("Only hosters of the watchlist").count()).toBe(1);
    mayFail(page, /explain.*: 400$/);
    await page.goto(`${demo}/explain?hoster=mccolo&at=2199-01-01T00:00:00Z`);
    await settled(page);
    expect(await page.getByRole("alert").innerText()).toContain("has not come yet");
  });

  test("fits a phone, in the dark", async () => {
    const page = await visit("/explain?hoster=mccolo&at=2008-11-11T21:26:00Z", { phone: true, dark: true });
    await noSideways(page);
    await axe(page);
    await shot(page, "explain-phone");
  });
});

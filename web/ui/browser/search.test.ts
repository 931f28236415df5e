// Search: from a word to its page.
import { axe, describe, expect, noSideways, settled, shot, test, until, visit, type Page } from "./harness";

async function search(page: Page, text: string): Promise<string[]> {
  await page.keyboard.press("/");
  await page.keyboard.type(text);
  await page.keyboard.press("Enter");
  await until(`it searched for ${text}`, async () => (await page.locator("h1").textContent()) === `Search: ${text}`);
  await settled(page);
  return page.locator(".search-results li").evaluateAll((all) => all.map((li) => `${li.querySelector(".search-kind")!.textContent} ${li.querySelector("a")!.getAttribute("href")}`));
}

describe("search", () => {
  test("takes a name, an AS number, a prefix, an address and a family", async () => {
    const page = await visit("/");
    await page.locator("article").first().waitFor();
    for (const [text, first, also] of [
      ["mccolo", "hoster /hosters/mccolo", ""],
      ["AS26780", "hoster /hosters/mccolo", "AS /asns/26780"],
      ["6939", "upstream /upstreams/6939", "AS /asns/6939"],
      ["208.66.192.0/22", "prefix /prefixes/208.66.192.0/22", "hoster /hosters/mccolo"],
      ["208.66.195.15", "address /prefixes/208.66.195.15", "hoster /hosters/mccolo"],
      ["ozdok", "C&C family /families/Mega-D", ""],
    ] as const) {
      const all = await search(page, text);
      expect(all[0], text).toBe(first);
      if (also) expect(all, text).toContain(also);
      await page.locator("h1").click(); // out of the list
    }
    await page.goBack(); // what was looked for before is one step back
    await until("the search before is there", async () => (await page.locator("h1").textContent()) === "Search: 208.66.195.15");
  });

  test("is walked through with keys: Enter opens the best", async () => {
    const page = await visit("/");
    await page.locator("article").first().waitFor();
    await search(page, "AS26780");
    await until("the first has the focus", () => page.evaluate(() => document.activeElement?.getAttribute("href") === "/hosters/mccolo"));
    await page.keyboard.press("ArrowDown");
    expect(await page.evaluate(() => document.activeElement?.getAttribute("href"))).toBe("/asns/26780");
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Enter");
    await until("the hoster is open", () => new URL(page.url()).pathname === "/hosters/mccolo");
  });

  test("has a URL, and says what it understood", async () => {
    const page = await visit("/search?q=208.66.195.15");
    await page.getByText("understood as an address: 208.66.195.15").waitFor();
    expect(await page.title()).toBe("Search: 208.66.195.15 – depeer");
    expect(await page.getByRole("searchbox", { name: /^Search/ }).inputValue()).toBe("208.66.195.15");
    await axe(page);
    await shot(page, "search");
  });

  test("says what can be asked where nothing is found", async () => {
    const page = await visit("/search?q=quite+unknown", { phone: true });
    await page.getByText("Nothing was found").waitFor();
    await axe(page);
    await noSideways(page);
    await page.getByRole("link", { name: "Ozdok" }).click();
    await page.locator(".search-results").getByRole("link", { name: "Mega-D" }).waitFor();
  });

  test("shows hostile words as words", async () => {
    const page = await visit(`/search?q=${encodeURIComponent('<img src=x onerror="alert(1)">%00../..')}`);
    await page.getByText("Nothing was found").waitFor();
    expect(await page.locator("main img").count()).toBe(0);
  });

  test("without a word it says what can be asked", async () => {
    const page = await visit("/search");
    await page.getByRole("link", { name: "208.66.192.0/22" }).waitFor();
    await axe(page);
  });
});

// What is around every page.
import { demo, describe, expect, faults, mayFail, noJumps, settled, shot, test, until, visit, type Page } from "./harness";

const heading = (page: Page) => page.getByRole("heading", { level: 1 }).first().innerText();
const place = (page: Page) => new URL(page.url()).pathname + new URL(page.url()).search;
const focused = (page: Page) => page.evaluate(() => document.activeElement?.id || document.activeElement?.getAttribute("name") || document.activeElement?.textContent?.trim() || "");

describe("the shell", () => {
  test("searches from the keyboard", async () => {
    const page = await visit("/");
    await settled(page);
    await page.keyboard.press("/");
    expect(await focused(page)).toBe("q");
    await page.keyboard.type("208.66.192.0/22");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/search?q=208.66.192.0%2F22");
    await settled(page);
    // A slash within a field is a slash.
    await page.getByRole("searchbox").first().fill("");
    await page.keyboard.type("a/b");
    expect(await page.getByRole("searchbox").first().inputValue()).toBe("a/b");
  });

  test("an empty search leads nowhere", async () => {
    const page = await visit("/feeds");
    await settled(page);
    await page.keyboard.press("/");
    await page.keyboard.press("Enter");
    expect(place(page)).toBe("/feeds");
  });

  test("a link to a search fills the field", async () => {
    const page = await visit("/search?q=srizbi");
    await settled(page);
    expect(await page.getByRole("search").getByRole("searchbox").inputValue()).toBe("srizbi");
  });

  test("colours are chosen, and stay", async () => {
    const page = await visit("/");
    await settled(page);
    const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const button = page.getByRole("button", { name: /^Colours: / });
    const light = await ground();
    expect(await button.getAttribute("aria-label")).toMatch(/^Colours: system/);
    await button.focus();
    await page.keyboard.press("Enter");
    await until("it is dark", async () => (await ground()) !== light);
    const dark = await ground();
    await page.reload();
    await settled(page);
    expect(await ground()).toBe(dark);
    expect(await button.getAttribute("aria-label")).toMatch(/^Colours: dark/);
    await button.click(); // light, also where the system is dark
    await page.emulateMedia({ colorScheme: "dark" });
    await until("it is light", async () => (await ground()) === light);
    await button.click(); // as the system has it
    await until("it is dark again", async () => (await ground()) === dark);
    await page.reload();
    await settled(page);
    expect(await page.evaluate(() => localStorage.getItem("theme"))).toBeNull();
  });

  test("the clock is the server's, in UTC, with local time on hover", async () => {
    const page = await visit("/");
    await settled(page);
    const clock = page.locator("time.clock");
    await until("it tells a time", async () => (await clock.innerText()) !== "");
    expect(await clock.innerText()).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\dZ$/);
    expect(await clock.getAttribute("title")).toMatch(/E[SD]T|GMT-[45]/);
    const status = (await (await fetch(`${demo}/api/v1/status`)).json()) as { now: string };
    const shown = Date.parse((await clock.getAttribute("datetime"))!);
    expect(Math.abs(shown - Date.parse(status.now))).toBeLessThan(10 * 60_000);
  });

  test("the keyboard leads through the pages", async () => {
    const page = await visit("/");
    await settled(page);
    await page.keyboard.press("Tab");
    expect(await focused(page)).toBe("To the content");
    await page.keyboard.press("Enter");
    await until("the content has the focus", async () => (await focused(page)) === "main");
    // From the top again: the navigation comes in the order that is seen.
    await page.locator(".skip").focus();
    const names: string[] = [];
    for (let i = 0; i < 7; i++) {
      await page.keyboard.press("Tab");
      names.push(await focused(page));
    }
    expect(names).toEqual(["depeer", "Board", "Incidents", "C&C", "Explain", "Subscriptions", "Our eyes"]);
    await page.keyboard.press("Enter");
    await page.waitForURL("**/feeds");
    await until("the new page has the focus", async () => (await focused(page)) === "main");
    expect(await page.locator("nav [aria-current=page]").innerText()).toBe("Our eyes");
  });

  test("Back and Forward lead through what was looked at", async () => {
    const page = await visit("/");
    await settled(page);
    const first = await heading(page);
    for (const name of ["Incidents", "C&C", "Explain"]) {
      await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name, exact: true }).click();
      await settled(page);
    }
    expect(place(page)).toBe("/explain");
    const last = await heading(page);
    await page.goBack();
    await page.goBack();
    await settled(page);
    expect(place(page)).toBe("/incidents");
    await page.goBack();
    await until("the board is back", async () => (await heading(page)) === first);
    await page.goForward();
    await page.goForward();
    await page.goForward();
    await until("the last page is back", async () => (await heading(page)) === last);
  });

  test("says whether depeer sees, and leads to what it sees with", async () => {
    const page = await visit("/");
    await settled(page);
    const eyes = page.locator("a.eyes");
    await until("it says so", async () => !(await eyes.innerText()).includes("…"));
    expect(await eyes.innerText()).toMatch(/peers?$|Not all is seen/);
    await eyes.click();
    await page.waitForURL("**/feeds");
    await settled(page);
  });

  test("there is no such page", async () => {
    const page = await visit("/nothing-here", { faults: [/nothing-here: 404/] });
    await page.getByRole("heading", { name: "There is no such page" }).waitFor();
    expect(await page.title()).toBe("There is no such page – depeer");
    await noJumps(page);
    await page.getByRole("link", { name: "To the board" }).click();
    await settled(page);
    expect(place(page)).toBe("/");
  });

  test("what the server answers by itself is no page", async () => {
    const page = await visit("/");
    await settled(page);
    await page.evaluate(() => {
      const a = document.createElement("a");
      a.href = "/openapi.json";
      a.textContent = "the API";
      document.getElementById("main")?.append(a);
    });
    await page.getByRole("link", { name: "the API" }).click();
    await page.waitForURL("**/openapi.json");
    await until("it is the document", async () => (await page.locator("body").innerText()).includes('"openapi"'));
    mayFail(page, /favicon\.ico: 404/);
  });

  test("is used on a phone", async () => {
    const page = await visit("/", { phone: true });
    await settled(page);
    await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Our eyes" }).tap();
    await page.waitForURL("**/feeds");
    await settled(page);
    await shot(page, "shell-phone");
    expect(faults(page)).toEqual([]);
  });
});

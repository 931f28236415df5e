// A prefix, an address and an AS: the routes at a moment, and what is different at another.
import { axe, describe, expect, noSideways, settled, shot, test, until, visit, type Page } from "./harness";

const place = (page: Page) => new URL(page.url());
const moment = (page: Page) => page.getByLabel("Moment, UTC");
const said = (page: Page) => page.locator(".prefix-said").innerText();

/** The picture of the paths is drawn, and says this. */
async function graph(page: Page): Promise<string> {
  await page.locator(".paths .chart[data-drawn]").waitFor();
  return (await page.locator(".paths .chart").getAttribute("aria-label")) ?? "";
}

describe("a prefix", () => {
  test("shows the routes of a moment that is typed, and goes from change to change by keyboard", async () => {
    const page = await visit("/prefixes/208.66.192.0/22");
    await settled(page);
    expect(await page.title()).toBe("208.66.192.0/22 – depeer");
    await moment(page).focus();
    await page.keyboard.type("2008-11-11 20:30");
    await page.keyboard.press("Enter");
    await page.waitForURL("**at=2008-11-11T20:30:00Z*");
    await settled(page);
    expect(await said(page)).toBe("2008-11-11 20:30Z: 40 of 40 peers that were heard held it, by AS6939 (23), AS3549 (15) and AS226 (2).");
    expect(await graph(page)).toBe("Paths of 208.66.192.0/22: heard by AS226 (2 peers), AS3549 (15 peers) and AS6939 (23 peers).");

    // The next change is the first peer that turns away from AS6939.
    const next = page.getByRole("button", { name: "Next change" }).first();
    await next.focus();
    await page.keyboard.press("Enter");
    await page.waitForURL((u) => u.searchParams.get("at") !== "2008-11-11T20:30:00Z");
    await settled(page);
    const first = place(page).searchParams.get("at")!;
    expect(Date.parse(first)).toBeGreaterThanOrEqual(Date.parse("2008-11-11T21:00:00Z"));
    expect(Date.parse(first)).toBeLessThan(Date.parse("2008-11-11T21:02:00Z"));
    expect(await said(page)).toContain("AS6939 (2");
    // Whoever steps by keyboard stays on the step.
    expect(await page.evaluate(() => document.activeElement?.textContent)).toContain("Next change");
    await page.keyboard.press("Enter");
    await page.waitForURL((u) => u.searchParams.get("at") !== first);
    await settled(page);
    await page.getByRole("button", { name: "Previous change" }).first().press("Enter");
    await page.waitForURL((u) => u.searchParams.get("at") === first);
    await settled(page);

    // Back goes the way back.
    await page.goBack();
    await page.goBack();
    await page.waitForURL((u) => u.searchParams.get("at") === first);
  });

  test("says what is no time, and changes nothing", async () => {
    const page = await visit("/prefixes/208.66.192.0/22?at=2008-11-11T21:10:00Z");
    await settled(page);
    await moment(page).fill("11.11.2008");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("This is no time").waitFor();
    expect(await moment(page).getAttribute("aria-invalid")).toBe("true");
    expect(place(page).searchParams.get("at")).toBe("2008-11-11T21:10:00Z");
  });

  test("compares two moments: what went, what came, by which path", async () => {
    const page = await visit("/prefixes/208.66.192.0/22");
    await settled(page);
    await page.getByLabel("Loss of").selectOption({ label: "2008-11-11 21:00:47Z" });
    await page.waitForURL("**and=2008-11-11T20:55:47Z*");
    await settled(page);
    const text = await page.locator("#different").innerText();
    expect(text).toContain("Went: 38 routes");
    expect(text).toContain("by AS6939");
    expect(text).toContain("by AS3549");
    expect(text).toContain("2 routes are the same at both");
    expect(await graph(page)).toMatch(/it went from .*AS3549 \(15 → 0 peers\) and AS6939 \(23 → 0 peers\)\..*it stays: AS226 \(2 peers\)/);
    await shot(page, "prefix-before-and-after");

    // The view can be sent to somebody.
    const other = await visit(page.url());
    await settled(other);
    expect(await other.locator("#different").innerText()).toBe(text);

    // Each peer is there where it is wanted.
    const group = page.locator("#different details").first();
    await group.locator("summary").click();
    const rows = group.locator("tbody tr");
    expect(await rows.count()).toBe(23);
    expect(await rows.first().innerText()).toMatch(/rrc00|route-views2/);
    expect(await rows.first().locator(".hop-marked").allInnerTexts()).toEqual(["6939", "26780"]);
  });

  test("knows what came: the half day behind AS1299", async () => {
    const page = await visit("/prefixes/208.66.192.0/22?and=2008-11-14T00:00:00Z&at=2008-11-15T13:00:00Z");
    await settled(page);
    expect(await page.locator("#different").innerText()).toContain("Came: 40 routes");
    expect(await graph(page)).toContain("it came: AS1299 (0 → 40 peers)");
    // The same from the other side.
    const back = await visit("/prefixes/208.66.192.0/22?at=2008-11-14T00:00:00Z&and=2008-11-15T13:00:00Z");
    await settled(back);
    expect(await graph(back)).toContain("it came: AS1299 (0 → 40 peers)");
  });

  test("filters peers, and keeps that in the URL", async () => {
    const page = await visit("/prefixes/208.66.192.0/22?at=2008-11-11T20:30:00Z&and=none");
    await settled(page);
    await page.getByLabel("Show only").fill("AS226");
    await page.getByText("2 of 40 routes").waitFor();
    expect(await page.locator("#routes tbody tr").count()).toBe(2);
    await page.keyboard.press("Enter");
    await page.waitForURL("**peer=AS226*");
    await page.getByLabel("Show only").fill("nothing of this");
    await page.getByText("No route has this in it").waitFor();
  });

  test("leads from a box of the graph to the AS", async () => {
    const page = await visit("/prefixes/208.66.192.0/22?at=2008-11-11T20:30:00Z&and=none");
    await settled(page);
    await graph(page);
    const canvas = page.locator(".paths canvas").first();
    await canvas.scrollIntoViewIfNeeded();
    const box = (await canvas.boundingBox())!;
    // The hoster stands in the middle of the height, on the right: it is looked for from there to the left.
    await until("a click on a box leads to its AS", async () => {
      for (let x = box.width - 8; x > box.width / 2; x -= 24) {
        await page.mouse.click(box.x + x, box.y + box.height / 2);
        if (place(page).pathname.startsWith("/asns/")) return true;
      }
      return false;
    });
    expect(place(page).pathname).toBe("/asns/26780");
  });

  test("has the graph as a table too", async () => {
    const page = await visit("/prefixes/208.66.192.0/22?at=2008-11-11T21:10:00Z&and=2008-11-11T20:55:47Z");
    await settled(page);
    await page.getByText("The graph as a table").click();
    const line = page.locator(".paths tbody tr", { hasText: "AS6939" }).filter({ hasText: "AS26780" });
    expect((await line.innerText()).split(/\s+/).filter(Boolean)).toEqual(["AS6939", "AS26780", "23", "0", "0", "went"]);
    await axe(page, "#paths");
  });

  test("goes to the moments around an event", async () => {
    const page = await visit("/prefixes/208.66.192.0/22");
    await settled(page);
    await page.getByRole("button", { name: "Routes before and after: upstream gained: AS1299" }).click();
    await page.waitForURL("**at=2008-11-15T12:01:14Z*");
    expect(place(page).searchParams.get("and")).toBe("2008-11-15T11:55:14Z");
  });

  test("an address stands for its longest prefix, and says so", async () => {
    const page = await visit("/prefixes/208.66.195.71?at=2008-11-11T21:00:00Z&and=none", { phone: true });
    await settled(page);
    expect(await page.locator("h1").innerText()).toBe("208.66.195.71");
    expect(await page.locator(".prefix-facts").innerText()).toContain("The longest prefix that is known of it: 208.66.192.0/22");
    expect(await said(page)).toContain("40 of 40 peers");
    await noSideways(page);
  });

  test("of what is not known it says why", async () => {
    const page = await visit("/prefixes/192.0.2.0/25");
    await settled(page);
    const text = await page.locator("#main").innerText();
    expect(text).toContain("Nothing is remembered of 192.0.2.0/25");
    expect(text).toContain("hosters: prefixes");
    await axe(page);
  });

  test("what is no prefix is refused in words", async () => {
    const page = await visit("/prefixes/nonsense", { faults: [/: 400$/] });
    await page.getByRole("alert").getByText("is no prefix").waitFor();
  });
});

describe("an AS", () => {
  test("says what it originates, and shows its routes", async () => {
    const page = await visit("/asns/26780?at=2008-11-11T20:30:00Z&and=none");
    await settled(page);
    expect(await page.title()).toBe("AS26780 McColo Corp. – depeer");
    expect(await page.locator("#originates tbody tr").count()).toBe(2);
    expect(await graph(page)).toContain("AS6939 (2");
    expect(await page.locator("#families").innerText()).toContain("Srizbi");
  });

  test("of which nothing is remembered says what is watched, and why", async () => {
    const page = await visit("/asns/64999", { dark: true });
    await settled(page);
    const text = await page.locator("#main").innerText();
    expect(text).toContain("Nothing is remembered of AS64999: the memory follows the prefixes of the hosters that are watched");
    expect(text).toContain("at most 256");
    await axe(page);
  });
});

// The page of a hoster, above all its timeline.
import { axe, demo, describe, expect, mayFail, noJumps, noSideways, ownDemo, run, settled, shot, test, until, visit, type Page } from "./harness";

const search = (page: Page) => new URL(page.url()).searchParams;
const period = (page: Page) => page.locator(".timeline-period").innerText();
const body = (page: Page) => page.locator(".timeline-body");
const tip = (page: Page) => page.locator(".timeline-tip");

/** A place on the drawing, as a part of its width. */
async function at(page: Page, part: number, y = 80): Promise<[number, number]> {
  await page.locator(".timeline-plot").scrollIntoViewIfNeeded();
  const box = (await page.locator(".timeline-plot").boundingBox())!;
  return [box.x + box.width * part, box.y + y];
}

async function drawn(page: Page): Promise<void> {
  await page.locator(".timeline-plot [data-drawn]").waitFor();
  await settled(page);
}

/** How long the period of the URL is, in seconds; undefined: all is shown. */
function shown(page: Page): number | undefined {
  const q = search(page);
  return q.has("from") ? (Date.parse(q.get("to")!) - Date.parse(q.get("from")!)) / 1000 : undefined;
}

const evening = "?from=2008-11-11T20:00:00Z&to=2008-11-11T22:00:00Z";

describe("the page of a hoster", () => {
  test("tells how it stands, who carried it, what happened and where its families went", async () => {
    const page = await visit("/hosters/mccolo");
    await drawn(page);
    expect(await page.title()).toBe("McColo Corp. – depeer");
    expect(await page.getByRole("heading", { level: 1 }).innerText()).toBe("McColo Corp.");
    expect(await page.locator(".hoster-stands").innerText()).toBe("Dark: of 40 peers that could see it, none holds a route to its 2 prefixes.");
    expect(await page.locator(".hoster-still").innerText()).toMatch(/^No longer routed, as far as is heard, \d+ days after its first C&C server was seen\.$/);
    const names = await page.locator(".timeline-name a").allInnerTexts();
    for (const n of ["AS1299", "AS3549", "AS6939", "AS226", "AS26780", "208.66.192.0/22", "Rustock"]) expect(names).toContain(n);
    expect(await page.locator(".timeline-name a", { hasText: "AS6939" }).getAttribute("href")).toBe("/upstreams/6939");
    const lost = page.getByRole("region", { name: "Upstreams" }).getByRole("row").filter({ hasText: "AS6939" });
    expect(await lost.innerText()).toMatch(/0 %[^]*usually 6\d %[^]*lost[^]*2008-11-11 21:00/);
    expect(await page.getByText("AS6939 and AS3549 dropped it within", { exact: false }).first().isVisible()).toBe(true);
    const rustock = page.getByRole("region", { name: "C&C families" }).getByRole("row").filter({ hasText: "Rustock" });
    expect(await rustock.innerText()).toMatch(/moved[^]*AS\d+/);
    await noJumps(page);
    await noSideways(page);
    await shot(page, "hoster", true);
  });

  test("has no serious fault of access, in words and in both colours", async () => {
    const page = await visit(`/hosters/mccolo${evening}&at=2008-11-11T21:30:50Z`);
    await drawn(page);
    await page.getByText(/^In words: /).click();
    await page.getByText("Take away").click();
    await axe(page);
  });

  test("the drawing is told in words, of what is shown", async () => {
    const page = await visit(`/hosters/mccolo${evening}`);
    await drawn(page);
    expect(await page.locator(".timeline-plot [role=img]").getAttribute("aria-label")).toMatch(/^Timeline of McColo Corp\. from 2008-11-11 20:00Z to 2008-11-11 22:00Z: 4 upstreams, 6 events\./);
    await page.getByText("In words: 6 events and 6 lanes").click();
    const steps = await page.locator(".timeline-story li").allInnerTexts();
    expect(steps).toHaveLength(6);
    expect(steps[1]).toMatch(/^2008-11-11 21:00:\d\dZ\s+▼\s+critical:\s+upstream lost: AS6939, \d\d % → \d %, seen by 40 peers$/);
    const lane = page.getByRole("region", { name: "Lanes" }).getByRole("row").filter({ hasText: "through AS6939" });
    expect(await lane.innerText()).toMatch(/6\d % of 80[^]*0 % of 80/);
  });
});

describe("the timeline", () => {
  test("zooms by keys, and Back restores", async () => {
    const page = await visit("/hosters/mccolo");
    await drawn(page);
    const all = await period(page);
    await body(page).focus();
    await page.keyboard.press("+");
    await until("it is closer", () => shown(page) !== undefined);
    const half = shown(page)!;
    expect(await period(page)).not.toBe(all);
    await page.keyboard.press("d");
    await until("it is a day", () => shown(page) === 86_400);
    const [from, to] = [search(page).get("from")!, search(page).get("to")!];
    await page.keyboard.press("ArrowRight");
    await until("it is later", () => search(page).get("from") !== from);
    expect(shown(page)).toBe(86_400);
    expect(Date.parse(search(page).get("from")!)).toBe(Date.parse(to) - 18 * 3_600_000);
    await page.goBack();
    await until("it is back", () => search(page).get("from") === from);
    await page.goBack();
    await until("it is back again", () => shown(page) === half);
    await page.goBack();
    await until("all is shown", async () => shown(page) === undefined && (await period(page)) === all);
    await page.goForward();
    await until("it is closer again", () => shown(page) === half);
    await body(page).focus();
    await page.keyboard.press("0");
    await until("all is shown", async () => shown(page) === undefined && (await period(page)) === all);
  });

  test("zooms by the wheel around the pointer; without Ctrl or focus the page scrolls", async () => {
    const page = await visit(`/hosters/mccolo${evening}`);
    await drawn(page);
    const before = page.url();
    await page.keyboard.down("Control");
    await page.mouse.move(...(await at(page, 0.5)));
    await page.mouse.wheel(0, -240);
    await page.keyboard.up("Control");
    await until("it is closer", () => shown(page)! < 7200);
    const q = search(page);
    const middle = (Date.parse(q.get("from")!) + Date.parse(q.get("to")!)) / 2;
    expect(Math.abs(middle - Date.parse("2008-11-11T21:00:00Z"))).toBeLessThan(60_000);
    await page.goBack();
    await until("it is back", () => page.url() === before && shown(page) === 7200);
    await until("and so is the drawing", async () => /\(2 h\)$/.test(await period(page)));
    await page.mouse.move(...(await at(page, 0.5)));
    await page.mouse.wheel(0, 120);
    await until("the page scrolls", () => page.evaluate(() => scrollY > 0));
    expect(page.url()).toBe(before);
  });

  test("zooms to what is marked by dragging, and by buttons", async () => {
    const page = await visit(`/hosters/mccolo${evening}`);
    await drawn(page);
    await page.mouse.move(...(await at(page, 0.25)));
    await page.mouse.down();
    await page.mouse.move(...(await at(page, 0.4)));
    await page.locator(".timeline-brush").waitFor();
    await page.mouse.move(...(await at(page, 0.75)));
    await page.mouse.up();
    await until("it is the half that was marked", () => Math.abs((shown(page) ?? 0) - 3600) < 30);
    expect(Math.abs(Date.parse(search(page).get("from")!) - Date.parse("2008-11-11T20:30:00Z"))).toBeLessThan(30_000);
    expect(search(page).has("at")).toBe(false); // to drag is not to choose a moment
    await page.getByRole("button", { name: "Farther" }).click();
    await until("it is twice as long", () => Math.abs((shown(page) ?? 0) - 7200) < 60);
    await page.getByRole("button", { name: "hour", exact: true }).click();
    await until("it is an hour", () => shown(page) === 3600);
    await page.getByRole("button", { name: "Later" }).click();
    await until("it is later", () => Date.parse(search(page).get("from")!) >= Date.parse("2008-11-11T20:59:00Z"));
    await page.getByRole("button", { name: "all", exact: true }).click();
    await until("all is shown", () => shown(page) === undefined);
  });

  test("says of a moment what all lanes say", async () => {
    const page = await visit(`/hosters/mccolo${evening}`);
    await drawn(page);
    await page.mouse.move(...(await at(page, 0.25))); // 20:30
    await tip(page).waitFor();
    expect(await tip(page).innerText()).toMatch(/2008-11-11 20:30[^]*Held by[^]*IPv4 100 %[^]*AS6939 \d\d %[^]*AS3549 \d\d %[^]*AS226 5 %/);
    await page.mouse.move(...(await at(page, 0.625))); // 21:15
    await until("Hurricane Electric is gone", async () => !/AS6939 \d/.test(await tip(page).innerText()));
    expect(await tip(page).innerText()).toMatch(/AS3549 9\d % of 80/);
    await page.mouse.move(...(await at(page, 0.9))); // 21:48
    await until("two peers are left", async () => /IPv4 5 %[^]*Through[^]*AS226 5 %/.test(await tip(page).innerText()));
    await page.mouse.move(2, 2);
    await tip(page).waitFor({ state: "detached" });
  });

  test("a moment that is chosen shows its routes, and leads to the prefix at that moment", async () => {
    const page = await visit(`/hosters/mccolo${evening}`);
    await drawn(page);
    await page.mouse.click(...(await at(page, 0.25)));
    await until("it is in the URL", () => search(page).has("at"));
    expect(Math.abs(Date.parse(search(page).get("at")!) - Date.parse("2008-11-11T20:30:00Z"))).toBeLessThan(60_000);
    const routes = page.getByRole("region", { name: "Routes at the moment" });
    await routes.getByRole("row").nth(1).waitFor();
    expect(await routes.innerText()).toMatch(/208\.66\.192\.0\/22[^]*40 peers[^]*AS6939 \(\d+ peers\), AS3549 \(\d+ peers\)[^]*AS26780/);
    // To the event before it, by keyboard: at 20:00 another upstream came.
    await body(page).focus();
    await page.keyboard.press("Shift+ArrowRight");
    await until("it is the next event", () => /^2008-11-11T21:00:\d\dZ$/.test(search(page).get("at")!));
    await page.getByRole("button", { name: "next change ▶" }).click();
    await until("it is a change later", () => Date.parse(search(page).get("at")!) > Date.parse("2008-11-11T21:00:40Z"));
    await drawn(page);
    const link = routes.getByRole("link", { name: "208.66.192.0/22" });
    expect(await link.getAttribute("href")).toBe(`/prefixes/208.66.192.0/22?at=${search(page).get("at")!}`);
    await body(page).focus();
    await page.keyboard.press("Escape");
    await until("it is forgotten", () => !search(page).has("at"));
    expect(shown(page)).toBe(7200);
  });

  test("a link shows what its sender saw; one that makes no sense shows all", async () => {
    const page = await visit("/hosters/mccolo?from=2008-11-15T00:00:00Z&to=2008-11-16T00:10:00Z&at=2008-11-15T13:00:00Z", { dark: true });
    await drawn(page);
    expect(await period(page)).toBe("2008-11-15 00:00Z – 2008-11-16 00:10Z (24 h)");
    expect(await page.locator(".timeline-at").innerText()).toBe("2008-11-15 13:00Z");
    expect(await page.getByRole("region", { name: "Routes at the moment" }).innerText()).toMatch(/40 peers[^]*AS1299 \(40 peers\)/);
    await shot(page, "hoster back for twelve hours, dark");
    const other = await visit("/hosters/mccolo?from=never&to=2008-11-15&at=sometime");
    await drawn(other);
    expect(await other.locator(".timeline-at").count()).toBe(0);
    const upside = await visit("/hosters/mccolo?from=2008-11-16T00:00:00Z&to=2008-11-15T00:00:00Z");
    await drawn(upside);
    expect(await period(upside)).toMatch(/^2008-11-11 18:00Z – /);
  });

  test("signs lead to the incident, or closer where there are several", async () => {
    const page = await visit("/hosters/mccolo");
    await drawn(page);
    await page.locator(".timeline-marks button").first().click();
    await until("it is closer", () => shown(page) !== undefined);
    await page.goto(`${demo}/hosters/mccolo${evening}`);
    await drawn(page);
    const sign = page.locator(".timeline-marks a").filter({ hasText: "▼" }).first();
    expect(await sign.getAttribute("title")).toMatch(/^2008-11-11 21:00:\d\dZ upstream lost: AS6939/);
    await sign.click();
    await page.waitForURL("**/incidents/*");
  });

  test("takes the colours of the page with it", async () => {
    const page = await visit("/hosters/mccolo");
    await drawn(page);
    // What is at a place of the lane of visibility, while it was all there.
    const colour = () => page.evaluate(() => {
      const c = document.querySelector<HTMLCanvasElement>(".timeline-plot canvas")!;
      const name = [...document.querySelectorAll<HTMLElement>(".timeline-name")].find((n) => n.textContent!.startsWith("Visibility"))!;
      const scale = c.height / c.clientHeight;
      return [...c.getContext("2d")!.getImageData(1 * scale, (name.offsetTop + name.offsetHeight / 2) * scale, 1, 1).data].join();
    });
    const light = await colour();
    await page.emulateMedia({ colorScheme: "dark" });
    await until("it is drawn anew", async () => (await colour()) !== light);
    await page.emulateMedia({ colorScheme: "light" });
    await until("it is as before", async () => (await colour()) === light);
  });

  test("fits a phone; a finger chooses a moment", async () => {
    const page = await visit(`/hosters/mccolo${evening}`, { phone: true });
    await drawn(page);
    await noSideways(page);
    await page.touchscreen.tap(...(await at(page, 0.25)));
    await until("it is in the URL", () => search(page).has("at"));
    await drawn(page);
    await noSideways(page);
    await shot(page, "hoster on a phone");
  });

  test("pictures and routes can be taken away", async () => {
    const page = await visit(`/hosters/mccolo${evening}`);
    await drawn(page);
    await page.getByText("Take away").click();
    const links = await page.locator(".hoster-exports a").evaluateAll((all) => all.map((a) => (a as HTMLAnchorElement).href));
    expect(links).toHaveLength(14);
    for (const link of links) {
      const r = await fetch(link);
      expect(`${link} ${r.status}`).toBe(`${link} 200`);
      await r.arrayBuffer();
    }
  });
});

describe("a hoster", () => {
  test("that nobody knows says where to look", async () => {
    const page = await visit("/hosters/nobody", { faults: [/nobody.*: 404$/] });
    await page.getByRole("heading", { name: "No hoster is called nobody" }).waitFor();
    expect(await page.getByRole("link", { name: "search", exact: true }).getAttribute("href")).toBe("/search?q=nobody");
  });

  test("of which nothing is remembered says what to do; without a memory, what to configure", async () => {
    const new_ = await run();
    const page = await visit(`${new_.url}/hosters/mccolo`, { faults: [/: 40[04]$/, /: 501$/] });
    await page.getByText("Nothing is remembered of it yet").waitFor();
    expect(await page.locator(".hoster-stands").innerText()).toMatch(/^Not known: no peer that is heard could see it\./);
    const off = await run({ timeline: { off: true } });
    const other = await visit(`${off.url}/hosters/mccolo`, { faults: [/: 501$/] });
    await other.getByText("no timeline is configured", { exact: false }).first().waitFor();
    await axe(other);
  });

  test("that something happens to is kept up, and what is looked at stays", async () => {
    const s = await ownDemo("--paused");
    const page = await visit(`${s.url}/hosters/mccolo?from=2008-11-11T20:00:00Z&to=2008-11-11T22:00:00Z`);
    mayFail(page, /: 404$/); // it begins with nothing
    await page.getByRole("heading", { level: 1, name: "McColo Corp." }).waitFor();
    const r = await fetch(`${s.url}/api/v1/playback`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ paused: false, to: "2008-11-11T21:45:00Z" }) });
    expect(r.status).toBe(200);
    await page.locator(".page-head .badge", { hasText: "dark" }).waitFor();
    await page.locator(".timeline-name a", { hasText: "AS3549" }).waitFor();
    await until("the loss is told", async () => (await page.locator(".timeline-marks").innerText().catch(() => "")).includes("▼"));
    expect(await period(page)).toBe("2008-11-11 20:00Z – 2008-11-11 22:00Z (2 h)");
    expect(shown(page)).toBe(7200);
  });
});

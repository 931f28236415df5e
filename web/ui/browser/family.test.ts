// Families, and where they went.
import { axe, demo, describe, expect, mayFail, noSideways, settled, shot, test, until, visit, type Page } from "./harness";

const open = (page: Page) => page.locator("details.move[open]");

describe("a family", () => {
  test("tells where it was, where it is, and its moves", async () => {
    const page = await visit("/families/costrat"); // by an alias
    await until("it has its name", async () => (await page.locator("h1").textContent()) === "Rustock");
    await settled(page);
    expect(await page.title()).toBe("Rustock – depeer");
    expect(await page.getByText("Also called").innerText()).toContain("Costrat");
    expect(await page.getByRole("region", { name: "At watched hosters" }).first().innerText()).toContain("moved to AS64501 and AS64502");
    expect(await page.locator("details.move").count()).toBe(2);
    const places = await page.getByRole("region", { name: "Where it was seen" }).first().innerText();
    for (const network of ["AS64501", "AS64502", "AS26780"]) expect(places).toContain(network);
    await page.getByRole("region", { name: "Last sightings" }).first().getByRole("link", { name: "198.51.100.7" }).first().waitFor();
    await axe(page);
    await noSideways(page);
    await shot(page, "family", true);
  });

  test("shows the evidence point by point, what speaks against it, and leads to the incident", async () => {
    const page = await visit("/families/Mega-D", { phone: true });
    await page.locator("details.move summary").first().click();
    await open(page).waitFor();
    const rows = await open(page).locator("tbody tr").evaluateAll((all) => all.map((tr) => Number(tr.querySelector("td")!.textContent)));
    const sum = rows.pop()!;
    expect(rows.length).toBeGreaterThan(3);
    expect(rows.reduce((a, b) => a + b, 0)).toBeCloseTo(sum, 2);
    const text = await open(page).innerText();
    expect(text).toContain("coincide");
    expect(text).not.toMatch(/because/i);
    expect(text).toContain("What speaks against it");
    expect(new URL(page.url()).searchParams.get("open")).toBe(await open(page).getAttribute("id"));
    await noSideways(page);
    await axe(page);
    await page.reload();
    await open(page).waitFor(); // it can be sent to a colleague
    await open(page).getByRole("link", { name: "the incident of McColo Corp." }).click();
    await until("the incident is open", () => new URL(page.url()).pathname.startsWith("/incidents/"));
  });

  test("that nobody has seen is said to be none", async () => {
    const page = await visit("/families/nonesuch", { faults: [/404/] });
    await page.getByText("nonesuch was not seen anywhere").waitFor();
  });
});

describe("all moves", () => {
  test("are drawn, and stand beside it as a list", async () => {
    const page = await visit("/migrations");
    await page.locator(".chart[data-drawn]").waitFor();
    expect(await page.getByRole("img", { name: /families, 5 moves to 5 networks/ }).count()).toBe(1);
    await page.getByText("The same as a list").click();
    const list = await page.locator(".flow-list li").allInnerTexts();
    expect(list).toHaveLength(6);
    expect(list.find((l) => l.startsWith("Cutwail"))).toContain("never paused");
    expect(list.find((l) => l.startsWith("Srizbi"))).toMatch(/moved, seen there 14 days later, stayed 13 h at most, to AS39823/);
    await axe(page);
    await noSideways(page);
    await shot(page, "migrations", true);
  });

  test("are filtered, and the filters are in the URL", async () => {
    const page = await visit("/migrations");
    const count = (n: number) => until(`${n} are listed`, async () => (await page.locator("details.move").count()) === n && (await page.locator("[aria-busy=true]").count()) === 0);
    await count(6);
    await page.getByRole("textbox", { name: "Family" }).fill("ozdok");
    await page.keyboard.press("Enter");
    await count(1);
    expect(new URL(page.url()).search).toBe("?family=ozdok");
    await page.goBack();
    await count(6);
    await page.getByLabel("Score, at least").fill("11");
    await page.keyboard.press("Tab");
    await count(2);
    await page.getByRole("button", { name: "Show all" }).click();
    await count(6);
    await page.getByRole("combobox", { name: "Hoster" }).selectOption("mccolo");
    await until("it is in the URL", () => new URL(page.url()).search === "?hoster=mccolo");
    await count(6);
    await page.goto(`${demo}/migrations?from=2008-11-26T00:00:00Z&to=2008-11-27T00:00:00Z`);
    await count(1);
    await page.goto(`${demo}/migrations?family=nonesuch`);
    await page.getByText("Nothing fits these filters.").waitFor();
  });

  test("can be had as files, as they are filtered", async () => {
    const page = await visit("/migrations?family=rustock");
    await settled(page);
    mayFail(page, /ERR_ABORTED/);
    const types: Record<string, RegExp> = { CSV: /^text\/csv/, JSON: /^application\/json/, NDJSON: /ndjson/, "STIX 2.1": /stix/, MISP: /json/ };
    for (const [name, type] of Object.entries(types)) {
      const href = await page.getByRole("link", { name, exact: true }).getAttribute("href");
      expect(href).toContain("family=rustock");
      const r = await fetch(demo + href!);
      expect(r.status, name).toBe(200);
      expect(r.headers.get("content-type"), name).toMatch(type);
      const text = await r.text();
      expect(text, name).toMatch(/Rustock/i);
      expect(text, name).not.toContain("Mega-D");
    }
  });

  test("on a phone", async () => {
    const page = await visit("/migrations", { phone: true, dark: true });
    await page.locator(".chart[data-drawn]").waitFor();
    await noSideways(page);
    await axe(page);
    await shot(page, "migrations phone", true);
  });
});

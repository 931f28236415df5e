// The lists of incidents and events.
import type { Event, Incident } from "../src/api/types";
import { axe, demo, describe, expect, noJumps, noSideways, settled, shot, test, until, visit, type Page } from "./harness";

/** Answers the list and the stream from here; what is in the arrays can be changed meanwhile. */
async function world(lists: { incidents: Incident[]; stream: string }, phone = false): Promise<Page> {
  const page = await visit(`${demo}/icon.svg`, { phone });
  await page.waitForLoadState();
  // Without the bar that plays the demo, which comes when it comes.
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
  await page.route(/\/api\/v1\/incidents\?/, (r) => {
    const q = new URL(r.request().url()).searchParams;
    const phases = (q.get("phase") ?? "").split(",");
    const from = Number(q.get("cursor") ?? 0);
    const all = lists.incidents.filter((i) => phases.includes(i.phase));
    const next = from + 50 < all.length ? { next: String(from + 50) } : {};
    return r.fulfill({ contentType: "application/json", body: JSON.stringify({ items: all.slice(from, from + 50), gaps: [], ...next }) });
  });
  await page.route(/\/api\/v1\/stream/, (r) => r.fulfill({ contentType: "text/event-stream", body: `retry: 500\n\nevent: hello\ndata: {"type":"hello"}\n\n${lists.stream}` }));
  return page;
}

function incident(n: number, more: Partial<Incident> = {}): Incident {
  const at = new Date(Date.UTC(2008, 10, 1) - n * 3_600_000).toISOString();
  return {
    type: "incident", id: `i${n}`, revision: 1, at, hoster: "mccolo", phase: "resolved", class: "depeered", severity: "warning", opened: at, confirmed: at, resolved: at, resolution: "recovered",
    lost: [64500 + n], remaining: [], gained: [], prefixes: [], events: [], summary: `Incident number ${n}`, ...more,
  };
}

describe("incidents", () => {
  test("are listed, and filtered by the URL", async () => {
    const page = await visit("/incidents");
    await page.getByText("Calm: no incident lasts.").waitFor();
    const titles = page.locator(".incidents-what");
    await until("both are there", async () => (await titles.count()) === 2);
    await page.getByLabel("Class").selectOption("blackout");
    await until("one is left", async () => (await titles.count()) === 1);
    expect(page.url()).toContain("class=blackout");
    await page.getByRole("textbox", { name: "Upstream" }).fill("AS1299");
    await page.getByRole("textbox", { name: "Upstream" }).press("Enter");
    await page.getByText("None that is over matches the filters above.").waitFor();
    await page.goBack();
    await until("the step before is back", async () => (await titles.count()) === 1 && !page.url().includes("upstream"));
    await page.getByRole("button", { name: "Show all" }).click();
    await until("both are back", async () => (await titles.count()) === 2 && !page.url().includes("class"));
    await page.reload();
    await until("and after a reload", async () => (await titles.count()) === 2);
    await axe(page);
    await noSideways(page);
    await shot(page, "incidents");
  });

  for (const phone of [false, true]) {
    test(`stay where they are${phone ? " on a phone" : ""}`, async () => {
      const page = await world({ incidents: Array.from({ length: 60 }, (_, i) => incident(i + 1, i < 3 ? { phase: "open", resolved: null, resolution: null } : {})), stream: "" }, phone);
      await page.goto(`${demo}/incidents`);
      await page.getByText("3 incidents").waitFor();
      await noJumps(page);
      await noSideways(page);
    });
  }

  test("fit a phone", async () => {
    const page = await visit("/incidents", { phone: true, dark: true });
    await page.getByText("Filters").click();
    await page.getByLabel("Phase").selectOption("resolved");
    await until("they match", async () => (await page.locator(".incidents-what").count()) === 2);
    await noSideways(page);
    await axe(page);
    await shot(page, "incidents phone dark", true);
  });

  test("what the API refuses is said in its words", async () => {
    const page = await visit("/incidents?from=yesterday", { faults: [/from=yesterday.*: 400/] });
    await page.getByText('"yesterday" is no time').first().waitFor();
  });

  test("come in parts, and new ones wait for a click", async () => {
    const lists = { incidents: Array.from({ length: 120 }, (_, i) => incident(i + 1)), stream: "" };
    const page = await world(lists);
    await page.goto(`${demo}/incidents`);
    const titles = page.locator(".incidents-what");
    await until("the first part is there", async () => (await titles.count()) === 50);
    await page.getByRole("button", { name: "More incidents" }).click();
    await until("and the second", async () => (await titles.count()) === 100);
    await page.getByRole("button", { name: "More incidents" }).click();
    await until("and the last", async () => (await titles.count()) === 120);
    expect(await page.getByRole("button", { name: "More incidents" }).count()).toBe(0);

    const fresh = [incident(0, { id: "n1", phase: "open", severity: "critical", resolved: null, resolution: null, summary: "Somebody is dark" }), incident(0, { id: "n2", phase: "open", resolved: null, resolution: null, summary: "Somebody else is dark" })];
    const changed = incident(3, { revision: 2, summary: "Incident number 3, seen better" });
    lists.incidents = [...fresh, changed, ...lists.incidents];
    lists.stream = [...fresh, changed].map((i) => `event: incident\ndata: ${JSON.stringify(i)}\n\n`).join("");
    const button = page.getByRole("button", { name: "2 new: show them" });
    await button.waitFor();
    expect(await page.getByText("Somebody is dark").count()).toBe(0); // nothing jumps
    await page.getByText("Incident number 3, seen better").waitFor(); // what is there is kept up
    await button.click();
    await page.getByText("Somebody is dark").waitFor();
    await button.waitFor({ state: "detached" });
    await page.getByText("2 incidents").waitFor();
    await settled(page);
    await shot(page, "incidents that last");
  });
});

describe("events", () => {
  test("are listed with their evidence, and lead to their incident", async () => {
    const page = await visit("/events?kind=upstream.lost");
    await page.getByText("AS6939 carries none of it").click();
    await page.getByRole("region", { name: "BGP messages behind it" }).waitFor();
    expect(page.url()).toContain("event=");
    await axe(page);
    await noSideways(page);
    await shot(page, "events");
    const { items } = (await (await fetch(`${demo}/api/v1/events?kind=upstream.lost&upstream=6939`)).json()) as { items: Event[] };
    await page.goto(`${demo}/incidents/${items[0]!.incident}?event=${items[0]!.id}`);
    await page.getByRole("region", { name: "BGP messages behind it" }).waitFor();
    await page.getByRole("link", { name: "Events like it" }).click();
    await page.getByText("one incident").waitFor();
    await until("those of the incident alone", async () => (await page.locator(".incidents-row").count()) === 2);
  });

  test("fit a phone with evidence open", async () => {
    const { items } = (await (await fetch(`${demo}/api/v1/events?kind=upstream.lost&upstream=6939`)).json()) as { items: Event[] };
    const page = await visit(`/events?kind=upstream.lost&event=${items[0]!.id}`, { phone: true });
    await page.getByRole("region", { name: "BGP messages behind it" }).waitFor();
    await noSideways(page);
    await shot(page, "events phone", true);
  });

  test("that nothing matches say so", async () => {
    const page = await visit("/events?hoster=nobody");
    await page.getByText("No event matches the filters above.").waitFor();
    await page.getByRole("button", { name: "Show all" }).click();
    await page.locator(".incidents-row").first().waitFor();
  });
});

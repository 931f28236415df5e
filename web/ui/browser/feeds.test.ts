// Our own eyes: feeds, peers, and when we were blind.
import type { Gap } from "../src/api/types";
import { axe, demo, describe, expect, noJumps, noSideways, run, settled, shot, test, until, visit } from "./harness";
import { feed, Paper, paperNow, status } from "./paper";

const ago = (hours: number) => new Date(paperNow - hours * 3_600_000).toISOString();

function gap(id: string, change: Partial<Gap> = {}): Gap {
  return { type: "gap", id, revision: 1, source: "ris", collector: "rrc00", reason: "session lost", cause: "hold timer expired", from: ago(5), to: ago(4), peers: 2, away: 0, listed: ["AS64501 192.0.2.1 at rrc00", "AS64502 192.0.2.2 at rrc00"], filled: null, ...change };
}

describe("our eyes", () => {
  test("are told in a sentence, feed by feed and peer by peer", async () => {
    const page = await visit("/feeds");
    await settled(page);
    expect(await page.getByRole("region", { name: "How our eyes are" }).innerText()).toMatch(/\d+ of \d+ peers count/);
    await axe(page);
    await noSideways(page);
    await shot(page, "feeds");
    // Hundreds of peers stay readable: closed by collector, until one looks for somebody.
    await page.getByPlaceholder("Address, AS, collector, cause").fill("rrc00");
    await page.waitForURL("**/feeds?peer=rrc00");
    const peers = page.getByRole("region", { name: "Peers of rrc00" });
    await peers.waitFor();
    expect(await peers.locator("tbody tr").count()).toBeGreaterThan(5);
    expect(await page.getByRole("region", { name: "Peers of route-views2" }).count()).toBe(0);
    await page.getByLabel("State").selectOption("not");
    await page.getByText("No peer is like that.").waitFor();
  });

  test("a neighbour that is away is told with what to do", async () => {
    const server = await run();
    const page = await visit(`${server.url}/feeds`);
    await until("it says why", async () => /neighbours? (is|are) not established|no neighbour/.test(await page.getByRole("region", { name: "1 feed" }).innerText().catch(() => "")));
    expect(await page.getByText("password the same").count()).toBe(1);
    expect(await page.getByRole("region", { name: "How our eyes are" }).innerText()).toContain("Not all that is configured is heard");
    await axe(page);
    await noJumps(page);
    await shot(page, "feeds-away");
  });

  test("holes: what is open first, the past as a strip and a list, and the period in the URL", async () => {
    const gaps = [gap("g3", { from: ago(1), to: null, away: 1 }), gap("g2"), gap("g1", { collector: "rrc21", from: ago(50), to: ago(49), filled: ago(40) })];
    const p = new Paper(demo, status([], { feeds: [feed({ collectors: ["rrc00", "rrc21"] })] }), { "/gaps": gaps, "/whoami": { name: "local", scope: "admin", via: "local" } });
    await p.start();
    const page = await visit(`${p.url}/feeds`);
    await settled(page);
    const blind = page.getByRole("region", { name: "When we were blind" });
    expect(await blind.getByRole("status").innerText()).toBe("3 holes at 2 collectors, 1 still open and 1 filled from the archives.");
    const open = blind.getByRole("region", { name: "Open holes" });
    expect(await open.innerText()).toContain("hold time");
    const over = blind.getByRole("region", { name: "Holes that are over" }).first();
    expect(await over.locator("tbody tr").count()).toBe(2);
    expect(await blind.getByRole("img").getAttribute("aria-label")).toContain("3 holes");
    await axe(page);
    await shot(page, "gaps");
    await blind.getByRole("button", { name: "Last 30 days" }).click();
    await page.waitForURL("**/feeds?days=30");
    await blind.getByRole("button", { name: "Closer" }).click();
    await page.waitForURL(/from=.*to=/);
    await settled(page);
    expect(p.asked.filter((a) => a.startsWith("/gaps")).at(-1)).toMatch(/from=.*&to=/);
    await page.goBack();
    await page.waitForURL("**/feeds?days=30");
    await settled(page);
    // One more comes while one looks.
    await until("it reads the stream", () => p.reading > 0);
    const fresh = gap("g4", { collector: "rrc21", from: ago(0.1), to: null, reason: "silent", cause: "" });
    gaps.unshift(fresh);
    p.tell("gap", fresh);
    await blind.getByText("The collector says nothing").waitFor();
    await p.stop();
  });

  test("fit a phone, in the dark", async () => {
    const page = await visit("/feeds", { phone: true, dark: true });
    await noSideways(page);
    await axe(page);
    await shot(page, "feeds-phone");
  });
});

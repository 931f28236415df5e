// What the pages say when something is not there, not yet, or no more.
import { beforeAll } from "vitest";
import { axe, demo, describe, expect, mayFail, noJumps, noSideways, run, settled, shot, test, until, visit, type Page, type Server } from "./harness";

const main = (page: Page) => page.locator("#main").innerText();
const away = [/ERR_CONNECTION_REFUSED/, /ERR_CONNECTION_RESET/, /ERR_EMPTY_RESPONSE/, /ERR_INCOMPLETE_CHUNKED_ENCODING/, /ERR_SOCKET_NOT_CONNECTED/];
const lost = "No connection to depeer.";

describe("while depeer is away", () => {
  test("old answers stay and say so, and all catches up by itself", async () => {
    const server = await run();
    const page = await visit(`${server.url}/incidents`);
    await settled(page);
    await page.getByRole("link", { name: "Board", exact: true }).click();
    await until("the hoster is on the board", async () => (await main(page)).includes("McColo"));

    mayFail(page, ...away);
    await server.stop();
    await page.getByText(lost).waitFor();
    expect(await main(page)).toContain("McColo");
    expect(await page.locator("a.eyes").innerText()).toContain("No connection");
    await noSideways(page);
    await shot(page, "lost");

    // Its code was fetched before: it opens, and what it has seen before stays.
    await page.getByRole("link", { name: "Incidents", exact: true }).click();
    await page.getByRole("heading", { level: 1 }).waitFor();
    // Its code was not, and cannot be.
    await page.getByRole("link", { name: "Explain", exact: true }).click();
    await page.getByRole("heading", { name: "This page could not be fetched" }).waitFor();
    await page.getByRole("link", { name: "Board", exact: true }).click();
    await until("the board is still there", async () => (await main(page)).includes("McColo"));

    server.configure({ hosters: [{ id: "mccolo", name: "McColo Corp.", asns: [26780] }, { id: "other", name: "Another Hoster", asns: [64496] }] });
    await server.start();
    await page.getByText(lost).waitFor({ state: "detached" });
    await until("what is new is on the board", async () => (await main(page)).includes("Another Hoster"));
  });

  test("what could not be asked is asked again when it is back", async () => {
    const server = await run();
    const page = await visit(`${server.url}/feeds`);
    await settled(page);
    mayFail(page, ...away);
    await server.stop();
    await page.getByText(lost).waitFor();
    await page.getByRole("searchbox").first().fill("mccolo");
    await page.keyboard.press("Enter"); // its code cannot be fetched
    await page.getByRole("heading", { name: "This page could not be fetched" }).waitFor();
    await axe(page);
    await server.start();
    await page.getByText(lost).waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Load again" }).click();
    await settled(page);
    expect(new URL(page.url()).searchParams.get("q")).toBe("mccolo");
    expect(await main(page)).toContain("McColo");
  });
});

describe("where a part is not set up", () => {
  let server: Server;
  beforeAll(async () => {
    server = await run({ timeline: { off: true } });
  });

  test.each([
    ["/hosters/mccolo", /timeline/],
    ["/prefixes/208.66.192.0/22", /timeline/],
    ["/asns/26780", /timeline/],
    ["/upstreams/6939", /timeline/],
    ["/incidents", /timeline/],
    ["/events", /timeline/],
    ["/subscriptions", /notify/],
  ])("%s says what to configure", async (path, key) => {
    const page = await visit(server.url + path, { faults: [/: 501$/] });
    await settled(page);
    expect(await main(page)).toMatch(/not set up|configur/i);
    expect(await main(page)).toMatch(key);
    await noSideways(page); // it may have jumped: what a part says that is missing is shorter than the part
    await axe(page);
    await shot(page, `absent ${path}`);
  });

  test.each(["/", "/migrations", "/explain", "/feeds", "/families/srizbi", "/search?q=mccolo"])("%s works without it", async (path) => {
    const page = await visit(server.url + path, { faults: [/: 501$/, /families\/srizbi: 404/] });
    await settled(page);
    expect((await main(page)).trim()).not.toBe("");
    await noSideways(page);
    await axe(page);
    await shot(page, `absent ${path}`);
  });
});

describe("what there is not", () => {
  test.each(["/hosters/nobody", "/incidents/nothing", "/prefixes/999.1.2.3", "/prefixes/208.66.192.0/99", "/asns/none", "/upstreams/none", "/upstreams/64999", "/families/none", "/explain?hoster=nobody", "/hosters/mccolo?from=yesterday"])(
    "%s",
    async (path) => {
      const page = await visit(path, { faults: [/: 40[04]$/] });
      await settled(page);
      const text = await main(page);
      expect(text).not.toMatch(/\b(undefined|NaN|null)\b|\[object |Invalid Date/);
      // It leads on: something can be done.
      expect(await page.locator("#main a, #main button, #main input").count()).toBeGreaterThan(0);
      await noSideways(page);
      await axe(page);
      await shot(page, `nothing ${path}`);
    },
  );
});

describe("strangers", () => {
  test("sign in, and come back to where they wanted to be", async () => {
    const server = await run({ web: { auth: { tokens: true } } });
    const token = /depeer_[\w-]+/.exec(await server.command("tokens", "create", "tester", "--scope", "viewer"))![0];
    const page = await visit(`${server.url}/hosters/mccolo?from=2008-11-11T00:00:00Z&to=2008-11-12T00:00:00Z`, { faults: [/: 401$/, /timeline.*: 404$/] });
    await page.waitForURL("**/sign-in?to=*");
    await settled(page);
    await axe(page);
    expect(await page.locator("body").innerText()).not.toContain("McColo");
    const field = page.getByLabel("Token", { exact: true });
    await field.fill(`${token.slice(0, -4)}abcd`);
    await page.keyboard.press("Enter");
    await page.getByText("This token is not known").waitFor();
    await field.fill(token);
    await page.keyboard.press("Enter");
    await until("they are where they wanted to be", () => new URL(page.url()).pathname === "/hosters/mccolo" && new URL(page.url()).searchParams.get("from") === "2008-11-11T00:00:00Z");
    await until("the answer is there", async () => (await main(page)).includes("McColo"));
    await until("the stream is heard", async () => !/No connection|…/.test(await page.locator("a.eyes").innerText()));
    await page.reload();
    await until("it stays signed in", async () => (await main(page)).includes("McColo"));
  });
});

describe("answers", () => {
  test("that are slow have their place kept", async () => {
    const page = await visit("/sign-in");
    await settled(page);
    let go = () => {};
    const held = new Promise<void>((free) => (go = free));
    await page.route(/\/api\/v1\/(hosters|prefixes|migrations|incidents)/, async (route) => {
      await held;
      await route.continue();
    });
    await page.goto(`${demo}/hosters/mccolo`, { waitUntil: "commit" });
    await page.locator("#main .skeleton").first().waitFor();
    await shot(page, "slow");
    expect(await page.locator("h1").count()).toBe(1); // what page it is, is said at once
    go();
    await settled(page);
    expect(await page.locator("#main .skeleton").count()).toBe(0);
    await noJumps(page);
  });

  test.each([500, 503, 429])("that fail (%i) can be asked for again", async (status) => {
    const page = await visit("/sign-in", { faults: [new RegExp(`: ${status}$`)] });
    await settled(page);
    await page.route(/\/api\/v1\/incidents/, (route) => route.fulfill({ status, contentType: "application/problem+json", body: JSON.stringify({ title: "Trouble", status, detail: "the disk is full of eels" }) }));
    await page.goto(`${demo}/incidents`);
    await page.getByText("the disk is full of eels").first().waitFor();
    await axe(page);
    await page.unroute(/\/api\/v1\/incidents/);
    // Each part of the page asks for itself.
    await until("all of it is there", async () => {
      const again = page.getByRole("button", { name: "Ask again" });
      if ((await again.count()) === 0) return true;
      await again.first().click({ timeout: 1000 }).catch(() => {}); // an answer took it away meanwhile
      return false;
    });
    await page.getByText("the disk is full of eels").first().waitFor({ state: "detached" });
    await settled(page);
    expect(await page.locator("#main").innerText()).toContain("McColo");
  });

  test("that nobody understands break one page, and not the others", async () => {
    const page = await visit("/sign-in", { faults: [/console: .*(TypeError|Error)/] });
    await settled(page);
    await page.route(/\/api\/v1\/migrations/, (route) => route.fulfill({ json: { items: 5 } }));
    await page.goto(`${demo}/migrations`);
    await page.getByRole("heading", { name: "This page broke" }).waitFor();
    await axe(page);
    await shot(page, "broken");
    await page.getByRole("link", { name: "Our eyes" }).click();
    await settled(page);
    expect(await page.getByRole("heading", { name: "This page broke" }).count()).toBe(0);
    await page.goBack();
    await page.getByRole("heading", { name: "This page broke" }).waitFor();
    await page.unroute(/\/api\/v1\/migrations/);
    await page.getByRole("button", { name: "Load again" }).click();
    await settled(page);
    expect(await page.getByRole("heading", { name: "This page broke" }).count()).toBe(0);
  });

  test("whose code was replaced by a newer one are loaded anew", async () => {
    const page = await visit("/", { faults: [/assets\/.*: 404$/] });
    await settled(page);
    await page.route(/\/assets\/feeds-.*\.js/, (route) => route.fulfill({ status: 404, body: "gone" }));
    await page.getByRole("link", { name: "Our eyes" }).click();
    await page.getByRole("heading", { name: "This page could not be fetched" }).waitFor();
    await page.unroute(/\/assets\/feeds-.*\.js/);
    await page.getByRole("button", { name: "Load again" }).click();
    await settled(page);
    expect(new URL(page.url()).pathname).toBe("/feeds");
    expect(await page.getByRole("heading", { name: "This page could not be fetched" }).count()).toBe(0);
  });
});

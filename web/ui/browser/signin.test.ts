// Signing in with a token that the CLI made.
import { afterAll, beforeAll } from "vitest";
import { asStranger, desk, signedIn, type Desk } from "./desk";
import { axe, demo, describe, expect, mayFail, noJumps, noSideways, settled, shot, test, until, visit } from "./harness";

describe("signing in", () => {
  let d: Desk;
  beforeAll(async () => {
    d = await desk();
  });
  afterAll(() => d?.end());

  test("leads a stranger to the door, and back to where they wanted to be", async () => {
    const page = await visit(`${d.server.url}/feeds?days=30`, { faults: asStranger });
    await page.waitForURL("**/sign-in?to=**");
    await page.getByRole("heading", { level: 1, name: "Sign in", exact: true }).waitFor();
    await axe(page);
    await noSideways(page);
    await noJumps(page);
    await shot(page, "sign-in");
    expect(await page.getByText("No connection").count()).toBe(0);
    // The browser brings the field to mind by itself.
    await page.getByRole("textbox", { name: "Token" }).fill(d.token("viewer"));
    await page.keyboard.press("Enter");
    await page.waitForURL("**/feeds?days=30");
    await settled(page);
    expect(await page.getByRole("heading", { level: 1 }).innerText()).toBe("Our own eyes");
    // The stream is open as well.
    await page.getByLabel("Signed in as the viewer, viewer").waitFor();
    const cookies = await page.context().cookies();
    expect(cookies.map((c) => [c.httpOnly, c.sameSite, c.path])).toEqual([[true, "Lax", "/"]]);
    expect(await page.evaluate(() => document.cookie)).toBe("");
  });

  test("says what to do about a wrong token, and counts it", async () => {
    const page = await visit(`${d.server.url}/sign-in`, { faults: [...asStranger, /login\/token: 401$/] });
    const field = page.getByRole("textbox", { name: "Token" });
    await field.fill("depeer_wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    const alert = page.getByRole("alert").filter({ hasText: "not known" });
    await alert.waitFor();
    expect(await alert.innerText()).toContain("depeer tokens create");
    expect(await field.evaluate((e) => e === document.activeElement)).toBe(true);
    await axe(page);
    await until("it is in the log", () => /what=login status=401/.test(d.server.log));
    expect(d.server.log).not.toContain("depeer_wrong");
    await field.fill(d.token("operator"));
    await page.keyboard.press("Enter");
    await page.waitForURL(`${d.server.url}/`);
  });

  test("leads nowhere but to a page of ours", async () => {
    const page = await visit(`${d.server.url}/sign-in?to=//evil.example/`, { faults: asStranger });
    await page.getByRole("textbox", { name: "Token" }).fill(d.token("viewer"));
    await page.keyboard.press("Enter");
    await page.waitForURL(`${d.server.url}/`);
  });

  test("says who one is, and signs out", async () => {
    const page = await signedIn(d, "operator", "/feeds");
    await page.getByLabel("Signed in as the operator, operator").click();
    await page.waitForURL("**/sign-in");
    await settled(page);
    const known = page.getByRole("region", { name: "the operator" });
    expect(await known.innerText()).toContain("an operator");
    await axe(page);
    await shot(page, "who-you-are");
    await known.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("textbox", { name: "Token" }).waitFor();
    await page.goto(`${d.server.url}/feeds`);
    await page.waitForURL("**/sign-in?to=**");
    expect(await page.getByText("127.0.1.1").count()).toBe(0);
  });

  test("a revoked token ends its sessions", async () => {
    const page = await signedIn(d, "admin", "/feeds");
    await settled(page);
    mayFail(page, /: 401$/);
    await d.server.command("tokens", "revoke", d.id("admin"));
    // The next thing that is asked for finds out.
    await page.getByRole("button", { name: "Last year" }).click();
    await page.waitForURL("**/sign-in?to=**");
    expect(new URL(page.url()).searchParams.get("to")).toBe("/feeds?days=365");
    await page.getByRole("textbox", { name: "Token" }).waitFor();
  });

  test("asks nobody where nobody is asked", async () => {
    const page = await visit(`${demo}/sign-in`);
    await settled(page);
    expect(await page.getByRole("region", { name: "Nobody is asked" }).innerText()).toContain("web.auth");
    expect(await page.getByRole("textbox", { name: "Token" }).count()).toBe(0);
  });

  test("works on a phone, in the dark", async () => {
    const page = await visit(`${d.server.url}/sign-in`, { phone: true, dark: true, faults: asStranger });
    await page.getByRole("textbox", { name: "Token" }).waitFor();
    await noSideways(page);
    await shot(page, "sign-in-phone");
  });
});

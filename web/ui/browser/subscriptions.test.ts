// Subscriptions and silences: made, changed, tried and taken away by people of different scopes.
import { afterAll, beforeAll } from "vitest";
import { desk, signedIn, type Desk } from "./desk";
import { axe, demo, describe, expect, mayFail, noJumps, noSideways, settled, shot, test, until, visit } from "./harness";

describe("subscriptions", () => {
  let d: Desk;
  beforeAll(async () => {
    d = await desk();
  });
  afterAll(() => d?.end());

  test("show who hears of what, in words", async () => {
    const page = await visit("/subscriptions");
    await settled(page);
    const list = page.getByRole("region", { name: "Who hears of what" });
    expect(await list.innerText()).toMatch(/hears of incidents from severity/);
    await axe(page);
    await noSideways(page);
    await noJumps(page);
    await shot(page, "subscriptions");
    // What came of telling, a page at a time.
    const told = page.getByRole("region", { name: "Who was told" });
    const rows = told.locator("tbody tr");
    const first = await rows.count();
    expect(first).toBeGreaterThan(3);
    await told.getByLabel("What came of it").selectOption("held");
    await page.waitForURL("**/subscriptions?outcome=held");
    await until("only what is held back is there", async () => {
      await settled(page);
      return (await rows.count()) > 0 && (await rows.allInnerTexts()).every((t) => t.includes("is not told now"));
    });
    await page.goBack();
    await until("everything is there again", async () => (await rows.count()) === first);
  });

  test("a viewer sees, and is told why the buttons rest", async () => {
    const page = await signedIn(d, "viewer", "/subscriptions?edit=new");
    await settled(page);
    expect(await page.getByText("the viewer is a viewer; this needs an operator").count()).toBeGreaterThan(0);
    const make = page.getByRole("button", { name: "Make it" });
    expect(await make.isDisabled()).toBe(true);
    await axe(page);
  });

  test("an operator makes one, with what is wrong said at its field, and changes it", async () => {
    const page = await signedIn(d, "operator", "/subscriptions");
    await settled(page);
    await page.getByRole("button", { name: "New subscription" }).click();
    await page.waitForURL("**/subscriptions?edit=new");
    const form = page.getByRole("form", { name: "New subscription" });
    await form.getByRole("button", { name: "Make it" }).click();
    await form.getByText("nobody would be told").waitFor();
    await form.getByRole("textbox", { name: "Name", exact: true }).fill("night-shift");
    await form.getByRole("checkbox", { name: "night webhook" }).check();
    await form.getByRole("combobox", { name: "Hosters" }).fill("McColo Corp.");
    await page.keyboard.press("Enter");
    await form.getByRole("combobox", { name: "Severity" }).selectOption("critical");
    await form.getByRole("textbox", { name: "Upstreams" }).fill("6939, as3549,");
    await form.getByText("night hears of incidents of McColo Corp. in which AS6939 or AS3549 is lost or gained from severity critical on.").waitFor();
    // What only the server knows to be wrong.
    mayFail(page, /subscriptions: 400$/);
    await form.getByRole("textbox", { name: "Remind every" }).fill("1s");
    await form.getByRole("button", { name: "Make it" }).click();
    await form.getByText("1s is less than 1m").waitFor();
    await axe(page);
    await shot(page, "subscription-form", true);
    await form.getByRole("textbox", { name: "Remind every" }).fill("4h");
    await form.getByRole("button", { name: "Make it" }).click();
    const made = page.locator("#sub-night-shift");
    await made.waitFor();
    expect(await made.innerText()).toContain("Made by the operator");
    expect(await made.innerText()).toContain("Reminds every 4h");
    expect(await form.count()).toBe(0);

    await made.getByRole("button", { name: "Change night-shift" }).click();
    const change = page.getByRole("form", { name: "Change night-shift" });
    await change.getByRole("textbox", { name: "Quiet hours", exact: true }).fill("22:00-07:00");
    await change.getByRole("button", { name: "Save" }).click();
    await until("it is changed", async () => (await made.innerText()).includes("Quiet 22:00-07:00"));
    expect(await made.innerText()).toContain("Reminds every 4h");
    // Deleting is for admins, and says so.
    const remove = made.getByRole("button", { name: "Delete night-shift" });
    expect(await remove.isDisabled()).toBe(true);
    expect(await remove.getAttribute("title")).toBe("the operator is an operator; this needs an admin");
    // That of the configuration is changed there.
    expect(await page.locator("#sub-fixed").innerText()).toContain("it is changed there");
  });

  test("an admin deletes one, after a question", async () => {
    const page = await signedIn(d, "admin", "/subscriptions?edit=new");
    const form = page.getByRole("form", { name: "New subscription" });
    await form.getByRole("textbox", { name: "Name", exact: true }).fill("for-a-day");
    await form.getByRole("checkbox", { name: "soar webhook" }).check();
    await form.getByRole("button", { name: "Make it" }).click();
    const made = page.locator("#sub-for-a-day");
    const remove = made.getByRole("button", { name: "Delete for-a-day" });
    await remove.click();
    const yes = made.getByRole("button", { name: "Yes, delete" });
    await until("the question has the focus", () => yes.evaluate((e) => e === document.activeElement));
    await axe(page);
    await page.keyboard.press("Escape");
    await until("who says no is back at the button", () => remove.evaluate((e) => e === document.activeElement));
    await page.keyboard.press("Enter");
    await yes.click();
    await made.waitFor({ state: "detached" });
    await until("it is in the audit log", () => /who="the admin".*DELETE \/api\/v1\/subscriptions\/for-a-day/.test(d.server.log));
  });

  test("say what would have been told", async () => {
    const page = await visit(`${demo}/subscriptions`);
    await settled(page);
    await page.getByRole("button", { name: /^Try on-call/ }).click();
    await page.waitForURL("**/subscriptions?try=on-call");
    const rehearsal = page.getByRole("region", { name: "What would have been told" });
    await rehearsal.getByRole("combobox").selectOption("30");
    const status = rehearsal.getByRole("status");
    await until("it says how much", async () => /on-call: \d+ new message/.test(await status.innerText().catch(() => "")));
    expect(await status.innerText()).toContain("Nothing was sent");
    await axe(page);
    await shot(page, "rehearsal");
  });

  test("a silence is made, says until when, and is ended early", async () => {
    const page = await signedIn(d, "operator", "/subscriptions?silence=new&hoster=mccolo");
    const form = page.getByRole("form", { name: "New silence" });
    await form.getByText("everything of McColo Corp.").waitFor();
    await form.getByRole("button", { name: "Silence it" }).click();
    await form.getByText("others want to know").waitFor();
    await form.getByRole("textbox", { name: "Reason" }).fill("planned work");
    await form.getByRole("combobox", { name: "For" }).selectOption("1");
    await axe(page);
    await form.getByRole("button", { name: "Silence it" }).click();
    await form.waitFor({ state: "detached" });
    const silences = page.getByRole("region", { name: "Silences" });
    const one = silences.getByRole("listitem").filter({ hasText: "planned work" });
    await one.waitFor();
    expect(await one.innerText()).toMatch(/Nobody is told: everything of McColo Corp\.\s+until .*\((60|59) min more\)/);
    await shot(page, "silence");
    await one.getByRole("button", { name: /^End the silence/ }).click();
    await one.getByRole("button", { name: "Yes, end" }).click();
    await silences.getByText("Nothing is silenced").waitFor();
  });

  test("fit a phone", async () => {
    const page = await visit("/subscriptions?edit=new", { phone: true, dark: true });
    await noSideways(page);
    await shot(page, "subscriptions-phone");
  });
});

describe("without receivers", () => {
  test("it says what to configure", async () => {
    const { run } = await import("./harness");
    const bare = await run();
    const page = await visit(`${bare.url}/subscriptions`, { faults: [/: 501$/] });
    await settled(page);
    expect(await page.getByRole("alert").first().innerText()).toContain("notify");
    await axe(page);
  });
});

// What every browser test is made of. A test visits a place, waits for what must come
// (never for a time), and fails also for what it did not look for: see visit.
import axeCore from "axe-core";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium, type Browser, type BrowserContext, type Page, type Request } from "playwright-core";
import { afterAll, describe as allDescribe, expect, inject, onTestFinished, test as allTests } from "vitest";
import { newDemo, newRun, patience, Server, until } from "./servers";

export { expect, patience, Server, until };
export type { Page };

const endpoint = inject("browser");

/** Skipped where there is no Chromium; the setup has said so. */
export const test = allTests.skipIf(endpoint === "");
export const describe = allDescribe.skipIf(endpoint === "");

/** The address of McColo's weeks, which have happened: shared by all, so nothing may be changed there. */
export const demo = inject("demo");

const servers: Server[] = [];

/** A depeer demo of one's own, for who changes something. It ends with the file. */
export async function ownDemo(...args: string[]): Promise<Server> {
  const s = newDemo(...args);
  servers.push(s);
  return s.start();
}

/** A depeer run with this configuration beside what it needs (see newRun). It ends with the file. */
export async function run(configuration: Record<string, unknown> = {}): Promise<Server> {
  const s = await newRun(configuration);
  servers.push(s);
  return s.start();
}

let browser: Promise<Browser> | undefined;
const visits = new Map<Page, Visit>();

afterAll(async () => {
  try {
    await leave([...visits.values()]);
  } finally {
    await Promise.all(servers.map((s) => s.remove()));
    await (await browser)?.close();
  }
});

export interface Look {
  width?: number;
  height?: number;
  phone?: boolean; // 390 x 844, touch
  dark?: boolean;
  motion?: boolean; // things may move; by default the visitor asked for less of that
  faults?: readonly RegExp[]; // what may go wrong here
}

class Visit {
  readonly wrong: string[] = [];
  readonly open = new Set<Request>();
  readonly expected: RegExp[];

  constructor(
    readonly context: BrowserContext,
    readonly page: Page,
    private readonly home: string,
    look: Look,
  ) {
    this.expected = [...(look.faults ?? [])];
    page.on("pageerror", (e) => this.fault(`page error: ${e.stack ?? e.message}`));
    page.on("console", (m) => {
      // What could not be loaded is told by the answer itself, with its address.
      if (m.type() === "error" && !m.text().startsWith("Failed to load resource")) this.fault(`console: ${m.text()}`);
    });
    page.on("request", (r) => {
      if (!/^(data|blob):/.test(r.url()) && new URL(r.url()).origin !== this.home) this.fault(`it asks elsewhere: ${r.url()}`);
      if (r.resourceType() !== "eventsource") this.open.add(r);
    });
    page.on("requestfinished", (r) => this.open.delete(r));
    page.on("requestfailed", (r) => {
      this.open.delete(r);
      const why = r.failure()?.errorText ?? "";
      // A question that is no longer of interest is taken back.
      if (why !== "net::ERR_ABORTED") this.fault(`${r.method()} ${r.url()}: ${why}`);
    });
    page.on("response", (r) => {
      if (r.status() >= 400) this.fault(`${r.request().method()} ${r.url()}: ${r.status()}`);
    });
  }

  private fault(what: string): void {
    this.wrong.push(what);
  }

  get unexpected(): string[] {
    return this.wrong.filter((w) => !this.expected.some((e) => e.test(w)));
  }
}

/**
 * Opens a place (of the demo, unless it is a whole URL) in a browser profile of its own, in the
 * time zone of New York. When the test ends, it fails where anything was written to the console
 * as an error, a script threw, the Content-Security-Policy was broken, a question failed or was
 * answered with 400 or more, or something was asked of another server; except what faults names.
 */
export async function visit(path: string, look: Look = {}): Promise<Page> {
  browser ??= chromium.connect(endpoint);
  const url = path.startsWith("http") ? path : demo + path;
  const phone = look.phone ?? false;
  const context = await (await browser).newContext({
    viewport: { width: look.width ?? (phone ? 390 : 1280), height: look.height ?? (phone ? 844 : 800) },
    deviceScaleFactor: phone ? 2 : 1,
    isMobile: phone,
    hasTouch: phone,
    colorScheme: look.dark ? "dark" : "light",
    reducedMotion: look.motion ? "no-preference" : "reduce",
    locale: "en-GB",
    timezoneId: "America/New_York",
  });
  context.setDefaultTimeout(patience);
  await context.addInitScript(watchShifts);
  const page = await context.newPage();
  const v = new Visit(context, page, new URL(url).origin, look);
  visits.set(page, v);
  try {
    onTestFinished(async (t) => {
      if (t.task.result?.state === "fail") await shot(page, `failed ${t.task.name}`).catch(() => {});
      await leave([v]);
    });
  } catch {
    // Not within a test: left when the file ends.
  }
  await page.goto(url, { waitUntil: "commit" });
  return page;
}

/** From now on this may go wrong: "GET http://...: 404", "console: ...", "page error: ...". */
export function mayFail(page: Page, ...faults: readonly RegExp[]): void {
  visits.get(page)?.expected.push(...faults);
}

/** What went wrong so far, what may go wrong included. */
export function faults(page: Page): readonly string[] {
  return visits.get(page)?.wrong ?? [];
}

async function leave(which: Visit[]): Promise<void> {
  const wrong: string[] = [];
  for (const v of which) {
    if (!visits.delete(v.page)) continue;
    wrong.push(...v.unexpected.map((w) => `${v.page.url()}\n  ${w}`));
    await v.context.close();
  }
  if (wrong.length > 0) throw new Error(`this went wrong on the way:\n${wrong.join("\n")}`);
}

/** Waits until all questions are answered, nothing holds a place for what will come, and it is drawn. */
export async function settled(page: Page): Promise<void> {
  const v = visits.get(page);
  let calm = 0;
  let why = "";
  await until(
    () => `${page.url()} is settled: ${why}`,
    async () => {
      const busy = await page.evaluate(drawn).catch((e: unknown) => String(e)); // it went elsewhere meanwhile
      const open = [...(v?.open ?? [])].map((r) => r.url());
      why = open.length > 0 ? `asks ${open.join(" ")}` : busy;
      calm = why === "" ? calm + 1 : 0;
      return calm >= 3;
    },
  );
}

// In the page. Gives what is not there yet.
async function drawn(): Promise<string> {
  await document.fonts.ready;
  await new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)));
  if (!document.querySelector("h1")) return "no heading";
  const waits = document.querySelector(".skeleton, [aria-busy=true]");
  return waits ? `waits: ${waits.outerHTML.slice(0, 100)}` : "";
}

const levels = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"];

/** axe-core finds nothing serious or critical (WCAG 2.1, A and AA), neither as it is nor in the other colours. */
export async function axe(page: Page, where = "body"): Promise<void> {
  await settled(page);
  await page.evaluate(axeCore.source);
  const dark = await page.evaluate(() => matchMedia("(prefers-color-scheme: dark)").matches);
  const found: string[] = [];
  for (const scheme of dark ? (["dark", "light"] as const) : (["light", "dark"] as const)) {
    await page.emulateMedia({ colorScheme: scheme });
    await settled(page);
    const result = await page.evaluate(
      ([where, values]) => (window as unknown as { axe: typeof axeCore }).axe.run(where as string, { runOnly: { type: "tag", values: values as string[] }, resultTypes: ["violations"] }),
      [where, levels] as const,
    );
    for (const x of result.violations.filter((x) => x.impact === "serious" || x.impact === "critical")) {
      for (const n of x.nodes) found.push(`${scheme}: ${x.impact} ${x.id}: ${n.target.join(" ")}\n    ${n.html.slice(0, 200)}\n    ${(n.failureSummary ?? "").split("\n").slice(1).join(" ").trim()}`);
    }
  }
  await page.emulateMedia({ colorScheme: dark ? "dark" : "light" });
  if (found.length > 0) throw new Error(`${page.url()}: axe-core finds\n  ${found.join("\n  ")}`);
}

/** The page is no wider than the window: what is too wide scrolls by itself. */
export async function noSideways(page: Page): Promise<void> {
  await settled(page);
  const wide = await page.evaluate(() => {
    const room = document.documentElement.clientWidth;
    // A phone makes the window as wide as what is in it.
    const has = Math.max(document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth);
    const asked = Math.min(room, screen.width);
    if (has <= asked + 1) return "";
    const who = [...document.body.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > asked + 1).map((e) => `${e.tagName.toLowerCase()}.${e.getAttribute("class") ?? ""} to ${Math.round(e.getBoundingClientRect().right)}`);
    return `${has} px in ${asked}: ${who.slice(0, 12).join(", ")}`;
  });
  if (wide) throw new Error(`${page.url()} scrolls sideways: ${wide}`);
}

const mostShift = 0.1; // what web.dev calls good

/** Nothing jumped since the page was opened: the sum of all layout shifts that followed no input. */
export async function noJumps(page: Page): Promise<void> {
  await settled(page);
  const { sum, who } = await page.evaluate(() => (window as unknown as { shifts: Shifts }).shifts);
  if (sum >= mostShift) throw new Error(`${page.url()} jumps by ${sum.toFixed(3)}:\n  ${who.join("\n  ")}`);
}

interface Shifts {
  sum: number;
  who: string[];
}

// In the page, before everything else.
function watchShifts(): void {
  const shifts: Shifts = { sum: 0, who: [] };
  (window as unknown as { shifts: Shifts }).shifts = shifts;
  new PerformanceObserver((list) => {
    type Shift = PerformanceEntry & { value: number; hadRecentInput: boolean; sources: { node?: Node; previousRect: DOMRect; currentRect: DOMRect }[] };
    for (const e of list.getEntries() as Shift[]) {
      if (e.hadRecentInput) continue;
      shifts.sum += e.value;
      const rect = (r: DOMRect) => `${r.x},${r.y} ${r.width}x${r.height}`;
      for (const s of e.sources) {
        const n = s.node instanceof Element ? s.node : s.node?.parentElement;
        shifts.who.push(`${e.value.toFixed(3)} at ${Math.round(e.startTime)} ms: ${n ? `${n.tagName.toLowerCase()}.${n.getAttribute("class") ?? ""}#${n.id}` : "?"} from ${rect(s.previousRect)} to ${rect(s.currentRect)}`);
      }
    }
  }).observe({ type: "layout-shift", buffered: true });
}

const shots = fileURLToPath(new URL("../shots", import.meta.url));

/** A picture of the page in web/ui/shots, to be looked at. */
export async function shot(page: Page, name: string, whole = false): Promise<string> {
  mkdirSync(shots, { recursive: true });
  const path = join(shots, `${name.replaceAll(/[^\w.-]+/g, "-")}.png`);
  await page.screenshot({ path, fullPage: whole, animations: "disabled" });
  return path;
}

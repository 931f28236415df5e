// Every place of the pages, in McColo's weeks, and what holds on all of them.
import { axe, demo, expect, noJumps, noSideways, settled, shot, visit, type Look, type Page } from "./harness";

export interface Place {
  name: string;
  path: string | (() => Promise<string>);
}

async function answer<T>(path: string): Promise<T> {
  const r = await fetch(`${demo}/api/v1${path}`);
  if (!r.ok) throw new Error(`GET ${path}: ${r.status} ${await r.text()}`);
  return (await r.json()) as T;
}

/** The gravest incident of McColo: the one that the demo is about. */
export async function incident(): Promise<string> {
  const { items } = await answer<{ items: { id: string; lost: unknown[] | null }[] }>("/incidents?hoster=mccolo&limit=100");
  return items.sort((a, b) => (b.lost?.length ?? 0) - (a.lost?.length ?? 0))[0]!.id;
}

export const places: readonly Place[] = [
  { name: "board", path: "/" },
  { name: "hoster", path: "/hosters/mccolo" },
  { name: "hoster on the day", path: "/hosters/mccolo?from=2008-11-11T12:00:00Z&to=2008-11-12T12:00:00Z" },
  { name: "incidents", path: "/incidents" },
  { name: "incident", path: async () => `/incidents/${await incident()}` },
  { name: "events", path: "/events" },
  { name: "prefix", path: "/prefixes/208.66.192.0/22" },
  { name: "address", path: "/prefixes/208.66.195.71" },
  { name: "AS", path: "/asns/26780" },
  { name: "upstream", path: "/upstreams/6939" },
  { name: "family", path: "/families/srizbi" },
  { name: "migrations", path: "/migrations" },
  { name: "explain", path: "/explain" },
  { name: "explain a hoster", path: "/explain?hoster=mccolo" },
  { name: "subscriptions", path: "/subscriptions" },
  { name: "feeds", path: "/feeds" },
  { name: "search", path: "/search?q=mccolo" },
  { name: "search for nothing", path: "/search?q=nothing-of-this-name" },
  { name: "sign in", path: "/sign-in" },
];

export const titles = new Map<string, string>(); // by place

/** Opens a place and checks everything that holds on every page. */
export async function check(place: Place, look: Look): Promise<void> {
  // A demo tells nobody anything: what that would need is not set up, and the pages say so.
  const page = await visit(typeof place.path === "string" ? place.path : await place.path(), { ...look, faults: [/: 501$/] });
  await noJumps(page);
  const kind = look.phone ? "phone" : "wide";
  await shot(page, `${kind}-${place.name}-${look.dark ? "dark" : "light"}`, true);
  await headings(page);
  titles.set(place.name, await page.title());
  expect(await page.title()).toMatch(/^\S.* – depeer$/);
  await sayings(page);
  await times(page);
  await links(page);
  await noSideways(page);
  await axe(page);
  if (!look.phone) await keyboard(page);
}

/** One h1, and no level is left out on the way down. */
async function headings(page: Page): Promise<void> {
  const all = await page.evaluate(() => [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].filter((h) => h.checkVisibility()).map((h) => ({ level: Number(h.tagName[1]), text: h.textContent?.trim() ?? "" })));
  expect(all.filter((h) => h.level === 1), "one h1").toHaveLength(1);
  expect(all[0]!.level, `it begins with ${all[0]!.text}`).toBe(1);
  for (const [i, h] of all.entries()) {
    expect(h.text, `heading ${i} says nothing`).not.toBe("");
    if (i > 0) expect(h.level - all[i - 1]!.level, `"${h.text}" after "${all[i - 1]!.text}"`).toBeLessThan(2);
  }
}

/** Nothing of the program's inside is shown. */
async function sayings(page: Page): Promise<void> {
  const text = await page.locator("#main").innerText();
  expect(text.trim(), "the page is empty").not.toBe("");
  expect(text).not.toMatch(/\b(undefined|NaN|Infinity|null)\b|\[object |Invalid Date|0001-01-01/);
}

/** Times are UTC, and say on hover what time it was where the reader is. */
async function times(page: Page): Promise<void> {
  const all = await page.evaluate(() => [...document.querySelectorAll("time")].filter((t) => t.checkVisibility()).map((t) => ({ text: t.innerText, at: t.dateTime, title: t.title })));
  for (const t of all) {
    const said = `${t.text} (${t.at}, "${t.title}")`;
    expect(Number.isNaN(Date.parse(t.at)), said).toBe(false);
    const day = t.text.includes(t.at.slice(0, 10)) || /Z|UTC/.test(t.text);
    expect(day, `${said} is no time in UTC`).toBe(true);
    expect(t.title, said).toMatch(/(EST|EDT|GMT-[45])/); // the visitor is in New York
  }
}

const known = new Map<string, Promise<string>>(); // what is wrong with a link, by what it leads to

/** Links within depeer lead to what there is. */
async function links(page: Page): Promise<void> {
  const all = await page.evaluate(() =>
    [...document.querySelectorAll<HTMLAnchorElement>("a[href]")].map((a) => ({ href: a.getAttribute("href")!, own: a.origin === location.origin, path: a.pathname, query: a.search, hash: a.hash, here: a.pathname === location.pathname && a.search === location.search })),
  );
  const wrong: string[] = [];
  for (const a of all) {
    if (!a.own) {
      wrong.push(`${a.href} leads elsewhere`);
      continue;
    }
    if (a.href.startsWith("#")) {
      if (!(await page.evaluate((id) => document.getElementById(id) !== null, decodeURIComponent(a.href.slice(1))))) wrong.push(`${a.href} is not on the page`);
      continue;
    }
    // Of lists of many the first: the others are made by the same words.
    const key = a.path.startsWith("/api/") ? a.path + a.query : a.path;
    if (!known.has(key)) {
      if (known.size > 400) continue;
      known.set(key, dead(a.path, a.query));
    }
    const why = await known.get(key);
    if (why) wrong.push(`${a.href}: ${why}`);
  }
  expect(wrong, `dead links on ${page.url()}`).toEqual([]);
}

/** Why a link leads nowhere, or "". */
async function dead(path: string, query: string): Promise<string> {
  const status = async (path: string) => {
    const stop = new AbortController();
    const r = await fetch(demo + path, { signal: stop.signal, headers: { Accept: path.startsWith("/api/") ? "*/*" : "text/html" } });
    stop.abort(); // an export may be long
    return r.status;
  };
  const direct = await status(path + query);
  if (direct >= 400 && direct !== 501) return String(direct);
  const named = /^\/(hosters|incidents)\/([^/]+)$/.exec(path);
  const behind = named ? await status(`/api/v1/${named[1]}/${named[2]}`) : 200;
  return behind === 404 ? `there is no such ${named![1]!.slice(0, -1)}` : "";
}

/** The first key leads to the content, and what has the focus is seen. */
async function keyboard(page: Page): Promise<void> {
  await settled(page);
  await page.evaluate(() => {
    (document.activeElement as HTMLElement | null)?.blur();
    scrollTo(0, 0);
  });
  await page.locator(".skip").focus();
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement?.id === "main");
  const can = await page.evaluate(() => [...document.querySelectorAll<HTMLElement>("#main a[href], #main button, #main input, #main select, #main textarea, #main summary, #main [tabindex='0']")].filter((e) => e.checkVisibility() && !(e as HTMLButtonElement).disabled).length);
  for (let i = 0; i < Math.min(can, 12); i++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const e = document.activeElement as HTMLElement | null;
      if (!e || e === document.body) return { who: "nothing", inside: false, seen: false };
      const ringed = (x: Element) => {
        const s = getComputedStyle(x);
        return (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0) || s.boxShadow !== "none";
      };
      const r = e.getBoundingClientRect();
      return { who: e.outerHTML.slice(0, 120), inside: document.getElementById("main")!.contains(e), seen: ringed(e) && r.bottom > 0 && r.top < innerHeight };
    });
    expect(at.inside, `key ${i + 1} leads out of the content: ${at.who}`).toBe(true);
    expect(at.seen, `the focus cannot be seen on ${at.who}`).toBe(true);
  }
}

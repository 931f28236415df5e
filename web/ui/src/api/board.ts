// The board as it is now: asked for once, then kept up by the stream.
import { computed, signal } from "@preact/signals";
import { ask, Trouble } from "./ask";
import { heard, storyNow } from "./playback";
import { listen } from "./stream";
import { many, type Incident, type Standing, type Status } from "./types";

export const board = signal<Status | undefined>(undefined);
export const boardTrouble = signal<Trouble | undefined>(undefined);

/** Name of a hoster, its id where it is not known. */
export function nameOf(id: string | null | undefined): string {
  if (!id) return "";
  return names.value.get(id) ?? id;
}

export const names = computed(() => new Map(many(board.value?.hosters).map((h) => [h.hoster, h.name])));

let arrived = 0; // performance.now() when the board's clock was read

/** The moment that the server has, in milliseconds: never the clock of this machine alone. */
export function now(): number {
  const b = board.value;
  const story = storyNow();
  if (story !== undefined) return story;
  return b ? Date.parse(b.now) + (performance.now() - arrived) : Date.now();
}

function put(b: Status): void {
  arrived = performance.now();
  board.value = b;
  boardTrouble.value = undefined;
}

/** Asks for the whole board. */
export async function askBoard(): Promise<void> {
  try {
    const b = await ask<Status>("/status");
    put(b);
    if (b.playback) heard(b.playback);
  } catch (e) {
    boardTrouble.value = e instanceof Trouble ? e : new Trouble(0, "Fault", String(e));
  }
}

/** Puts what has changed into the board; order and everything else stay. */
export function merged<T>(all: readonly T[], changed: readonly T[], gone: readonly string[], key: (x: T) => string): T[] {
  const next = new Map(changed.map((x) => [key(x), x]));
  const out: T[] = [];
  for (const x of all) {
    const k = key(x);
    if (gone.includes(k)) continue;
    out.push(next.get(k) ?? x);
    next.delete(k);
  }
  return [...out, ...next.values()];
}

/** Keeps the board up. Asked anew every minute, for what is no change: lags, gaps that were filled. */
export function keepBoard(): () => void {
  void askBoard();
  const ends = [
    listen("status", (c) => {
      const b = board.value;
      if (!b) return;
      put({
        ...b,
        now: c.now,
        judged: c.judged,
        ready: c.ready,
        reasons: c.reasons,
        hosters: merged<Standing>(many(b.hosters), many(c.hosters), many(c.gone), (h) => h.hoster),
        feeds: merged(many(b.feeds), many(c.feeds), [], (f) => f.name),
      });
    }),
    listen("incident", (i: Incident) => {
      const b = board.value;
      if (!b) return;
      const over = i.phase === "resolved" ? [i.id] : [];
      board.value = { ...b, incidents: merged(many(b.incidents), over.length ? [] : [i], over, (x) => x.id) };
    }),
    listen("gap", (g) => {
      const b = board.value;
      if (b) board.value = { ...b, gaps: merged(many(b.gaps), [g], [], (x) => x.id) };
    }),
    listen("back", () => void askBoard()),
  ];
  const timer = setInterval(() => {
    if (document.visibilityState === "visible") void askBoard();
  }, 60_000);
  return () => {
    clearInterval(timer);
    for (const end of ends) end();
  };
}

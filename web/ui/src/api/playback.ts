// A story of the past that is played (depeer demo): where it is, and how it goes on.
import { signal } from "@preact/signals";
import { ask, send } from "./ask";
import type { Playing, Wish } from "./types";

/** Undefined where what happens now is watched. */
export const playing = signal<Playing | undefined>(undefined);

/** What went wrong with the last wish or question; it goes away with the next answer. */
export const playTrouble = signal<string | undefined>(undefined);

interface Sample {
  at: number; // performance.now() when it came
  story: number; // the time of the story, milliseconds
}

let before: Sample | undefined;
let last: Sample | undefined;

/** Notes where the story is. An answer that was overtaken by a later one is passed over. */
export function heard(p: Playing): void {
  const story = Date.parse(p.now);
  if (last && story < last.story) return;
  before = last ?? { at: performance.now(), story };
  last = { at: performance.now(), story };
  playing.value = p;
}

/**
 * The time of the story between two answers: it moves from the one before to the last in the time that
 * lay between them, so it runs evenly, a moment behind.
 */
export function between(a: Sample, b: Sample, at: number): number {
  const span = b.at - a.at;
  if (span <= 0) return b.story;
  return a.story + (b.story - a.story) * Math.min(1, Math.max(0, (at - b.at) / span));
}

/** The time of the story, in milliseconds; undefined where there is none. */
export function storyNow(): number | undefined {
  if (!before || !last) return undefined;
  return playing.value?.over ? last.story : between(before, last, performance.now());
}

/** Asks where the story is. */
export async function askPlayback(): Promise<void> {
  try {
    heard(await ask<Playing>("/playback"));
    playTrouble.value = undefined;
  } catch (e) {
    playTrouble.value = e instanceof Error ? e.message : String(e);
  }
}

/** Wishes how it goes on. */
export async function play(wish: Wish): Promise<void> {
  try {
    heard(await send<Playing>("POST", "/playback", wish));
    playTrouble.value = undefined;
  } catch (e) {
    playTrouble.value = e instanceof Error ? e.message : String(e);
  }
}

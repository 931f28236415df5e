// The course of a lane, and what is drawn of it on so many pixels. Pure; times are
// milliseconds since 1970.
import { many, type Lane } from "../api/types";

/** The steps of a lane, ready to be drawn: from at[i] on it is so, until at[i + 1]. */
export interface Course {
  at: Float64Array;
  value: Float64Array; // parts of one
  eligible: Int32Array; // 0: nobody was there to see
}

export function courseOf(points: Lane["points"]): Course {
  const all = many(points);
  const c: Course = { at: new Float64Array(all.length), value: new Float64Array(all.length), eligible: new Int32Array(all.length) };
  all.forEach((p, i) => {
    c.at[i] = Date.parse(p.at);
    c.value[i] = Math.min(1, Math.max(0, p.value));
    c.eligible[i] = p.eligible;
  });
  return c;
}

/** Index of the step that holds at a moment; -1 before the first. */
export function stepAt(c: Course, t: number): number {
  let low = 0;
  let high = c.at.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (c.at[middle]! <= t) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

export interface Value {
  value: number;
  eligible: number; // 0: nobody was there to see, and value says nothing
  since: number; // beginning of this step
}

/** What was so at a moment; undefined before the first step, where nothing is known. */
export function valueAt(c: Course, t: number): Value | undefined {
  const i = stepAt(c, t);
  return i < 0 ? undefined : { value: c.value[i]!, eligible: c.eligible[i]!, since: c.at[i]! };
}

/**
 * The steps of fine in place of those of whole, as long as fine lasts. What comes before
 * and after stays, so that one may look beyond while a better answer is on its way.
 */
export function spliced(whole: Course, fine: Course, from: number, to: number): Course {
  if (fine.at.length === 0) return whole;
  const before = stepAt(whole, from - 1) + 1; // steps of whole that begin earlier
  const last = stepAt(whole, to);
  const after = last + 1;
  const tail = last >= 0 && to > from ? 1 : 0; // what whole says at the end holds from there on
  const n = before + fine.at.length + (after < whole.at.length ? tail + whole.at.length - after : 0);
  const out: Course = { at: new Float64Array(n), value: new Float64Array(n), eligible: new Int32Array(n) };
  let i = 0;
  const put = (c: Course, k: number, at = c.at[k]!) => {
    out.at[i] = at;
    out.value[i] = c.value[k]!;
    out.eligible[i] = c.eligible[k]!;
    i++;
  };
  for (let k = 0; k < before; k++) put(whole, k);
  for (let k = 0; k < fine.at.length; k++) put(fine, k);
  if (after < whole.at.length) {
    if (tail) put(whole, last, to);
    for (let k = after; k < whole.at.length; k++) put(whole, k);
  }
  return out;
}

/** The time that is shown, and the pixels that it is shown on. */
export interface Window {
  from: number;
  to: number;
  x0: number;
  x1: number;
  end: number; // nothing is drawn later than this: it has not happened yet, or was not asked for
}

export function xOf(w: Window, t: number): number {
  return w.x0 + ((t - w.from) / (w.to - w.from)) * (w.x1 - w.x0);
}

export function timeOf(w: Window, x: number): number {
  return w.from + ((x - w.x0) / (w.x1 - w.x0)) * (w.to - w.from);
}

/** What a lane was over some width: at least low, at most high, where it was seen. */
export interface Column {
  x0: number;
  x1: number;
  low: number; // parts of the full height
  high: number;
  seen: boolean; // somebody was there to see, at some time
  blind: boolean; // nobody was, at some time
}

/**
 * A lane from left to right: exact steps, or, where they are narrower than a pixel, what they range over.
 * An edge is where it is to a pixel.
 */
export function columns(c: Course, w: Window, full: number): Column[] {
  const out: Column[] = [];
  const to = Math.min(w.to, w.end);
  const add = (t0: number, t1: number, i: number) => {
    const from = Math.max(t0, w.from);
    const until = Math.min(t1, to);
    if (from >= until) return;
    const seen = i >= 0 && c.eligible[i]! > 0;
    const v = seen ? Math.min(1, c.value[i]! / full) : 0;
    put(out, { x0: xOf(w, from), x1: xOf(w, until), low: v, high: v, seen, blind: !seen });
  };
  const first = stepAt(c, w.from);
  if (first < 0) add(w.from, c.at.length > 0 ? c.at[0]! : to, -1); // nothing is known before the first step
  for (let i = Math.max(0, first); i < c.at.length && c.at[i]! < to; i++) {
    add(c.at[i]!, i + 1 < c.at.length ? c.at[i + 1]! : Infinity, i);
  }
  return out;
}

function put(out: Column[], x: Column): void {
  const p = out[out.length - 1];
  if (!p) {
    out.push(x);
    return;
  }
  const same = p.seen === x.seen && p.blind === x.blind && p.low === x.low && p.high === x.high;
  if (!same && p.x1 - p.x0 >= 1) {
    out.push(x);
    return;
  }
  if (!same && x.x1 - x.x0 >= 1) {
    // The narrow one takes as much of the wide one as it needs to be a pixel.
    const edge = Math.min(p.x0 + 1, x.x1);
    join(p, { ...x, x1: edge });
    if (x.x1 > edge) out.push({ ...x, x0: edge });
    return;
  }
  join(p, x);
}

function join(p: Column, x: Column): void {
  p.x1 = Math.max(p.x1, x.x1);
  if (x.seen) {
    p.low = p.seen ? Math.min(p.low, x.low) : x.low;
    p.high = p.seen ? Math.max(p.high, x.high) : x.high;
  }
  p.seen ||= x.seen;
  p.blind ||= x.blind;
}

/** Stretches that touch become one. */
export function union(list: readonly (readonly [number, number])[], near = 0): [number, number][] {
  const out: [number, number][] = [];
  for (const [a, b] of [...list].sort((p, q) => p[0] - q[0])) {
    const last = out[out.length - 1];
    if (last && a <= last[1] + near) last[1] = Math.max(last[1], b);
    else out.push([a, b]);
  }
  return out;
}

// Which part of the time is looked at. Pure; times are milliseconds since 1970.

export interface Span {
  from: number;
  to: number;
}

/** Nobody needs to look closer than this: updates carry seconds. */
export const closest = 10_000;

/** Within the bounds, no longer than they are and no shorter than what makes sense. */
export function within(s: Span, bounds: Span): Span {
  const most = Math.max(closest, bounds.to - bounds.from);
  const width = Math.min(Math.max(s.to - s.from, closest), most);
  const middle = (s.from + s.to) / 2;
  const from = Math.min(Math.max(s.to - s.from === width ? s.from : middle - width / 2, bounds.from), Math.max(bounds.from, bounds.from + most - width));
  return { from, to: from + width };
}

/** Closer (factor under 1) or farther, around a moment that stays where it is. */
export function zoomed(s: Span, factor: number, around: number, bounds: Span): Span {
  const width = Math.max(closest, (s.to - s.from) * factor);
  const part = (around - s.from) / (s.to - s.from);
  return within({ from: around - part * width, to: around - part * width + width }, bounds);
}

/** Earlier (under 0) or later, by a part of what is shown. */
export function moved(s: Span, part: number, bounds: Span): Span {
  const by = (s.to - s.from) * part;
  return within({ from: s.from + by, to: s.to + by }, bounds);
}

/** So long, around what is in the middle now. */
export function sized(s: Span, width: number, bounds: Span): Span {
  const middle = (s.from + s.to) / 2;
  return within({ from: middle - width / 2, to: middle + width / 2 }, bounds);
}

/** A moment as it stands in a URL: no finer than what is looked at needs. */
export function stamp(t: number): string {
  return new Date(Math.round(t / 1000) * 1000).toISOString().replace(".000Z", "Z");
}

/** True where a span is all there is, but for what nobody can see. */
export function isAll(s: Span, bounds: Span): boolean {
  const slack = (bounds.to - bounds.from) / 2000;
  return s.from <= bounds.from + slack && s.to >= bounds.to - slack;
}

/**
 * The period to ask for when a span is looked at: some room on either side, in steps, so that
 * whoever moves a little has the answer already.
 */
export function askedFor(s: Span, bounds: Span): Span {
  let step = 60_000;
  while (step * 2 < s.to - s.from) step *= 2;
  return {
    from: Math.max(bounds.from, Math.floor(s.from / step - 0.5) * step),
    to: Math.min(bounds.to, Math.ceil(s.to / step + 0.5) * step),
  };
}

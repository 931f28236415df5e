// How things are written: times in UTC, parts of one in percent, AS numbers as AS64500.

/** 2008-11-11 21:04:07Z; without seconds where they are none. */
export function utc(at: string | number | Date): string {
  const d = new Date(at);
  if (Number.isNaN(d.getTime())) return "";
  const text = d.toISOString();
  const seconds = text.slice(17, 19);
  return `${text.slice(0, 10)} ${text.slice(11, 16)}${seconds === "00" ? "" : ":" + seconds}Z`;
}

// Made once: a formatter costs a hundred times what it formats, and a page has hundreds of moments.
const where = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const figures = new Intl.NumberFormat("en");

/** The same moment where the reader is. */
export function local(at: string | number | Date): string {
  const d = new Date(at);
  if (Number.isNaN(d.getTime())) return "";
  return where.format(d);
}

/** 12 s, 5 min, 3 h, 27 days. */
export function lasting(ms: number): string {
  const s = Math.round(Math.abs(ms) / 1000);
  if (s < 90) return `${s} s`;
  const m = Math.round(s / 60);
  if (m < 90) return `${m} min`;
  const h = Math.round(m / 60);
  if (h < 48) return `${h} h`;
  const d = Math.round(h / 24);
  return `${d} days`;
}

/** 62 %, under 1 %, 0 %. */
export function percent(part: number): string {
  if (part > 0 && part < 0.005) return "under 1 %";
  if (part < 1 && part >= 0.995) return "over 99 %";
  return `${even(part * 100)} %`;
}

/** Halves go to the even neighbour, as in the sentences of the server: 62.5 is 62 in both. */
function even(x: number): number {
  const low = Math.floor(x);
  return x - low === 0.5 ? low + (low % 2) : Math.round(x);
}

export function as(asn: number): string {
  return `AS${asn}`;
}

/** 1 prefix, 2 prefixes. */
export function count(n: number, one: string, more = `${one}s`): string {
  return `${figures.format(n)} ${n === 1 ? one : more}`;
}

/** A, B and C. */
export function listed(words: readonly string[]): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words[words.length - 1]}`;
}

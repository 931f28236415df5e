// Families and their moves, arranged and in words.
import { many, type Housed, type Migration, type Residence } from "../api/types";
import { as, count } from "../words";

const kinds: Record<string, { word: string; is: string }> = {
  "cnc.moved": { word: "moved", is: "warning" },
  "cnc.watch": { word: "perhaps moved", is: "info" },
  "cnc.gone": { word: "gone", is: "warning" },
  "cnc.no-gap": { word: "never paused", is: "info" },
};

/** What a finding says: its word, and how it is coloured. */
export const kindOf = (kind: string) => kinds[kind] ?? { word: kind, is: "info" };

const hows: Record<string, string> = {
  address: "hosts at other addresses",
  name: "a name of it points to another address",
  label: "the prefix has another origin, the hosts in it did not move",
};

export const howWords = (how: string) => hows[how] ?? "";

/** How the points of the evidence make the score, in words: some are not counted in full. */
export function sumWords(m: Migration): string {
  const points = many(m.evidence).reduce((n, e) => n + e.points, 0);
  const sum = `${tidy(m.routing)} for what routes did, ${tidy(m.cnc)} for what C&C did`;
  const left = points - m.score;
  return Math.abs(left) < 0.005 ? sum : `${sum}; of ${tidy(points)} points ${tidy(left)} are not counted, because the family is still seen where it was`;
}

/** 6.5, 10, 2.44. */
export const tidy = (n: number) => String(Math.round(n * 100) / 100);

/** AS64999 SUCCESSOR; the block where nobody knows the AS. */
export function placeWords(r: Residence): string {
  if (r.asn) return as(r.asn) + (r.name ? ` ${r.name}` : "");
  return r.prefix ?? "not known where";
}

/** Where on a line from the first to the last moment a stay lies: parts of one, never too narrow to see. */
export function spanOf(since: string, last: string, from: string, to: string): { left: number; width: number } {
  const a = Date.parse(from);
  const whole = Math.max(1, Date.parse(to) - a);
  const least = 0.01;
  const left = Math.min(1 - least, Math.max(0, (Date.parse(since) - a) / whole));
  return { left, width: Math.max(least, Math.min(1 - left, (Date.parse(last) - Date.parse(since)) / whole)) };
}

export interface Overview {
  family: string;
  there: number; // hosters where it is
  was: number; // and where it was
}

/** All families at watched hosters, those that are at most of them first. */
export function overview(housed: readonly Housed[] | null | undefined): Overview[] {
  const all = new Map<string, Overview>();
  for (const h of many(housed)) {
    const x = all.get(h.family) ?? { family: h.family, there: 0, was: 0 };
    if (h.fate === "there") x.there++;
    else x.was++;
    all.set(h.family, x);
  }
  return [...all.values()].sort((a, b) => b.there - a.there || b.was - a.was || a.family.localeCompare(b.family));
}

/** at 3 hosters, was at 1. */
export function overviewWords(x: Overview): string {
  const parts = [];
  if (x.there > 0) parts.push(`at ${count(x.there, "hoster")}`);
  if (x.was > 0) parts.push(`was at ${count(x.was, "hoster")}`);
  return parts.join(", ");
}

/** The names of a list that the API takes, of those that stand in the URL. */
export const filters = ["hoster", "family", "score", "from", "to"] as const;

export function asked(query: Record<string, string>): Record<string, string> {
  return Object.fromEntries(filters.filter((n) => query[n]).map((n) => [n, query[n]!]));
}

/** The files that a list may be had as. */
export const formats: readonly (readonly [string, string])[] = [
  ["csv", "CSV"], ["json", "JSON"], ["ndjson", "NDJSON"], ["stix", "STIX 2.1"], ["misp", "MISP"],
];

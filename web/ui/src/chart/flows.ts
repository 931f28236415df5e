// Which families went from which hoster to which network: the arranging behind the picture.
import { many, type Migration } from "../api/types";
import { as, lasting } from "../words";

/** What became of a family at a hoster: of the dossier, or of what every hoster houses. */
export interface Fated {
  hoster: string; // id
  family: string;
  fate: string;
}

export interface Stop {
  id: string; // "hoster mccolo", "family Rustock", "as 64999", "end gone"
  layer: 0 | 1 | 2;
  name: string;
  href?: string; // of its page
}

export interface Stream {
  from: string; // id of a stop
  to: string;
  width: number; // the score of a move; of what did not move, the least there is
  kind: "home" | "moved" | "watch" | "end";
  label: string; // "4 days later", "2 days before", "" of what is no move
}

/** One line of the list beside the picture. */
export interface Line {
  hoster: string;
  family: string;
  to: number; // AS; 0: it ends here
  toName: string;
  what: string; // in words
  migration?: Migration;
}

export interface Flows {
  stops: Stop[];
  streams: Stream[];
  lines: Line[];
}

/** Fates that end a stream, in words. "there" is drawn only beside others: alone it is nothing that flows. */
const ends: Record<string, string> = { "never paused": "never paused", gone: "gone", "not known": "not known", there: "still there" };

const least = 1; // a stream without a score is as wide as one point

/** 4 days later, 13 h before, at once: how long after the first loss a family was seen. */
export function lagWords(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return "";
  if (Math.abs(seconds) < 60) return "at once";
  return `${lasting(seconds * 1000)} ${seconds < 0 ? "before" : "later"}`;
}

/** for 13 h at most; "" while it stays. */
export function briefWords(seconds: number | null | undefined): string {
  return seconds === null || seconds === undefined ? "" : `stayed ${lasting(seconds * 1000)} at most`;
}

export const familyHref = (family: string) => `/families/${encodeURIComponent(family)}`;

/** What a migration is about, where no family is known: prefixes that moved as they were. */
export const familyWords = (family: string) => family || "prefixes";

const moves = new Set(["cnc.moved", "cnc.watch"]);

/** Arranges moves and fates from left to right: hosters, families, where they went or ended. */
export function flowsOf(migrations: readonly Migration[], fated: readonly Fated[], nameOf: (hoster: string) => string): Flows {
  const stops = new Map<string, Stop>();
  const streams = new Map<string, Stream>();
  const lines: Line[] = [];
  const stop = (s: Stop) => {
    if (!stops.has(s.id)) stops.set(s.id, s);
    return s.id;
  };
  const home = (hoster: string) => stop({ id: `hoster ${hoster}`, layer: 0, name: nameOf(hoster), href: `/hosters/${hoster}` });
  const family = (name: string) => stop({ id: `family ${name}`, layer: 1, name: familyWords(name), ...(name ? { href: familyHref(name) } : {}) });
  const stream = (from: string, to: string, width: number, kind: Stream["kind"], label: string) => {
    const key = `${from}\n${to}`;
    const was = streams.get(key);
    if (was) streams.set(key, { ...was, width: was.width + width, kind: was.kind === "watch" ? kind : was.kind });
    else streams.set(key, { from, to, width, kind, label });
  };
  const moved = new Set<string>();
  const real = migrations.filter((m) => moves.has(m.kind)).sort((a, b) => a.first_seen.localeCompare(b.first_seen) || a.id.localeCompare(b.id));
  for (const m of real) {
    moved.add(`${m.hoster}\n${m.family}`);
    const width = Math.max(least, m.score);
    const f = family(m.family);
    const to = stop({ id: `as ${m.to.asn}`, layer: 2, name: m.to.asn ? as(m.to.asn) + (m.to.name ? ` ${m.to.name}` : "") : (m.to.prefix ?? "elsewhere"), ...(m.to.asn ? { href: `/asns/${m.to.asn}` } : {}) });
    stream(home(m.hoster), f, width, "home", "");
    stream(f, to, width, m.kind === "cnc.moved" ? "moved" : "watch", lagWords(m.lag));
    const brief = briefWords(m.brief);
    lines.push({
      hoster: m.hoster, family: m.family, to: m.to.asn, toName: m.to.name, migration: m,
      what: `${m.kind === "cnc.moved" ? "moved" : "perhaps moved (too few points to say so)"}, seen there ${lagWords(m.lag)}${brief && `, ${brief}`}`,
    });
  }
  const settled = fated.filter((x) => x.fate !== "moved" && !moved.has(`${x.hoster}\n${x.family}`));
  for (const x of settled) {
    const words = ends[x.fate] ?? x.fate;
    lines.push({ hoster: x.hoster, family: x.family, to: 0, toName: "", what: words });
    const f = family(x.family);
    stream(home(x.hoster), f, least, "home", "");
    stream(f, stop({ id: `end ${words}`, layer: 2, name: words }), least, "end", "");
  }
  return { stops: [...stops.values()], streams: [...streams.values()], lines };
}

/** How high the picture has to be, so that the names of a layer do not lie on one another. */
export function flowHeight(flows: Flows): number {
  const most = Math.max(0, ...[0, 1, 2].map((layer) => flows.stops.filter((s) => s.layer === layer).length));
  return Math.min(900, Math.max(160, most * 34 + 24));
}

/** What is seen, in a sentence. */
export function flowSentence(flows: Flows): string {
  const families = flows.stops.filter((s) => s.layer === 1).length;
  const networks = flows.stops.filter((s) => s.id.startsWith("as ")).length;
  const moved = flows.lines.filter((l) => l.migration?.kind === "cnc.moved").length;
  return `${families === 1 ? "1 family" : `${families} families`}, ${moved === 1 ? "1 move" : `${moved} moves`} to ${networks === 1 ? "1 network" : `${networks} networks`}. The list below the picture says the same.`;
}

export const movesOf = (list: readonly Migration[] | null | undefined) => many(list).filter((m) => moves.has(m.kind));

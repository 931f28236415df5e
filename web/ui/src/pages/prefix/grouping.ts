// Arranges routes and moments for reading. Pure; it judges nothing.
import { many, type CarriedHoster, type Difference, type Event, type Route } from "../../api/types";

/** Routes that are told together: those of one upstream, heard or not. */
export interface Group {
  key: string;
  upstream: number; // 0: none
  was: number; // of routes that changed: the upstream of before; otherwise the same as upstream
  known: boolean;
  peers: number; // of them
  prefixes: number;
  heads: readonly (readonly [number, number])[]; // the ASes that hear it from the upstream, with how many peers hear it through them; most first
  rows: readonly Row[];
}

export interface Row {
  route: Route;
  was?: Route; // along another path
}

/** Puts rows together by upstream, the largest group first; what is not known comes last. */
export function grouped(rows: readonly Row[]): Group[] {
  const all = new Map<string, Row[]>();
  for (const r of rows) {
    const key = `${r.was ? r.was.upstream ?? 0 : ""}>${r.route.upstream ?? 0} ${r.route.known}`;
    const list = all.get(key);
    if (list) list.push(r);
    else all.set(key, [r]);
  }
  return [...all.entries()].map(([key, list]) => groupOf(key, list)).sort((a, b) => Number(b.known) - Number(a.known) || b.peers - a.peers || a.upstream - b.upstream || a.was - b.was);
}

function groupOf(key: string, rows: readonly Row[]): Group {
  const first = rows[0]!;
  const heads = new Map<number, Set<string>>();
  for (const { route } of rows) {
    const head = headOf(route);
    if (head) heads.set(head, (heads.get(head) ?? new Set()).add(peerKey(route)));
  }
  return {
    key,
    upstream: first.route.upstream ?? 0,
    was: (first.was ?? first.route).upstream ?? 0,
    known: first.route.known,
    peers: new Set(rows.map((r) => peerKey(r.route))).size,
    prefixes: new Set(rows.map((r) => r.route.prefix)).size,
    heads: [...heads.entries()].map(([asn, peers]) => [asn, peers.size] as const).sort((a, b) => b[1] - a[1] || a[0] - b[0]),
    rows,
  };
}

function peerKey(r: Route): string {
  return `${r.peer.collector} ${r.peer.addr} ${r.peer.asn}`;
}

/** The AS left of the upstream; 0 where the upstream is the peer's own, or a set stands there. */
function headOf(r: Route): number {
  const path = many(r.path);
  const at = path.findIndex((h) => h === r.upstream);
  const head = at > 0 ? path[at - 1] : undefined;
  return typeof head === "number" ? head : 0;
}

/** Whether a route has the word in it: an AS, an address, a collector, a prefix. */
export function matches(row: Row, word: string): boolean {
  const want = word.trim().toLowerCase();
  if (want === "") return true;
  const asn = /^as(\d+)$/.exec(want)?.[1] ?? (/^\d+$/.test(want) ? want : undefined);
  for (const r of row.was ? [row.route, row.was] : [row.route]) {
    if (asn !== undefined && many(r.path).flat().some((a) => String(a) === asn)) return true;
    if (asn !== undefined && String(r.peer.asn) === asn) return true;
    if (`${r.peer.collector} ${r.peer.addr} ${r.prefix}`.toLowerCase().includes(want)) return true;
  }
  return false;
}

/** What is different, in the order in which it is read. */
export function parts(d: Difference): { name: "went" | "came" | "changed" | "unknown"; rows: Row[] }[] {
  return [
    { name: "went", rows: many(d.went).map((route) => ({ route })) },
    { name: "came", rows: many(d.came).map((route) => ({ route })) },
    { name: "changed", rows: many(d.changed).map((c) => ({ route: c.after, was: c.before })) },
    { name: "unknown", rows: many(d.unknown).map((route) => ({ route })) },
  ];
}

/** One loss: a moment before its first sign, and the one at which the last of it was confirmed. */
export interface Loss {
  before: string; // RFC 3339
  after: string;
  events: readonly Event[];
}

const losing = new Set(["upstream.lost", "route.withdrawn", "hoster.dark", "transit.lost", "origin.new"]);
const apart = 6 * 3_600_000; // losses of one night are one

/** An event is first seen when much has gone already; minutes before, nothing had. */
export const lead = 5 * 60_000;

/** A moment before an event showed itself, and the one at which it was sure. */
export function around(events: readonly Event[]): { before: string; after: string } {
  return {
    before: moment(Math.min(...events.map((e) => Date.parse(e.first_seen))) - lead),
    after: moment(Math.max(...events.map((e) => Date.parse(e.at)))),
  };
}

/** The losses of a story, the last one first. */
export function losses(events: readonly Event[]): Loss[] {
  const list = events.filter((e) => losing.has(e.kind)).sort((a, b) => Date.parse(a.first_seen) - Date.parse(b.first_seen));
  const out: Event[][] = [];
  let end = -Infinity;
  for (const e of list) {
    if (Date.parse(e.first_seen) - end > apart) out.push([]);
    out[out.length - 1]!.push(e);
    end = Math.max(end, Date.parse(e.at));
  }
  return out.reverse().map((group) => ({ ...around(group), events: group }));
}

/** RFC 3339, to the second where that is exact. */
export function moment(ms: number): string {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}

/** Reads a moment as people write it, in UTC: 2008-11-11, 2008-11-11 21:00, 2008-11-11T21:00:31Z. A day is its beginning. Undefined: it is none. */
export function readMoment(text: string): string | undefined {
  const m = /^\s*(\d{4})-(\d\d)-(\d\d)(?:[T ]+(\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?)?\s*(?:Z|UTC)?\s*$/i.exec(text);
  if (!m) return undefined;
  const [year, month, day, hour, minute, second] = m.slice(1, 7).map((x) => Number(x ?? 0)) as [number, number, number, number, number, number];
  const at = Date.UTC(year, month - 1, day, hour, minute, second);
  const d = new Date(at);
  // 31 November is none, and 25 o'clock neither.
  if (year < 1970 || d.getUTCMonth() !== month - 1 || d.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59) return undefined;
  return moment(at).replace(/Z$/, `${m[7] ?? ""}Z`);
}

/** How a moment stands in the field: 2008-11-11 21:00:31. */
export function written(at: string): string {
  return at.replace("T", " ").replace(/Z$/, "");
}

/** The two moments in their order, and which of them is the chosen one. */
export function inOrder(at: string, other: string): readonly [string, string] {
  return Date.parse(other) <= Date.parse(at) ? [other, at] : [at, other];
}

/** How the league of an upstream stands in a period. */
export type Standing = "carries" | "gained" | "dropped" | "passed";

export function standingOf(h: CarriedHoster): Standing {
  if (h.after > 0) return h.before > 0 ? "carries" : "gained";
  return h.before > 0 ? "dropped" : "passed";
}

/** What came and went first, the latest before; then those that stayed, those with the most prefixes first. */
export function league(hosters: readonly CarriedHoster[]): CarriedHoster[] {
  const when = (h: CarriedHoster) => Math.max(h.dropped ? Date.parse(h.dropped) : 0, h.gained ? Date.parse(h.gained) : 0);
  return [...hosters].sort((a, b) => when(b) - when(a) || b.after - a.after || a.name.localeCompare(b.name));
}

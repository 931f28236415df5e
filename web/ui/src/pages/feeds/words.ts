// Our own eyes in words: how a feed and a peer are, when we were blind, and what can be done.
import { many, type Feed, type Gap, type Peer } from "../../api/types";
import { count, lasting, listed } from "../../words";

/** What one can do about a hole, by why it is there; "" where there is nothing to do. */
export function adviceOfGap(g: Pick<Gap, "reason" | "cause" | "source">): string {
  const cause = (g.cause ?? "").toLowerCase();
  if (cause.includes("not running")) return "depeer itself was away: what was missed is fetched from the archives, where the feed has any.";
  switch (g.reason) {
    case "session lost":
      if (cause.includes("hold timer")) return "The neighbour said nothing for the hold time: look at the line between, and at the load of the router.";
      if (cause.includes("administrative") || cause.includes("cease")) return "The neighbour closed the session on purpose: ask whoever runs it. It is taken up again when it comes back.";
      return "Look at the line and at the neighbour's log. The session is taken up again by itself.";
    case "feed lost":
      return "The connection to the source is gone; depeer tries again by itself. Look at this machine's way to the Internet, and at the source's own status page.";
    case "silent":
      return "The collector says nothing, although its line stands: look at its operator's status page. Until it speaks, its peers do not count.";
    case "table lost":
      return "Most prefixes that everybody has are gone from this peer at once: that is its own trouble, not the Internet's. It counts again when it has them back.";
    case "sending its table again":
      return "Nothing to do: it counts again when its table is whole.";
    default:
      return "";
  }
}

/** What one can do about a feed that is not ready. */
export function adviceOfFeed(f: Pick<Feed, "ready" | "reason" | "type">): string {
  const why = (f.reason ?? "").toLowerCase();
  if (f.ready) return "";
  if (f.type === "elsewhere") return "Another process of this depeer hears it: look at its log there.";
  if (why.includes("archive") || f.type === "mrt") return "The archive comes later than what is live: look at its address in the configuration, and at this machine's way there.";
  if (why.includes("neighbour") || f.type === "speaker") return "On both sides: are address, AS number and password the same, and is the port open? The neighbour's log says why it refuses.";
  if (why.includes("refuses")) return "The source does not accept what the configuration asks for (sources).";
  if (f.type === "bmp") return "Does the router send to this address and port? Its log says whether it connects.";
  if (why.includes("begun") || why.includes("still")) return "Nothing to do but wait.";
  return "depeer tries again by itself. Look at this machine's way to the Internet, and at the source's status page.";
}

/** How a peer is, for who does not know the words of the protocol. */
export function peerState(p: Pick<Peer, "state" | "table">): string {
  switch (p.state) {
    case "up": return many(p.table).some(Boolean) ? "heard" : "heard, its whole table is not known";
    case "syncing": return "is sending its table";
    case "stale": return "silent for too long";
    case "down": return "not heard";
    default: return "not heard yet";
  }
}

/** Whether a peer's word counts. */
export function isUp(p: Pick<Peer, "state">): boolean {
  return p.state === "up";
}

export function tables(table: readonly boolean[] | null | undefined): string {
  const known = ["IPv4", "IPv6"].filter((_, i) => many(table)[i]);
  return known.length > 0 ? listed(known) : "none";
}

export interface Group {
  collector: string;
  peers: Peer[];
  up: number;
}

/** Peers by collector, those with trouble first; wanted is part of an address, AS, collector, state or cause. */
export function grouped(peers: readonly Peer[], wanted: string, state: string): Group[] {
  const text = wanted.trim().toLowerCase();
  const out = new Map<string, Group>();
  for (const p of peers) {
    if (state === "up" ? !isUp(p) : state === "not" ? isUp(p) : false) continue;
    if (text && !`${p.collector} ${p.address} as${p.asn} ${p.asn} ${p.state} ${p.cause ?? ""}`.toLowerCase().includes(text)) continue;
    const g = out.get(p.collector) ?? { collector: p.collector, peers: [], up: 0 };
    g.peers.push(p);
    if (isUp(p)) g.up++;
    out.set(p.collector, g);
  }
  return [...out.values()].sort((a, b) => b.peers.length - b.up - (a.peers.length - a.up) || a.collector.localeCompare(b.collector));
}

/** How long a hole lasted, or lasts. */
export function lasted(g: Pick<Gap, "from" | "to">, now: number): string {
  const ms = (g.to ? Date.parse(g.to) : now) - Date.parse(g.from);
  return g.to ? lasting(ms) : `${lasting(ms)} so far`;
}

/** Who was not heard: all of a collector, or some. */
export function whom(g: Gap): string {
  const where = g.collector ? ` at ${g.collector}` : g.source ? ` of ${g.source}` : "";
  if (!g.to && g.away > 0 && g.away < g.peers) return `${count(g.away, "peer")} of ${g.peers}${where}`;
  return g.peers > 0 ? `${count(g.peers, "peer")}${where}` : `everything${where}`;
}

export interface Strip {
  place: string;
  bars: { gap: Gap; left: number; width: number }[]; // parts of one
}

/** The holes as bars between two moments, a line for each collector; beyond most lines the rest share the last. */
export function strips(gaps: readonly Gap[], from: number, to: number, most = 25): Strip[] {
  const by = new Map<string, Gap[]>();
  for (const g of gaps) {
    const key = g.collector || g.source || "everything";
    by.set(key, [...(by.get(key) ?? []), g]);
  }
  const places = [...by.keys()].sort((a, b) => by.get(b)!.length - by.get(a)!.length || a.localeCompare(b));
  const kept = places.slice(0, places.length > most ? most - 1 : most).sort();
  const lines: [string, Gap[]][] = kept.map((p) => [p, by.get(p)!]);
  const rest = places.slice(places.length > most ? most - 1 : most);
  if (rest.length > 0) lines.push([`${rest.length} others`, rest.flatMap((p) => by.get(p)!)]);
  const span = Math.max(1, to - from);
  const at = (t: number) => Math.min(1, Math.max(0, (t - from) / span));
  return lines.map(([place, list]) => ({
    place,
    bars: list.map((gap) => {
      const left = at(Date.parse(gap.from));
      return { gap, left, width: Math.max(0, at(gap.to ? Date.parse(gap.to) : to) - left) };
    }),
  }));
}

/** Moments to write under a line between two moments: at most so many, at whole units. */
export function ticks(from: number, to: number, most: number): number[] {
  const units = [60_000, 300_000, 900_000, 3_600_000, 3 * 3_600_000, 6 * 3_600_000, 12 * 3_600_000, 86_400_000, 2 * 86_400_000, 7 * 86_400_000, 30 * 86_400_000, 90 * 86_400_000, 365 * 86_400_000];
  const unit = units.find((u) => (to - from) / u <= most) ?? 365 * 86_400_000 * Math.ceil((to - from) / (365 * 86_400_000 * most));
  const out: number[] = [];
  for (let t = Math.ceil(from / unit) * unit; t <= to; t += unit) out.push(t);
  return out;
}

/** 11 Nov; 11 Nov 21:00 where the unit is less than a day. */
export function tick(t: number, span: number): string {
  const d = new Date(t);
  const day = d.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
  if (span > 400 * 86_400_000) return `${day} ${d.getUTCFullYear()}`;
  const clock = d.toISOString().slice(11, 16);
  if (span > 5 * 86_400_000) return day;
  return clock === "00:00" ? day : clock;
}

/** When we were blind, in a sentence. */
export function blind(gaps: readonly Gap[], open: readonly Gap[]): string {
  if (gaps.length === 0) return "No hole is known in this time.";
  const places = new Set(gaps.map((g) => g.collector || g.source));
  const filled = gaps.filter((g) => g.filled).length;
  const parts = [`${count(gaps.length, "hole")} at ${count(places.size, "collector")}`];
  if (open.length > 0) parts.push(`${open.length} still open`);
  parts.push(filled > 0 ? `${filled} filled from the archives` : "none filled from the archives");
  return `${listed(parts)}.`;
}

// Why there was an alarm, or none, in sentences.
import { many, type Explanation, type UpstreamShare } from "../../api/types";
import { as, count, listed, percent, utc } from "../../words";

export type Tone = "alarm" | "pending" | "calm" | "known";

export interface Answer {
  tone: Tone;
  text: string;
}

/** A share as exactly as it matters near a threshold: 2.5 %. */
export function fine(part: number): string {
  const p = part * 100;
  return p > 0 && p < 10 && Math.abs(p - Math.round(p)) > 0.05 ? `${p.toFixed(1)} %` : percent(part);
}

function who(u: UpstreamShare): string {
  return `${as(u.asn)}${u.family === 6 ? " (IPv6)" : ""}`;
}

/** The upstream that is nearest to being lost: of what it usually carries, the least is left. */
export function nearest(list: readonly UpstreamShare[]): UpstreamShare | undefined {
  let best: UpstreamShare | undefined;
  for (const u of list) {
    if (u.baseline <= 0) continue;
    const left = (x: UpstreamShare) => (x.share - x.lost_at) / x.baseline;
    if (!best || left(u) < left(best) || (left(u) === left(best) && u.baseline > best.baseline)) best = u;
  }
  return best;
}

/** The upstreams of all answers, each once: they are those of the hoster. */
export function upstreams(list: readonly Explanation[]): UpstreamShare[] {
  const out = new Map<string, UpstreamShare>();
  for (const x of list) for (const u of many(x.upstreams)) out.set(`${x.hoster} ${u.asn} ${u.family}`, u);
  return [...out.values()].sort((a, b) => a.family - b.family || b.baseline - a.baseline || a.asn - b.asn);
}

/**
 * One sentence that answers the question; past: it is about a moment that is over. Where no
 * incident is open, what is gone was told before, and is taken as the new normal.
 */
export function answer(list: readonly Explanation[], past: boolean, open = true): Answer {
  const x = alarm(list, past);
  return x.tone === "alarm" && !open ? { tone: "known", text: x.text.replace("Alarm: ", "No new alarm: ").replace(/\.$/, past ? ", and no incident was open." : ", and no incident is open any more.") } : x;
}

function alarm(list: readonly Explanation[], past: boolean): Answer {
  const is = past ? "was" : "is";
  const lost = list.filter((x) => x.state === "lost");
  const all = upstreams(list);
  const gone = all.filter((u) => u.lost);
  if (lost.length > 0) {
    const first = lost.map((x) => x.since).filter(Boolean).sort()[0];
    const what = list.length === 1 ? `${lost[0]!.prefix} ${is} withdrawn` : `${lost.length === list.length ? (list.length === 2 ? "both prefixes" : `all ${list.length} prefixes`) : `${lost.length} of ${count(list.length, "prefix", "prefixes")}`} ${lost.length === 1 ? is : past ? "were" : "are"} withdrawn`;
    const by = gone.length > 0 ? `, and ${listed(gone.map(who))} ${gone.length === 1 ? is : past ? "were" : "are"} lost` : "";
    return { tone: "alarm", text: `Alarm: ${what}${first ? ` since ${utc(first)}` : ""}${by}.` };
  }
  if (gone.length > 0) {
    const u = gone[0]!;
    return { tone: "alarm", text: `Alarm: ${listed(gone.map(who))} ${gone.length === 1 ? is : past ? "were" : "are"} lost${u.since ? ` since ${utc(u.since)}` : ""}: ${gone.length === 1 ? "it" : who(u)} carries ${fine(u.share)} of the routes, usually ${fine(u.baseline)}.`.replace("carries", past ? "carried" : "carries") };
  }
  const carries = past ? "carried" : "carries";
  const waiting = all.find((u) => u.hold_ends);
  if (waiting) {
    return {
      tone: "pending",
      text: `An alarm ${past ? "was" : "is"} pending: ${who(waiting)} ${carries} ${fine(waiting.share)} of the routes, usually ${fine(waiting.baseline)}, and counts as lost from ${fine(waiting.lost_at)} on down. The hold ${past ? "ended" : "ends"} ${utc(waiting.hold_ends!)}.`,
    };
  }
  const held = list.find((x) => x.hold_ends);
  if (held) {
    return {
      tone: "pending",
      text: `An alarm ${is} pending: ${held.prefix} ${is} seen by ${held.holding} of ${count(held.eligible, "peer")}, usually ${number(held.baseline)}. The hold ${past ? "ended" : "ends"} ${utc(held.hold_ends!)}.`,
    };
  }
  const odd = list.find((x) => x.verdict !== list[0]?.verdict);
  const u = nearest(all);
  if (u && !odd) {
    return { tone: "calm", text: `No alarm: ${who(u)} ${carries} ${fine(u.share)} of ${list.length === 1 && list[0]!.hoster ? "the hoster's" : "its"} routes, usually ${fine(u.baseline)}; it counts as lost from ${fine(u.lost_at)} on down.` };
  }
  const worst = [...list].sort((a, b) => left(a) - left(b))[0];
  if (!worst) return { tone: "calm", text: "No alarm: nothing is known of it." };
  const of = list.length > 1 ? `${worst.prefix}: ` : "";
  return { tone: "calm", text: sentence(of + worst.verdict.replace(/^no alert: /, "no alarm: ").replace("alert", "alarm")) };
}

/** How far a prefix is from being withdrawn, of what is usual. */
function left(x: Explanation): number {
  return x.baseline > 0 ? (x.holding - x.lost_at) / x.baseline : 2;
}

/** Peers that are usual may be no whole number. */
export function number(n: number): string {
  return Number.isInteger(n) ? String(n) : n.toFixed(1);
}

/** With a capital and a full stop. */
export function sentence(text: string): string {
  return text ? `${text[0]!.toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}` : "";
}

/** The verdict of one prefix as the page says it. */
export function verdict(x: Explanation): string {
  return sentence(x.verdict.replace("alert", "alarm"));
}

export interface PeerRow {
  peer: string;
  state: string;
  counted: boolean;
  holds: boolean;
  path?: string;
  since?: string;
}

/** Why a peer is left out. */
export function leftOut(p: PeerRow): string {
  if (p.counted) return "";
  switch (p.state) {
    case "zombie": return "stuck: it still has a route that all others withdrew";
    case "stale": return "silent for longer than it should be";
    case "syncing": return "it is sending its table";
    case "down":
    case "away": return "it is not heard";
    case "unknown": return "it was not heard yet";
    case "up": return "no baseline: it did not hold the prefix lately, and its whole table is not known";
    default: return p.state;
  }
}

/** Peers by what they say: who is without the prefix first, then who holds it, then who does not count. */
export function sorted(list: readonly PeerRow[]): PeerRow[] {
  const rank = (p: PeerRow) => (!p.counted ? 2 : p.holds ? 1 : 0);
  return [...list].sort((a, b) => rank(a) - rank(b) || a.peer.localeCompare(b.peer));
}

/** Those who are left out, by reason: the reason and how many. */
export function reasons(list: readonly PeerRow[]): { why: string; peers: number }[] {
  const out = new Map<string, number>();
  for (const p of list) if (!p.counted) out.set(leftOut(p), (out.get(leftOut(p)) ?? 0) + 1);
  return [...out].map(([why, peers]) => ({ why, peers })).sort((a, b) => b.peers - a.peers);
}

/** The path of a peer's row: numbers, and sets in braces. */
export function pathOf(text: string | undefined): (number | number[])[] {
  return (text ?? "").split(" ").filter(Boolean).map((hop) => (hop.startsWith("{") ? hop.replace(/[{}]/g, "").split(",").map(Number) : Number(hop)));
}

/** What is asked about: a hoster, or a prefix or an address. */
export function subjectOf(text: string, names: ReadonlyMap<string, string>): { hoster?: string; prefix?: string } {
  const t = text.trim();
  if (names.has(t)) return { hoster: t };
  for (const [id, name] of names) if (name.toLowerCase() === t.toLowerCase()) return { hoster: id };
  return /^[0-9a-f.:]+(\/\d{1,3})?$/i.test(t) && /[.:]/.test(t) ? { prefix: t } : { hoster: t };
}

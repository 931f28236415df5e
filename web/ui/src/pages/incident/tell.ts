// How the facts of an incident are said: the same words on the page and in a ticket.
import { many, type Event, type Evidence, type Told } from "../../api/types";
import { as, count, lasting, listed, percent } from "../../words";

const kinds: Record<string, string> = {
  "route.withdrawn": "Withdrawn", "route.restored": "Back", "upstream.lost": "Upstream lost", "upstream.restored": "Upstream back", "upstream.gained": "New upstream",
  "transit.lost": "Transit lost", "origin.new": "New origin", "origin.gone": "Origin gone", "prefix.new": "New prefix", "hoster.dark": "Dark", "hoster.returned": "Back again",
  "feed.lost": "Our feed lost peers", "feed.stale": "Our feed is silent", "feed.restored": "Our feed is back", "cnc.moved": "C&C moved", "cnc.watch": "C&C to watch", "cnc.no-gap": "C&C never paused",
};

/** The kinds that the filter of the list offers. */
export const eventKinds = Object.keys(kinds).filter((k) => !k.startsWith("cnc."));

export function kindName(kind: string): string {
  return kinds[kind] ?? kind.replaceAll(".", " ");
}

const classes: Record<string, string> = {
  depeered: "dropped by upstreams", blackout: "blackout", rewired: "rewired: a new upstream took it over", moved: "moved to another AS", repeered: "repeered behind a new upstream",
  "upstream-failure": "its upstream fails itself", "hijack-suspect": "somebody else announces its space",
};

export const incidentClasses = Object.keys(classes);

export function className(c: string): string {
  return classes[c] ?? c;
}

export const phases: Record<string, string> = {
  open: "confirmed, and it lasts",
  recovering: "as it was before; over if it stays so",
  resolved: "over",
};

export function resolutionName(r: string | null): string {
  switch (r) {
    case "recovered": return "it came back as it was before";
    case "new-normal": return "it lasted so long that it counts as normal now";
    case "unwatched": return "the hoster is watched no more: what became of it is not known";
    default: return r ?? "";
  }
}

/** What an event is about: prefixes in a list of their own count by their number. */
export function eventSubject(e: Event): string {
  const family = e.family === 6 ? " (IPv6)" : "";
  const n = many(e.prefixes).length;
  const space = e.prefix ?? (n === 1 ? many(e.prefixes)[0]! : n > 1 ? count(n, "prefix", "prefixes") : "");
  switch (e.kind) {
    case "upstream.lost": return `${as(e.upstream ?? 0)} carries ${e.after === 0 ? "none" : percent(e.after)} of it, before ${percent(e.before)}${family}`;
    case "upstream.restored": return `${as(e.upstream ?? 0)} carries ${percent(e.after)} of it again${family}`;
    case "upstream.gained": return `${as(e.upstream ?? 0)} carries ${percent(e.after)} of it; never seen before${family}`;
    case "transit.lost": return `${as(e.via ?? 0)} above ${as(e.upstream ?? 0)} is gone; ${as(e.upstream ?? 0)} stays${family}`;
    case "origin.new": return `${space} comes from ${as(e.origin ?? 0)}${e.rpki ? `, RPKI: ${e.rpki}` : ""}`;
    case "origin.gone": return `${space} comes from ${as(e.origin ?? 0)} no more`;
    case "prefix.new": return `${space} is announced for the first time`;
    case "route.withdrawn": return `${space} is seen by ${percent(e.after)} of ${count(e.eligible, "peer")}, before ${percent(e.before)}`;
    case "route.restored": return `${space} is seen by ${percent(e.after)} of ${count(e.eligible, "peer")} again`;
    case "hoster.dark": return `every prefix of it is gone${n > 1 ? ` (${count(n, "prefix", "prefixes")})` : ""}`;
    case "hoster.returned": return `${space || "a prefix of it"} ${!e.prefix && n > 1 ? "are" : "is"} back`;
    case "feed.lost": return `${e.collector || e.source || "a feed"} lost ${count(e.peers_lost ?? 0, "peer")}${e.reason ? `: ${e.reason}` : ""}`;
    case "feed.stale": return `${e.collector || e.source || "a feed"} says nothing any more${e.reason ? `: ${e.reason}` : ""}`;
    case "feed.restored": return `${e.collector || e.source || "a feed"} is heard again`;
    default: return space;
  }
}

const messages: Record<string, string> = { A: "announced", W: "withdrew", B: "had in its table", S: "session changed" };

/** The type of a message in a word. */
export function messageName(type: Evidence["type"]): string {
  return messages[type] ?? type;
}

/** 2008-11-11 21:02:51.123456Z: to the microsecond, in which BGP messages are told apart. */
export function exact(at: string): string {
  const m = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d+))?Z$/.exec(at);
  if (!m) return at;
  return `${m[1]} ${m[2]}.${(m[3] ?? "").slice(0, 6).padEnd(6, "0")}Z`;
}

export function pathText(path: Evidence["path"]): string {
  return many(path)
    .map((h) => (typeof h === "number" ? String(h) : `{${h.join(",")}}`))
    .join(" ");
}

/** Why it counted: the numbers that were judged. */
export function judged(e: Event): string {
  if (e.kind.startsWith("feed.")) return "Our own eyes: nothing is concluded from what they do not see.";
  const what = e.kind.startsWith("upstream.") || e.kind === "transit.lost" ? "The share of its routes" : "The part of peers that hold a route";
  const numbers = `${what} went from ${percent(e.before)} to ${percent(e.after)}, of ${count(e.eligible, "eligible peer")}${many(e.sources).length ? ` at ${listed(many(e.sources))}` : ""}.`;
  const held = Date.parse(e.at) - Date.parse(e.first_seen);
  const hold = held > 0 ? ` It had lasted ${lasting(held)} when it was confirmed.` : "";
  const zombies = many(e.zombies).length ? ` Left out, because stuck: ${listed(many(e.zombies))}.` : "";
  const failing = e.upstream_failing ? " Other networks behind the upstream went too." : "";
  return numbers + hold + zombies + failing;
}

/** What came of telling somebody, in words. */
export function toldText(t: Told): string {
  switch (t.outcome) {
    case "sent": return `was told${t.title ? `: ${t.title}` : ""}`;
    case "failed": return `could not be told${t.attempt ? ` (attempt ${t.attempt})` : ""}, it is tried again${t.why ? `: ${t.why}` : ""}`;
    case "dead": return `could not be told, given up${t.why ? `: ${t.why}` : ""}`;
    case "held": return `is not told now${t.why ? `: ${t.why}` : ""}`;
    case "unwanted": return "nobody is told: no subscription matches";
    default: return t.outcome;
  }
}

/** Who was not told is worth a look. */
export function toldSeverity(t: Told): "info" | "warning" | "critical" {
  return t.outcome === "dead" ? "critical" : t.outcome === "sent" ? "info" : "warning";
}

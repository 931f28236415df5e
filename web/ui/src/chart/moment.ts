// What all rows say of one moment. Pure.
import type { Event } from "../api/types";
import { as, percent } from "../words";
import { valueAt } from "./course";
import type { Arranged, Hole, LaneRow, Mark } from "./lanes";

export interface Part {
  key: string;
  name: string;
  tint: number; // -1: visibility
  stranger: boolean;
  value: number;
  eligible: number;
  since: number;
}

export interface Reading {
  at: number;
  visibility: Part[];
  upstreams: Part[]; // that carry something, largest first
  origins: Part[]; // likewise
  blind: boolean; // nobody was there to see
  bars: { key: string; title: string; detail: string }[]; // intervals, sightings, incidents that hold then
  events: Mark[]; // near it
  holes: Hole[]; // that hold then, and were not filled since
}

/** near: what so many milliseconds away is still at the moment: that of some pixels. */
export function readingAt(a: Arranged, at: number, near: number): Reading {
  const out: Reading = { at, visibility: [], upstreams: [], origins: [], blind: false, bars: [], events: [], holes: [] };
  let eyes = 0;
  for (const r of a.rows) {
    if (r.kind === "lane") {
      const p = part(r, at);
      if (r.section === "visibility") {
        out.visibility.push(p);
        eyes += p.eligible;
      } else if (p.eligible > 0 && p.value > 0) (r.section === "upstreams" ? out.upstreams : out.origins).push(p);
      else eyes += p.eligible;
    } else if (r.kind === "bars") {
      for (const b of r.bars) if (b.from - near <= at && at <= b.to + near && (r.section !== "prefixes" || at < b.to)) out.bars.push({ key: `${r.key} ${b.track} ${b.from}`, title: r.title, detail: b.detail });
    }
  }
  out.upstreams.sort((x, y) => y.value - x.value);
  out.origins.sort((x, y) => y.value - x.value);
  out.blind = eyes === 0 && out.upstreams.length === 0 && out.origins.length === 0;
  out.events = a.marks.filter((m) => Math.abs(m.at - at) <= near);
  out.holes = a.holes.filter((h) => !h.filled && h.from <= at && at <= h.to);
  return out;
}

function part(r: LaneRow, at: number): Part {
  const v = valueAt(r.course, at);
  return { key: r.key, name: r.title, tint: r.tint, stranger: r.stranger, value: v?.value ?? 0, eligible: v?.eligible ?? 0, since: v?.since ?? at };
}

/** A part of one of those who could have seen it; it claims nothing where nobody could. */
export function said(p: Part): string {
  return p.eligible > 0 ? percent(p.value) : "nobody to see";
}

/** An event in words that a person reads. */
export function eventWords(e: Event): string {
  const change = `, ${percent(e.before)} → ${percent(e.after)}`;
  const family = e.family === 6 ? " (IPv6)" : "";
  const what = e.prefix ?? "a prefix";
  switch (e.kind) {
    case "upstream.lost": return `upstream lost: ${as(e.upstream ?? 0)}${change}${family}`;
    case "upstream.restored": return `upstream restored: ${as(e.upstream ?? 0)}${change}${family}`;
    case "upstream.gained": return `upstream gained: ${as(e.upstream ?? 0)}${change}${family}`;
    case "transit.lost": return `transit lost: ${as(e.via ?? 0)} above ${as(e.upstream ?? 0)}${change}${family}`;
    case "route.withdrawn": return `withdrawn: ${what}${change}`;
    case "route.restored": return `restored: ${what}${change}`;
    case "prefix.new": return `new prefix: ${what}`;
    case "origin.new": return `new origin: ${what} from ${as(e.origin ?? 0)}${e.more_specific ? ", a more specific" : ""}${e.rpki === "invalid" ? ", RPKI invalid" : ""}`;
    case "origin.gone": return `origin gone: ${what} no more from ${as(e.origin ?? 0)}`;
    case "hoster.dark": return "dark: all prefixes withdrawn";
    case "hoster.returned": return "returned: routed again";
    case "feed.lost": case "feed.stale": case "feed.restored":
      return `${e.kind === "feed.lost" ? "feed lost" : e.kind === "feed.stale" ? "feed silent" : "feed restored"}: ${e.collector || e.source || ""}${e.peers_lost ? `, ${e.peers_lost} peers` : ""}`;
    default: return e.kind.replaceAll(".", " ");
  }
}

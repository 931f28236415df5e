// What a timeline shows, row by row from the top: arranged, not judged. Pure.
import { many, type Event, type Gap, type Incident, type Interval, type Lane, type Migration, type Timeline } from "../api/types";
import { as, count, percent } from "../words";
import { courseOf, spliced, type Course } from "./course";

/** The form of an event's sign says what its colour says, too. */
export type Sign = "lost" | "gained" | "origin" | "dark" | "returned" | "plain";

export interface Mark {
  at: number; // onset, ms
  event: Event;
  sign: Sign;
}

export interface Bar {
  from: number;
  to: number; // Infinity: goes on beyond what is known
  open: boolean; // it was so before
  track: number;
  words: string; // drawn where there is room
  detail: string; // said of it
  tint: number; // 0–7: a colour of the series; -1: the page's text; -2: that of what is wrong
  strength: number; // part of one
  hollow: boolean;
  href: string;
}

export type Section = "incidents" | "events" | "visibility" | "upstreams" | "origins" | "prefixes" | "cnc" | "gaps";

interface Place {
  key: string;
  section: Section;
  title: string;
  note: string; // beside the title, quiet
  href: string;
  y: number; // pixels from the top
  height: number;
}

export interface LaneRow extends Place {
  kind: "lane";
  lane: Lane;
  course: Course;
  full: number; // what the full height means
  tint: number; // as of Bar; -1: visibility
  stranger: boolean; // an origin that is nobody's here
  marks: Mark[];
}

export interface BarRow extends Place {
  kind: "bars";
  bars: Bar[];
  tracks: number;
}

export interface MarkRow extends Place {
  kind: "marks";
  marks: Mark[];
}

export interface GapRow extends Place {
  kind: "gaps";
  gaps: Hole[];
}

export interface HeadRow extends Place {
  kind: "head";
}

export type Row = LaneRow | BarRow | MarkRow | GapRow | HeadRow;

/** A time in which peers were not heard. */
export interface Hole {
  from: number;
  to: number; // Infinity: still
  filled: boolean; // the archives told since what was missed
  gap: Gap;
}

export interface Arranged {
  rows: Row[];
  height: number;
  from: number;
  to: number;
  marks: Mark[]; // all, in order of their onset
  holes: Hole[];
  hidden: { prefixes: number; upstreams: number }; // rows that were left out
}

export interface Choice {
  only?: readonly Section[]; // all where missing
  allPrefixes?: boolean;
  allUpstreams?: boolean;
  moves?: readonly Migration[]; // of its C&C families
  fine?: Timeline; // an answer about a part of the period, with finer steps
}

export const mostPrefixes = 6;
export const mostUpstreams = 10;

const order: readonly Section[] = ["incidents", "events", "visibility", "upstreams", "origins", "prefixes", "cnc", "gaps"];

export function arrange(t: Timeline, choice: Choice = {}): Arranged {
  const tints = tintsOf(t);
  const marks = marksOf(t);
  const holes = holesOf(t);
  const to = Date.parse(t.to);
  const wanted = choice.only ?? order;
  const out: Row[] = [];
  const hidden = { prefixes: 0, upstreams: 0 };
  for (const s of order) {
    if (!wanted.includes(s)) continue;
    switch (s) {
      case "incidents": out.push(...incidentRows(t)); break;
      case "events": if (marks.length > 0) out.push({ kind: "marks", ...row("events", "events", "Events", count(marks.length, "event")), height: 30, marks }); break;
      case "visibility": out.push(...visibilityRows(t, marks, choice)); break;
      case "upstreams": out.push(...upstreamRows(t, marks, tints, choice, hidden)); break;
      case "origins": out.push(...originRows(t, marks, tints, choice)); break;
      case "prefixes": out.push(...prefixRows(t, tints, choice, hidden)); break;
      case "cnc": out.push(...sightRows(t, choice.moves ?? [])); break;
      case "gaps": if (holes.length > 0) out.push({ kind: "gaps", ...row("gaps", "gaps", "Not heard", count(holes.length, "gap"), "/feeds"), height: 16, gaps: holes }); break;
    }
  }
  let y = 4;
  for (const r of out) {
    r.y = y;
    y += r.height + 4;
  }
  return { rows: out, height: y, from: Date.parse(t.from), to, marks, holes, hidden };
}

function row(key: string, section: Section, title: string, note = "", href = ""): Place {
  return { key, section, title, note, href, y: 0, height: 24 };
}

function head(section: Section, title: string, note = ""): HeadRow {
  return { kind: "head", ...row(`head ${section} ${title}`, section, title, note), height: 18 };
}

const palette = [0, 1, 2, 3, 4, 6, 7]; // without the colour of what is wrong

/** Colours by AS: each AS has the one that its number gives, or the next that is free. The same ASes have the same colours, whoever is largest. */
export function tintsOf(t: Timeline): Map<number, number> {
  const out = new Map<number, number>();
  const used = new Set<number>();
  const asns = [...new Set([...many(t.upstreams), ...many(t.origins)].map((l) => l.asn ?? 0))].sort((a, b) => a - b);
  for (const asn of asns) {
    let tint = (Math.imul(asn, 2654435761) >>> 16) % palette.length;
    while (used.has(tint)) tint = (tint + 1) % palette.length;
    out.set(asn, palette[tint]!);
    used.add(tint);
    if (used.size === palette.length) used.clear();
  }
  return out;
}

export function signOf(kind: string): Sign {
  switch (kind) {
    case "upstream.lost": case "transit.lost": case "route.withdrawn": return "lost";
    case "upstream.gained": case "upstream.restored": case "route.restored": case "prefix.new": return "gained";
    case "origin.new": case "origin.gone": return "origin";
    case "hoster.dark": return "dark";
    case "hoster.returned": return "returned";
    default: return "plain";
  }
}

/** When an event began in the world. */
export function onset(e: Event): number {
  const at = Date.parse(e.at);
  const seen = Date.parse(e.first_seen);
  return seen > 0 && seen <= at ? seen : at;
}

function marksOf(t: Timeline): Mark[] {
  return many(t.events)
    .map((event) => ({ at: onset(event), event, sign: signOf(event.kind) }))
    .sort((a, b) => a.at - b.at || a.event.id.localeCompare(b.event.id));
}

function holesOf(t: Timeline): Hole[] {
  return many(t.gaps)
    .map((gap) => ({ from: Date.parse(gap.from), to: gap.to ? Date.parse(gap.to) : Infinity, filled: !!gap.filled, gap }))
    .sort((a, b) => a.from - b.from);
}

/** Bars that overlap come under each other, in as few tracks as there may be; what finds no room shares the last. */
export function inTracks(bars: Bar[], most: number): number {
  const ends: number[] = [];
  for (const b of bars.sort((x, y) => x.from - y.from || x.to - y.to)) {
    let track = ends.findIndex((end) => b.from >= end);
    if (track < 0) track = ends.length < most ? ends.length : most - 1;
    ends[track] = Math.max(ends[track] ?? -Infinity, b.to);
    b.track = track;
  }
  return Math.max(1, ends.length);
}

function incidentRows(t: Timeline): BarRow[] {
  const bars = many(t.incidents).map((i: Incident): Bar => ({
    from: Date.parse(i.opened), to: i.resolved ? Date.parse(i.resolved) : Infinity, open: false, track: 0,
    words: i.class.replaceAll("-", " "), detail: `${i.class.replaceAll("-", " ")}, ${i.phase}`, tint: -1, strength: 1, hollow: false, href: `/incidents/${i.id}`,
  }));
  if (bars.length === 0) return [];
  const tracks = inTracks(bars, 3);
  return [{ kind: "bars", ...row("incidents", "incidents", "Incidents", String(bars.length)), height: tracks * 20, bars, tracks }];
}

function familyName(family: number | undefined): string {
  return family === 4 || family === 6 ? `IPv${family}` : "";
}

/** The steps of a lane; of a part of the time those of the finer answer. */
function steps(l: Lane, of: (t: Timeline) => readonly Lane[], choice: Choice): Course {
  const whole = courseOf(l.points);
  if (!choice.fine) return whole;
  const fine = of(choice.fine).find((x) => x.family === l.family && (x.asn ?? 0) === (l.asn ?? 0));
  return fine ? spliced(whole, courseOf(fine.points), Date.parse(choice.fine.from), Date.parse(choice.fine.to)) : whole;
}

function about(marks: Mark[], l: Lane): Mark[] {
  const ids = new Set(many(l.events));
  return ids.size === 0 ? [] : marks.filter((m) => ids.has(m.event.id));
}

/** What the full height of a group of lanes means: the least round part of one that holds them all. */
export function fullHeight(lanes: readonly Lane[]): number {
  const most = Math.max(0, ...lanes.map((l) => l.peak));
  return [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5].find((v) => most <= v) ?? 1;
}

function families(lanes: readonly Lane[]): Lane[][] {
  const of = (f: number) => lanes.filter((l) => l.family === f);
  return [...new Set(lanes.map((l) => l.family))].sort((a, b) => a - b).map(of);
}

function visibilityRows(t: Timeline, marks: Mark[], choice: Choice): LaneRow[] {
  const of = (x: Timeline) => many(x.visibility);
  return [...of(t)].sort((a, b) => a.family - b.family).map((lane) => ({
    kind: "lane", ...row(`visibility ${lane.family}`, "visibility", `Visibility ${familyName(lane.family)}`, "peers with a route"), height: 56,
    lane, course: steps(lane, of, choice), full: 1, tint: -1, stranger: false, marks: about(marks, lane),
  }));
}

function upstreamRows(t: Timeline, marks: Mark[], tints: Map<number, number>, choice: Choice, hidden: Arranged["hidden"]): Row[] {
  const of = (x: Timeline) => many(x.upstreams);
  const out: Row[] = [];
  for (const all of families(of(t))) {
    const lanes = choice.allUpstreams ? all : all.slice(0, mostUpstreams);
    hidden.upstreams += all.length - lanes.length;
    const full = fullHeight(all);
    out.push(head("upstreams", `Upstreams ${familyName(all[0]!.family)}`, `share of the routes, full height ${percent(full)}`));
    for (const lane of lanes) {
      const asn = lane.asn ?? 0;
      out.push({
        kind: "lane", ...row(`upstream ${lane.family} ${asn}`, "upstreams", as(asn), [lane.name, `most ${percent(lane.peak)}`].filter(Boolean).join(", "), `/upstreams/${asn}`), height: 26,
        lane, course: steps(lane, of, choice), full, tint: tints.get(asn) ?? 0, stranger: false, marks: about(marks, lane),
      });
    }
  }
  return out;
}

const standing: Record<string, number> = { own: 0, other: 1, customer: 2, allowed: 3 };

function originRows(t: Timeline, marks: Mark[], tints: Map<number, number>, choice: Choice): Row[] {
  const of = (x: Timeline) => many(x.origins);
  const out: Row[] = [];
  for (const all of families(of(t))) {
    const lanes = [...all].sort((a, b) => (standing[a.role ?? ""] ?? 1) - (standing[b.role ?? ""] ?? 1));
    const full = fullHeight(all);
    out.push(head("origins", `Origins ${familyName(all[0]!.family)}`, `share of the routes, full height ${percent(full)}`));
    for (const lane of lanes) {
      const asn = lane.asn ?? 0;
      const role = lane.role === "other" ? "not its own" : lane.role ?? "";
      out.push({
        kind: "lane", ...row(`origin ${lane.family} ${asn}`, "origins", asn ? as(asn) : "not known", [role, lane.name].filter(Boolean).join(", "), asn ? `/asns/${asn}` : ""), height: 20,
        lane, course: steps(lane, of, choice), full, tint: tints.get(asn) ?? 0, stranger: lane.role === "other", marks: about(marks, lane),
      });
    }
  }
  return out;
}

function prefixRows(t: Timeline, tints: Map<number, number>, choice: Choice, hidden: Arranged["hidden"]): Row[] {
  const by = new Map<string, Interval[]>();
  for (const p of many(t.prefixes)) by.set(p.prefix, []);
  for (const i of many(t.intervals)) by.get(i.prefix)?.push(i) ?? by.set(i.prefix, [i]);
  const all = [...by.keys()];
  if (all.length === 0) return [];
  const shown = choice.allPrefixes ? all : all.slice(0, mostPrefixes);
  hidden.prefixes = all.length - shown.length;
  const strangers = new Set(many(t.origins).filter((l) => l.role === "other").map((l) => l.asn ?? 0));
  const out: Row[] = [head("prefixes", "Prefixes", "by upstream; hollow: from an origin that is not its own")];
  for (const prefix of shown) {
    const list = by.get(prefix)!;
    const most = Math.max(1, ...list.map((i) => i.peers ?? 1));
    const bars = list.map((i): Bar => ({
      from: Date.parse(i.from), to: i.to ? Date.parse(i.to) : Infinity, open: !!i.open, track: 0, words: "",
      detail: `${i.upstream ? `through ${as(i.upstream)}` : "with no upstream"}, from ${i.origin ? as(i.origin) : "an origin that is not known"}${i.peers ? `, ${count(i.peers, "peer")} at most` : ""}`,
      tint: strangers.has(i.origin) ? -2 : tints.get(i.upstream) ?? 7, strength: 0.35 + 0.65 * ((i.peers ?? 1) / most), hollow: strangers.has(i.origin), href: `/prefixes/${prefix}`,
    }));
    const tracks = inTracks(bars, 5);
    out.push({ kind: "bars", ...row(`prefix ${prefix}`, "prefixes", prefix, "", `/prefixes/${prefix}`), height: Math.max(16, tracks * 6 + 4), bars, tracks });
  }
  return out;
}

/** Where each family was seen, and where it went: hollow is elsewhere. */
function sightRows(t: Timeline, moves: readonly Migration[]): Row[] {
  const home = new Set(many(t.origins).filter((l) => l.role === "own").map((l) => l.asn ?? 0));
  const by = new Map<string, { bars: Bar[]; addresses: Set<string> }>();
  const of = (family: string) => {
    let x = by.get(family);
    if (!x) by.set(family, (x = { bars: [], addresses: new Set() }));
    return x;
  };
  const href = (family: string) => `/families/${encodeURIComponent(family)}`;
  const [from, to] = [Date.parse(t.from), Date.parse(t.to)];
  for (const s of many(t.sightings)) {
    const x = of(s.family);
    x.addresses.add(s.addr);
    x.bars.push({
      from: Date.parse(s.at), to: Date.parse(s.until || s.at), open: false, track: 0, words: home.has(s.asn ?? 0) || !s.asn ? "" : as(s.asn),
      detail: `${s.addr}${s.asn ? ` in ${as(s.asn)}` : ""}, by ${s.source}`, tint: 0, strength: 1, hollow: home.size > 0 && !home.has(s.asn ?? 0), href: href(s.family),
    });
  }
  for (const m of moves) {
    const seen = Date.parse(m.first_seen);
    if (!["cnc.moved", "cnc.watch"].includes(m.kind) || !m.to.asn || seen > to || seen < from) continue;
    of(m.family).bars.push({
      from: seen, to: m.brief === null || m.brief === undefined ? Infinity : seen + m.brief * 1000, open: false, track: 0, words: as(m.to.asn), detail: m.summary, tint: 0, strength: 1, hollow: true, href: href(m.family),
    });
  }
  if (by.size === 0) return [];
  const out: Row[] = [head("cnc", "C&C servers", "full: seen here; hollow: seen elsewhere")];
  [...by].forEach(([family, x], i) => {
    for (const b of x.bars) b.tint = palette[i % palette.length]!;
    const tracks = inTracks(x.bars, 3);
    const note = x.addresses.size > 0 ? count(x.addresses.size, "address", "addresses") : "";
    out.push({ kind: "bars", ...row(`family ${family}`, "cnc", family || "not named", note, href(family)), height: Math.max(18, tracks * 14 + 2), bars: x.bars, tracks });
  });
  return out;
}

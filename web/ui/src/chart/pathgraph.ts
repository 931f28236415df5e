// The graph of AS paths, before and after: who heard it from whom, what went, what came. Pure:
// the same routes give the same graph, in whatever order they come.
import { many, type Route } from "../api/types";

/** stays: at both moments (or there is but one); went: before alone; came: after alone; unknown: whoever had it so was not heard afterwards. */
export type State = "stays" | "went" | "came" | "unknown";

/** How many peers had a route along it. */
export interface Counts {
  before: number;
  after: number;
  unknown: number; // whose last word it is, and who were not heard at that moment
  state: State;
}

export interface GraphNode extends Counts {
  id: string;
  asns: readonly number[]; // of a fold: all of them, in order
  kind: "hoster" | "origin" | "as" | "set" | "fold";
  column: number; // hops to the hoster: 0 is the hoster, 1 its upstreams; what is behind it is below 0
}

export interface GraphEdge extends Counts {
  from: string; // nearer to the peers
  to: string;
  elided: boolean; // other networks stand between the two
}

export interface Graph {
  nodes: readonly GraphNode[];
  edges: readonly GraphEdge[];
  pathless: number; // peers that hold it without a path: it is their own
}

/** The peers that had it so. */
class Voices {
  before = new Set<number>();
  after = new Set<number>();
  unheardBefore = new Set<number>();
  unheardAfter = new Set<number>();

  add(peer: number, known: boolean, later: boolean): void {
    if (later) (known ? this.after : this.unheardAfter).add(peer);
    else (known ? this.before : this.unheardBefore).add(peer);
  }

  join(o: Voices): void {
    for (const name of ["before", "after", "unheardBefore", "unheardAfter"] as const) for (const p of o[name]) this[name].add(p);
  }

  counts(single: boolean): Counts {
    const unheard = single ? this.unheardBefore : this.unheardAfter;
    return { before: this.before.size, after: single ? this.before.size : this.after.size, unknown: unheard.size, state: this.state(single) };
  }

  private state(single: boolean): State {
    const { before, after } = this;
    if (single) return before.size > 0 ? "stays" : "unknown";
    if (before.size > 0 && after.size > 0) return "stays";
    // Who was not heard withdrew nothing, and announced nothing either.
    if (after.size > 0) return [...after].every((p) => this.unheardBefore.has(p)) ? "stays" : "came";
    if (before.size > 0) return [...before].every((p) => this.unheardAfter.has(p)) ? "unknown" : "went";
    return "unknown";
  }
}

type Hop = number | readonly number[];

interface Node {
  id: string;
  asns: readonly number[];
  kind: GraphNode["kind"];
  column: number;
  voices: Voices;
}

interface Edge {
  from: string;
  to: string;
  elided: boolean;
  voices: Voices;
}

interface Draft {
  nodes: Map<string, Node>;
  edges: Map<string, Edge>;
}

export interface Shape {
  columns: number; // left of the hoster, at most
  most: number; // nodes in a column, at most, if it can be had
}

/** The graph of the routes. Without after it is that of one moment. hosters are the AS numbers that are watched; where a path passes none of them, its origin takes their place. */
export function pathGraph(before: readonly Route[], after: readonly Route[] | undefined, hosters: readonly number[], shape: Shape): Graph {
  const draft: Draft = { nodes: new Map(), edges: new Map() };
  const peers = new Map<string, number>();
  const pathless = new Set<number>();
  const watched = new Set(hosters);
  const put = (r: Route, later: boolean) => {
    const key = `${r.peer.collector} ${r.peer.addr} ${r.peer.asn}`;
    const peer = peers.get(key) ?? peers.size;
    peers.set(key, peer);
    const hops = hopsOf(many(r.path));
    if (hops.length === 0) pathless.add(peer);
    else draw(draft, hops, watched, peer, r.known, later, shape.columns);
  };
  for (const r of before) put(r, false);
  for (const r of after ?? []) put(r, true);
  fold(draft, shape.most, after === undefined);
  return finished(draft, after === undefined, pathless.size);
}

/** What stands in a path more than once in a row (prepending) counts once. */
export function hopsOf(path: readonly Hop[]): Hop[] {
  return path.filter((h, i) => i === 0 || idOf(h) !== idOf(path[i - 1]!));
}

function idOf(h: Hop): string {
  return typeof h === "number" ? String(h) : `{${[...h].sort((a, b) => a - b).join(",")}}`;
}

function draw(d: Draft, hops: readonly Hop[], watched: ReadonlySet<number>, peer: number, known: boolean, later: boolean, columns: number): void {
  const passes = hops.findIndex((h) => typeof h === "number" && watched.has(h));
  const centre = passes < 0 ? hops.length - 1 : passes;
  let last: Node | undefined;
  for (let i = 0; i < hops.length; i++) {
    const column = centre - i;
    // Of what is far away only the peer's own network stays.
    if (column >= columns && i > 0) continue;
    const n = node(d, hops[i]!, watched, Math.min(column, columns), column === 0);
    n.voices.add(peer, known, later);
    if (last && last !== n) edge(d, last, n, centre > columns && column === columns - 1).voices.add(peer, known, later);
    last = n;
  }
}

function node(d: Draft, h: Hop, watched: ReadonlySet<number>, column: number, centre: boolean): Node {
  const id = idOf(h);
  const is = d.nodes.get(id);
  if (is) {
    if (is.kind !== "hoster" && Math.abs(column) < Math.abs(is.column)) is.column = column;
    if (centre && is.kind === "as") is.kind = "origin";
    return is;
  }
  const kind = typeof h !== "number" ? "set" : watched.has(h) ? "hoster" : centre ? "origin" : "as";
  const made: Node = { id, asns: typeof h === "number" ? [h] : [...h].sort((a, b) => a - b), kind, column: kind === "hoster" ? 0 : column, voices: new Voices() };
  d.nodes.set(id, made);
  return made;
}

function edge(d: Draft, from: Node, to: Node, elided: boolean): Edge {
  const key = `${from.id}>${to.id}`;
  let e = d.edges.get(key);
  if (!e) d.edges.set(key, (e = { from: from.id, to: to.id, elided, voices: new Voices() }));
  else e.elided &&= elided;
  return e;
}

const crowd = 24; // nodes: beyond that nobody reads each of them

/** Puts networks together: of many, peers that hear it alike; then until no column has more than most, the farthest column first. */
function fold(d: Draft, most: number, single: boolean): void {
  if (d.nodes.size > crowd) foldPeers(d, single);
  const columns = [...new Set([...d.nodes.values()].map((n) => n.column))].sort((a, b) => Math.abs(b) - Math.abs(a) || b - a);
  for (const column of columns) {
    const here = () => [...d.nodes.values()].filter((n) => n.column === column);
    const free = () => here().filter((n) => n.kind !== "hoster");
    const alike = new Map<string, Node[]>();
    for (const n of free()) {
      const key = signature(d, n, single);
      alike.set(key, [...(alike.get(key) ?? []), n]);
    }
    for (const group of [...alike.values()].sort((a, b) => b.length - a.length || compare(a[0]!, b[0]!))) {
      if (here().length <= most) break;
      if (group.length > 1) merge(d, group);
    }
    for (const rest = free().sort((a, b) => weight(a) - weight(b) || compare(a, b)); here().length > most && rest.length > 1; ) {
      const over = here().length - most + 1;
      merge(d, rest.splice(0, Math.max(2, Math.min(over, rest.length))));
    }
  }
}

/** Puts peers' networks together that lead to the same ones: they are the far end, and they are many. */
function foldPeers(d: Draft, single: boolean): void {
  const heard = new Set([...d.edges.values()].map((e) => e.to));
  const alike = new Map<string, Node[]>();
  for (const n of d.nodes.values()) {
    if (heard.has(n.id) || n.kind === "hoster" || n.kind === "origin") continue;
    const key = signature(d, n, single);
    alike.set(key, [...(alike.get(key) ?? []), n]);
  }
  for (const group of alike.values()) {
    if (group.length < 2) continue;
    const columns = group.map((n) => n.column);
    for (const n of group) n.column = Math.min(...columns);
    merge(d, group);
  }
}

/** Where it leads, whence, and what became of that. */
function signature(d: Draft, n: Node, single: boolean): string {
  const out: string[] = [];
  for (const e of d.edges.values()) {
    if (e.from === n.id) out.push(`>${e.to} ${e.voices.counts(single).state}`);
    if (e.to === n.id) out.push(`<${e.from} ${e.voices.counts(single).state}`);
  }
  return out.sort().join(" ");
}

function weight(n: Node): number {
  return new Set([...n.voices.before, ...n.voices.after, ...n.voices.unheardAfter]).size;
}

function compare(a: Node, b: Node): number {
  return (a.asns[0] ?? 0) - (b.asns[0] ?? 0) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

function merge(d: Draft, group: readonly Node[]): void {
  const asns = [...new Set(group.flatMap((n) => n.asns))].sort((a, b) => a - b);
  const one: Node = { id: `+${asns.join("+")}`, asns, kind: "fold", column: group[0]!.column, voices: new Voices() };
  const gone = new Set(group.map((n) => n.id));
  for (const n of group) {
    one.voices.join(n.voices);
    d.nodes.delete(n.id);
  }
  d.nodes.set(one.id, one);
  for (const [key, e] of [...d.edges]) {
    const from = gone.has(e.from) ? one : d.nodes.get(e.from)!;
    const to = gone.has(e.to) ? one : d.nodes.get(e.to)!;
    if (from !== one && to !== one) continue;
    d.edges.delete(key);
    if (from !== to) edge(d, from, to, e.elided).voices.join(e.voices);
  }
}

function finished(d: Draft, single: boolean, pathless: number): Graph {
  const nodes = [...d.nodes.values()].sort((a, b) => b.column - a.column || compare(a, b));
  const place = new Map(nodes.map((n, i) => [n.id, i]));
  const edges = [...d.edges.values()].sort((a, b) => place.get(a.from)! - place.get(b.from)! || place.get(a.to)! - place.get(b.to)!);
  return {
    nodes: nodes.map((n) => ({ id: n.id, asns: n.asns, kind: n.kind, column: n.column, ...n.voices.counts(single) })),
    edges: edges.map((e) => ({ from: e.from, to: e.to, elided: e.elided, ...e.voices.counts(single) })),
    pathless,
  };
}

export interface Point {
  x: number;
  y: number;
}

export interface PlacedNode extends GraphNode {
  x: number; // centre
  y: number;
  width: number;
  height: number;
  label: string;
}

export interface PlacedEdge extends GraphEdge {
  points: readonly Point[]; // from the right side of the one to the left side of the other, by places in the columns between
  thick: number; // CSS pixels
}

export interface Placed {
  nodes: readonly PlacedNode[];
  edges: readonly PlacedEdge[];
}

export interface Room {
  width: number; // CSS pixels
  height: number;
  letter: number; // width of a letter
  label: (n: GraphNode) => string;
}

/** A place in a column: a node, or where an edge passes between nodes. */
interface Slot {
  id: string;
  size: number;
  at: number; // order in the column, later the middle in pixels
}

/** Puts the graph into a room: columns by hops to the hoster, which is on the right. */
export function placed(g: Graph, room: Room): Placed {
  if (g.nodes.length === 0) return { nodes: [], edges: [] };
  const far = Math.max(...g.nodes.map((n) => n.column));
  const near = Math.min(...g.nodes.map((n) => n.column));
  const columns = new Map<number, Slot[]>();
  for (let c = far; c >= near; c--) columns.set(c, []);
  for (const n of g.nodes) columns.get(n.column)!.push({ id: n.id, size: 1, at: 0 });
  const links: [string, string][] = []; // between neighbouring columns
  const passing = g.edges.map((e) => passage(e, g, columns, links));
  order(columns, links);
  const height = spread(columns, room.height);
  const x = across(g, columns, far, near, room);
  const y = new Map([...columns.values()].flat().map((s) => [s.id, s.at]));
  const nodes = g.nodes.map((n) => ({ ...n, x: x.get(n.column)!, y: y.get(n.id)!, label: room.label(n), width: boxWidth(room.label(n), room), height: Math.min(24, height - 4) }));
  const byId = new Map(nodes.map((n) => [n.id, n]));
  const most = Math.max(1, ...g.edges.map((e) => Math.max(e.before, e.after, e.unknown)));
  const edges = g.edges.map((e, i) => {
    const a = byId.get(e.from)!;
    const b = byId.get(e.to)!;
    const way = a.x < b.x ? 1 : -1;
    // Within a column an edge runs round on the left of the boxes.
    const points: Point[] = a.x === b.x ? [{ x: a.x - a.width / 2, y: a.y }, { x: b.x - b.width / 2, y: b.y }]
      : [{ x: a.x + (way * a.width) / 2, y: a.y }, ...passing[i]!.map((p) => ({ x: x.get(p.column)!, y: y.get(p.id)! })), { x: b.x - (way * b.width) / 2, y: b.y }];
    return { ...e, points, thick: 1.5 + (8.5 * Math.max(e.before, e.after, e.unknown)) / most };
  });
  return { nodes, edges };
}

function boxWidth(label: string, room: Room): number {
  return Math.ceil(label.length * room.letter) + 14;
}

/** Makes room for an edge in the columns that it passes. */
function passage(e: GraphEdge, g: Graph, columns: Map<number, Slot[]>, links: [string, string][]): { id: string; column: number }[] {
  const a = g.nodes.find((n) => n.id === e.from)!.column;
  const b = g.nodes.find((n) => n.id === e.to)!.column;
  const out: { id: string; column: number }[] = [];
  let last = e.from;
  for (let c = a - 1; c > b; c--) {
    const id = `${e.from}>${e.to}@${c}`;
    columns.get(c)!.push({ id, size: 0.5, at: 0 });
    out.push({ id, column: c });
    links.push([last, id]);
    last = id;
  }
  if (a !== b) links.push([last, e.to]);
  return out;
}

/** Orders the columns so that few edges cross: each node goes to the middle of its neighbours, to and fro. */
function order(columns: Map<number, Slot[]>, links: readonly [string, string][]): void {
  const next = new Map<string, string[]>();
  for (const [a, b] of links) {
    next.set(a, [...(next.get(a) ?? []), b]);
    next.set(b, [...(next.get(b) ?? []), a]);
  }
  const slot = new Map([...columns.values()].flat().map((s) => [s.id, s]));
  const number = (list: Slot[]) => list.forEach((s, i) => (s.at = (i + 0.5) / list.length));
  for (const list of columns.values()) number(list);
  const all = [...columns.entries()].sort((a, b) => a[0] - b[0]);
  for (let round = 0; round < 6; round++) {
    for (const [, list] of round % 2 === 0 ? all : [...all].reverse()) {
      const middle = new Map(list.map((s) => {
        const by = next.get(s.id) ?? [];
        return [s.id, by.length ? by.reduce((sum, id) => sum + slot.get(id)!.at, 0) / by.length : s.at];
      }));
      list.sort((a, b) => middle.get(a.id)! - middle.get(b.id)!); // stable: what is alike stays in its order
      number(list);
    }
  }
}

/** Spreads each column over the height, and gives the height of a place. */
function spread(columns: Map<number, Slot[]>, height: number): number {
  const size = (list: readonly Slot[]) => list.reduce((sum, s) => sum + s.size, 0);
  const most = Math.max(1, ...[...columns.values()].map(size));
  const unit = Math.min(64, height / most);
  for (const list of columns.values()) {
    const gap = Math.min(unit, height / Math.max(1, size(list)));
    let at = (height - gap * size(list)) / 2;
    for (const s of list) {
      s.at = at + (gap * s.size) / 2;
      at += gap * s.size;
    }
  }
  return unit;
}

/** The middle of each column: as much room between them as there is. */
function across(g: Graph, columns: Map<number, Slot[]>, far: number, near: number, room: Room): Map<number, number> {
  const wide = new Map([...columns.keys()].map((c) => [c, Math.max(0, ...g.nodes.filter((n) => n.column === c).map((n) => boxWidth(room.label(n), room)))]));
  const all = [...wide.values()].reduce((sum, w) => sum + w, 0);
  const steps = far - near;
  const gap = steps > 0 ? Math.min(220, Math.max(18, (room.width - all) / steps)) : 0;
  const out = new Map<number, number>();
  let at = Math.max(0, (room.width - all - gap * steps) / 2);
  for (let c = far; c >= near; c--) {
    out.set(c, at + wide.get(c)! / 2);
    at += wide.get(c)! + gap;
  }
  return out;
}

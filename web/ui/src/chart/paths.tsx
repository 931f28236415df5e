// The path graph: from the peers on the left to the hoster on the right, before and after.
import type { EChartsCoreOption } from "echarts/core";
import { useLocation } from "preact-iso";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { board } from "../api/board";
import { many, type Route } from "../api/types";
import { Table } from "../parts/parts";
import { as, count, listed } from "../words";
import { Chart, type Colours } from "./chart";
import type { EChartsType } from "./echarts";
import { pathGraph, placed, type Counts, type Graph, type GraphNode, type Placed, type PlacedEdge, type PlacedNode, type State } from "./pathgraph";
import "./paths.css";

export interface PathGraphProps {
  before: readonly Route[];
  after?: readonly Route[] | undefined; // without it: the graph of one moment
  hosters: readonly number[]; // AS numbers that are watched: they stand on the right
  height?: number; // CSS pixels; 320 where it is missing
  label?: string; // what it is about, for whoever does not see it: "of 208.66.192.0/22"
  then?: readonly [string, string]; // names of the two moments, for words: "at 21:00", "at 22:00"
}

const signs: Record<State, string> = { stays: "", went: "− ", came: "+ ", unknown: "? " };
const said: Record<State, string> = { stays: "stays", went: "went", came: "came", unknown: "not known: its peers were not heard" };

/** Networks as boxes, who heard it from whom as lines, as thick as there are peers. A click leads to the AS. */
export function PathGraph({ before, after, hosters, height = 320, label = "", then = ["before", "after"] }: PathGraphProps) {
  const place = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const grow = new ResizeObserver(([e]) => setWidth(Math.round(e!.contentRect.width)));
    grow.observe(place.current!);
    return () => grow.disconnect();
  }, []);
  const single = after === undefined;
  const narrow = width < 560;
  const key = hosters.join();
  const graph = useMemo(
    () => pathGraph(before, after, hosters, { columns: narrow ? 3 : 5, most: Math.max(4, Math.min(narrow ? 7 : 12, Math.floor((height - 10) / 30))) }),
    [before, after, key, narrow, height],
  );
  const picture = useMemo(
    () => placed(graph, { width: Math.max(0, width - 4), height, letter: narrow ? 6.2 : 7.3, label: (n) => (single ? "" : signs[n.state]) + nameOfNode(n, narrow) }),
    [graph, width, height, narrow, single],
  );
  const option = useCallback((c: Colours) => drawn(picture, c, single, narrow, then), [picture, single, narrow, then[0], then[1]]);
  const { route } = useLocation();
  const latest = useRef(picture);
  latest.current = picture;
  const ready = useCallback(
    (chart: EChartsType) => {
      chart.on("click", { seriesIndex: 1 }, (e) => {
        const n = latest.current.nodes[e.dataIndex];
        if (n && n.asns.length === 1) route(`/asns/${n.asns[0]}`);
      });
    },
    [route],
  );
  return (
    <div class="paths">
      <div class="paths-place" ref={place}>
        {graph.nodes.length === 0 ? (
          <p class="empty paths-empty" style={{ minHeight: `${height}px` }}>
            {graph.pathless > 0 ? `${count(graph.pathless, "peer")} held it as their own, without a path.` : single ? "Nobody was known to hold a route: there is no path to draw." : "Nobody was known to hold a route at either moment: there is no path to draw."}
          </p>
        ) : (
          <Chart height={height} label={sentence(graph, single, label, then)} option={option} ready={ready} />
        )}
      </div>
      {!single && graph.nodes.length > 0 && <Legend graph={graph} then={then} />}
      {graph.nodes.length > 0 && <AsTable graph={graph} single={single} then={then} />}
    </div>
  );
}

function nameOfNode(n: GraphNode, narrow: boolean): string {
  if (n.kind === "fold") return narrow ? `${n.asns.length} nets` : `${n.asns.length} networks`;
  if (n.kind === "set") return n.asns.length > 2 ? `{${n.asns.length} ASes}` : `{${n.asns.join(",")}}`;
  return narrow ? String(n.asns[0]) : as(n.asns[0]!);
}

function ofNode(n: GraphNode): string {
  if (n.kind === "fold") return `${n.asns.length} networks`;
  if (n.kind === "set") return `the set {${n.asns.join(",")}}`;
  return as(n.asns[0]!);
}

/** What the picture says. */
function sentence(g: Graph, single: boolean, label: string, then: readonly [string, string]): string {
  const into = g.edges.filter((e) => g.nodes.some((n) => n.id === e.to && n.column === 0) && g.nodes.some((n) => n.id === e.from && n.column > 0));
  const name = (id: string) => ofNode(g.nodes.find((n) => n.id === id)!);
  const told = (s: State) => into.filter((e) => e.state === s).map((e) => `${name(e.from)} (${peersOf(e, single)})`);
  const parts = [`Paths ${label}`.trim() + ":"];
  if (single) parts.push(told("stays").length ? `heard by ${listed(told("stays"))}.` : "by no upstream.");
  else {
    for (const [s, words] of [["went", `by these it went from ${then[0]} to ${then[1]}: `], ["came", "by these it came: "], ["stays", "by these it stays: "], ["unknown", "of these it is not known: "]] as const) {
      const list = told(s);
      if (list.length) parts.push(words + listed(list) + ".");
    }
  }
  return parts.join(" ");
}

function peersOf(c: Counts, single: boolean): string {
  if (single) return c.before > 0 || c.unknown === 0 ? count(c.before, "peer") : `${count(c.unknown, "peer")} not heard`;
  if (c.before === c.after) return count(c.after, "peer");
  return `${c.before} → ${count(c.after, "peer")}`;
}

function Legend({ graph, then }: { graph: Graph; then: readonly [string, string] }) {
  const there = new Set(graph.edges.map((e) => e.state));
  const lines: [State, string][] = [["stays", "at both moments"], ["went", `− went: ${then[0]} alone`], ["came", `+ came: ${then[1]} alone`], ["unknown", "? whoever had it so was not heard"]];
  return (
    <ul class="paths-legend">
      {lines.filter(([s]) => there.has(s)).map(([s, words]) => (
        <li key={s}>
          <span class={`paths-line paths-line-${s}`} aria-hidden="true" /> {words}
        </li>
      ))}
      <li>thicker: more peers</li>
      {graph.edges.some((e) => e.elided) && <li>dotted: networks between are left out</li>}
    </ul>
  );
}

/** The same for whoever does not see it, and to copy from. */
function AsTable({ graph, single, then }: { graph: Graph; single: boolean; then: readonly [string, string] }) {
  const nodes = new Map(graph.nodes.map((n) => [n.id, n]));
  return (
    <details>
      <summary>The graph as a table</summary>
      <Table label="Who heard it from whom" head={single ? ["From the peers' side", "Hears it from", "Peers", "Not heard"] : ["From the peers' side", "Hears it from", `Peers ${then[0]}`, `Peers ${then[1]}`, "Not heard", "What became of it"]}>
        {graph.edges.map((e) => (
          <tr key={`${e.from} ${e.to}`}>
            <td><Who n={nodes.get(e.from)!} /></td>
            <td>{e.elided && <span class="quiet">… by others from </span>}<Who n={nodes.get(e.to)!} /></td>
            <td>{e.before}</td>
            {!single && <td>{e.after}</td>}
            <td>{e.unknown}</td>
            {!single && <td>{said[e.state]}</td>}
          </tr>
        ))}
      </Table>
    </details>
  );
}

function Who({ n }: { n: GraphNode }) {
  const links = n.asns.map((a, i) => (
    <span key={a}>
      {i > 0 && " "}
      <a class="asn" href={`/asns/${a}`}>{as(a)}</a>
    </span>
  ));
  if (n.kind === "set") return <>the set of {links}</>;
  if (n.kind !== "fold") return <>{links}</>;
  return (
    <details>
      <summary>{n.asns.length} networks</summary>
      {links}
    </details>
  );
}

function colourOf(s: State, c: Colours): string {
  return s === "went" ? c.bad : s === "came" ? c.accent : s === "unknown" ? c.warn : c.quiet;
}

/** The option of ECharts: two custom series, lines below boxes, in the pixels of the layout. */
function drawn(p: Placed, c: Colours, single: boolean, narrow: boolean, then: readonly [string, string]): EChartsCoreOption {
  const series = (data: readonly unknown[], shape: (i: number) => unknown, z: number) => ({
    type: "custom", coordinateSystem: "none", data: data.map((_, i) => [i]), renderItem: (params: { dataIndex: number }) => shape(params.dataIndex), z,
  });
  const told = numbered(p, narrow);
  return {
    tooltip: {
      confine: true, backgroundColor: c.surface, borderColor: c.line, textStyle: { color: c.text },
      formatter: (x: { seriesIndex: number; dataIndex: number }) => (x.seriesIndex === 0 ? tipOfEdge(p, p.edges[x.dataIndex]!, single, then) : tipOfNode(p.nodes[x.dataIndex]!, single, then)),
    },
    series: [series(p.edges, (i) => line(p.edges[i]!, c, single, told.has(p.edges[i]!)), 1), series(p.nodes, (i) => box(p.nodes[i]!, c, narrow), 2)],
  };
}

/** The edges whose number is written on them: of many only those to the hoster; the tooltip and the table have the others. */
function numbered(p: Placed, narrow: boolean): Set<PlacedEdge> {
  const few = p.edges.length <= (narrow ? 12 : 24);
  const centre = new Set(p.nodes.filter((n) => n.column === 0).map((n) => n.id));
  return new Set(p.edges.filter((e) => few || centre.has(e.to)));
}

function line(e: PlacedEdge, c: Colours, single: boolean, withNumber: boolean): unknown {
  const stroke = colourOf(e.state, c);
  const dash = e.state === "went" ? [7, 5] : e.state === "unknown" || e.elided ? [2, 4] : undefined;
  const parts: unknown[] = [];
  for (let i = 1; i < e.points.length; i++) {
    const a = e.points[i - 1]!;
    const b = e.points[i]!;
    const bend = round(e) ? -16 - Math.abs(b.y - a.y) / 6 : Math.max(10, Math.abs(b.x - a.x) / 2) * (b.x >= a.x ? 1 : -1);
    parts.push({
      type: "bezierCurve",
      shape: { x1: a.x, y1: a.y, cpx1: a.x + bend, cpy1: a.y, cpx2: round(e) ? b.x + bend : b.x - bend, cpy2: b.y, x2: b.x, y2: b.y },
      style: { fill: null, stroke, lineWidth: e.thick, lineDash: dash, opacity: e.state === "stays" && !single ? 0.45 : 0.75 },
      emphasis: { style: { opacity: 1 } },
    });
  }
  const text = single ? String(e.before || `? ${e.unknown}`) : e.before === e.after ? String(e.after) : e.state === "went" ? `−${e.before}` : e.state === "came" ? `+${e.after}` : e.state === "unknown" ? `? ${e.unknown}` : `${e.before}→${e.after}`;
  if (round(e) || !withNumber) return { type: "group", children: parts }; // a number would stand on others
  const m = middle(e);
  parts.push({ type: "text", silent: true, style: { text, x: m.x, y: m.y, fill: c.text, stroke: c.surface, lineWidth: 4, fontSize: 11, align: "center", verticalAlign: "middle" } });
  return { type: "group", children: parts };
}

/** It runs round within a column. */
function round(e: PlacedEdge): boolean {
  return e.points.length === 2 && Math.abs(e.points[0]!.x - e.points[1]!.x) < 30;
}

/** Where the number of a line stands: nearer to its beginning, where lines have not met yet. */
function middle(e: PlacedEdge): { x: number; y: number } {
  const a = e.points[0]!;
  const b = e.points[1]!;
  const t = 0.4;
  const s = t * t * (3 - 2 * t);
  return { x: a.x + (b.x - a.x) * t, y: a.y + (b.y - a.y) * s };
}

function box(n: PlacedNode, c: Colours, narrow: boolean): unknown {
  const strong = n.kind === "hoster" || n.kind === "origin";
  const colour = n.state === "stays" ? c.line : colourOf(n.state, c);
  const plain = n.state === "stays";
  return {
    type: "group",
    children: [
      {
        type: "rect",
        shape: { x: n.x - n.width / 2, y: n.y - n.height / 2, width: n.width, height: n.height, r: n.kind === "fold" ? n.height / 2 : 4 },
        style: { fill: strong && plain ? c.text : c.surface, stroke: strong && plain ? c.text : plain ? c.quiet : colour, lineWidth: plain ? 1 : 2, lineDash: n.state === "went" || n.state === "unknown" ? [4, 3] : undefined },
        emphasis: { style: { lineWidth: 3 } },
        cursor: n.asns.length === 1 ? "pointer" : "default",
      },
      {
        type: "text", silent: true,
        style: { text: n.label, x: n.x, y: n.y, fill: strong && plain ? c.surface : plain ? c.text : colour, align: "center", verticalAlign: "middle", fontSize: narrow ? 10 : 12, fontWeight: strong ? 700 : 400, fontFamily: "ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace" },
      },
    ],
  };
}

function tip(head: string, lines: readonly string[]): HTMLElement {
  const out = document.createElement("div");
  out.className = "paths-tip";
  const strong = document.createElement("strong");
  strong.textContent = head;
  out.append(strong);
  for (const text of lines) {
    const p = document.createElement("div");
    p.textContent = text;
    out.append(p);
  }
  return out;
}

function story(x: Counts, single: boolean, then: readonly [string, string]): string[] {
  const out = single ? [count(x.before, "peer")] : [`${then[0]}: ${count(x.before, "peer")}`, `${then[1]}: ${count(x.after, "peer")}`];
  if (x.unknown > 0) out.push(`${count(x.unknown, "peer")} not heard: their last word`);
  return out;
}

function tipOfEdge(p: Placed, e: PlacedEdge, single: boolean, then: readonly [string, string]): HTMLElement {
  const name = (id: string) => ofNode(p.nodes.find((n) => n.id === id)!);
  return tip(`${name(e.from)} ${e.elided ? "… " : ""}hears it from ${name(e.to)}`, story(e, single, then));
}

function tipOfNode(n: PlacedNode, single: boolean, then: readonly [string, string]): HTMLElement {
  const of = n.asns.length === 1 ? many(board.value?.hosters).find((h) => many(h.asns).includes(n.asns[0]!)) : undefined;
  const lines = story(n, single, then);
  if (of) lines.unshift(of.name);
  if (n.kind === "fold" || n.kind === "set") lines.push(n.asns.slice(0, 12).map(as).join(" ") + (n.asns.length > 12 ? ` and ${n.asns.length - 12} more` : ""));
  return tip(ofNode(n), lines);
}

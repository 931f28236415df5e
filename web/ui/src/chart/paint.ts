// The rows of a timeline as ECharts draws them: one custom series, one item a row. What falls on one
// pixel is put together here, so that a year of steps costs no more than a day of them.
import type { CustomSeriesRenderItemAPI, CustomSeriesRenderItemParams } from "echarts";
import type { EChartsCoreOption } from "echarts/core";
import type { Colours } from "./chart";
import { columns, union, xOf, type Window } from "./course";
import type { Arranged, Bar, BarRow, Hole, LaneRow, Mark, Row, Sign } from "./lanes";
import type { Span } from "./zoom";

/** Room under the rows for the axis of time. */
export const axisHeight = 26;

export interface Shape {
  type: string;
  shape?: Record<string, unknown>;
  style?: Record<string, unknown>;
  children?: Shape[];
  silent?: boolean;
}

/** What is drawn: given anew, or with another span. */
export function optionOf(a: Arranged, shown: () => Span, c: Colours): EChartsCoreOption {
  const ink = inks(c);
  const span = shown();
  return {
    useUTC: true,
    grid: { left: 0, right: 0, top: 0, bottom: axisHeight, outerBoundsMode: "none" },
    xAxis: {
      type: "time",
      ...axis(span),
      axisLine: { show: true, lineStyle: { color: c.line } },
      axisTick: { show: true, lineStyle: { color: c.quiet } },
      splitLine: { show: true, lineStyle: { color: c.line, opacity: 0.6 } },
      axisLabel: { color: c.quiet, hideOverlap: true, showMinLabel: false, showMaxLabel: false, ...axis(span).axisLabel },
    },
    yAxis: { type: "value", min: 0, max: 1, show: false },
    series: [
      {
        type: "custom",
        clip: true,
        silent: true,
        data: [...a.rows.map((_, i) => [i]), [a.rows.length]],
        encode: { x: -1, y: -1 },
        renderItem: (params: CustomSeriesRenderItemParams, api: CustomSeriesRenderItemAPI) => {
          const at = params.coordSys as unknown as { x: number; width: number };
          const s = shown();
          const w: Window = { from: s.from, to: s.to, x0: at.x, x1: at.x + at.width, end: a.to };
          const r = a.rows[api.value(0) as number];
          return { type: "group", children: r ? rowShapes(r, w, ink) : over(a, w, ink) };
        },
      },
    ],
  };
}

/** The axis of another span, to be merged into what is drawn. */
export function axis(s: Span): { min: number; max: number; axisLabel: { formatter: (t: number) => string } } {
  const short = s.to - s.from < 6 * 60_000;
  const edge = (s.to - s.from) * 0.02;
  // What would be cut off at an edge is not written.
  return { min: s.from, max: s.to, axisLabel: { formatter: (t) => (t - s.from < edge || s.to - t < edge ? "" : tickWords(t, short)) } };
}

/** A tick of the axis, as much of it as is new there. */
export function tickWords(t: number, seconds: boolean): string {
  const text = new Date(t).toISOString();
  if (t % 86_400_000 === 0) return text.slice(8, 10) !== "01" ? text.slice(5, 10) : text.slice(5, 7) !== "01" ? text.slice(0, 7) : text.slice(0, 4);
  return seconds || t % 60_000 !== 0 ? text.slice(11, 19) : text.slice(11, 16);
}

export interface Inks {
  c: Colours;
  gap: unknown; // hatchings
  blind: unknown;
}

function inks(c: Colours): Inks {
  return { c, gap: hatching(c.quiet, 8, 0.5), blind: hatching(c.quiet, 4, 0.7) };
}

/** A pattern of slanting lines. */
function hatching(colour: string, every: number, alpha: number): unknown {
  const tile = document.createElement("canvas");
  const scale = 2;
  tile.width = tile.height = every * scale;
  const p = tile.getContext("2d");
  if (!p) return colour;
  p.strokeStyle = colour;
  p.globalAlpha = alpha;
  p.lineWidth = 0.9 * scale;
  const n = every * scale;
  p.beginPath();
  for (const k of [-n, 0, n]) {
    p.moveTo(k - 2, n + 2);
    p.lineTo(k + n + 2, -2);
  }
  p.stroke();
  return { image: tile, repeat: "repeat", scaleX: 1 / scale, scaleY: 1 / scale };
}

export function rowShapes(r: Row, w: Window, ink: Inks): Shape[] {
  switch (r.kind) {
    case "lane": return laneShapes(r, w, ink);
    case "bars": return barShapes(r, w, ink);
    case "gaps": return [ground(r, w, ink), ...gapShapes(r.gaps, r, w, ink)];
    case "marks": return ticks(r.marks, r, w, ink);
    case "head": return [];
  }
}

function ground(r: Row, w: Window, ink: Inks): Shape {
  return rect(w.x0, r.y, w.x1 - w.x0, r.height, { fill: ink.c.quiet, opacity: 0.09 });
}

function rect(x: number, y: number, width: number, height: number, style: Record<string, unknown>): Shape {
  return { type: "rect", shape: { x, y, width, height }, style, silent: true };
}

function laneShapes(r: LaneRow, w: Window, ink: Inks): Shape[] {
  const colour = r.stranger ? ink.c.bad : r.tint < 0 ? ink.c.accent : ink.c.series[r.tint]!;
  const out: Shape[] = [ground(r, w, ink)];
  const bottom = r.y + r.height;
  const tall = (v: number) => (v <= 0 ? 0 : Math.max(v * r.height, 1.5)); // little is not nothing
  const solid: number[][][] = [];
  const pale: number[][][] = [];
  const blind: [number, number][] = [];
  let edge: number[][] = [];
  const edges: number[][][] = [];
  for (const x of columns(r.course, w, r.full)) {
    if (x.blind) blind.push([x.x0, x.x1]);
    if (!x.seen) {
      if (edge.length) edges.push(edge);
      edge = [];
      continue;
    }
    const low = bottom - tall(x.low);
    const high = bottom - tall(x.high);
    grow(solid, x.x0, x.x1, low, bottom);
    if (high < low) grow(pale, x.x0, x.x1, high, low);
    edge.push([x.x0, high], [x.x1, high]);
  }
  if (edge.length) edges.push(edge);
  for (const points of pale) out.push({ type: "polygon", shape: { points }, style: { fill: colour, opacity: 0.3 }, silent: true });
  for (const points of solid) out.push({ type: "polygon", shape: { points }, style: { fill: colour, opacity: 0.75 }, silent: true });
  for (const points of edges) out.push({ type: "polyline", shape: { points }, style: { stroke: colour, lineWidth: 1.4, fill: "none" }, silent: true });
  for (const [a, b] of union(blind, 0.5)) {
    const width = Math.max(1.5, b - a);
    out.push(rect(a, r.y, width, r.height, { fill: ink.blind }));
  }
  if (r.stranger) out.push(rect(w.x0 + 0.75, r.y + 0.75, w.x1 - w.x0 - 1.5, r.height - 1.5, { fill: "none", stroke: ink.c.bad, lineWidth: 1.5 }));
  for (const m of apart(r.marks, w, 11)) out.push(sign(m.sign, xOf(w, m.at), r.y + r.height / 2, Math.min(4.5, r.height * 0.3), severityInk(m, ink), ink));
  return out;
}

/** Boxes that stand on one line become one outline, so that no seams show between them. */
function grow(all: number[][][], x0: number, x1: number, top: number, bottom: number): void {
  if (bottom - top < 0.005) return;
  const last = all[all.length - 1];
  if (last) {
    const end = last[last.length - 1]!;
    if (Math.abs(end[0]! - x0) < 0.01 && end[1] === bottom && last[0]![1] === bottom) {
      last.pop();
      last.push([x0, top], [x1, top], [x1, bottom]);
      return;
    }
  }
  all.push([[x0, bottom], [x0, top], [x1, top], [x1, bottom]]);
}

/** Marks of one lane that would lie upon each other: of those the gravest. */
function apart(marks: readonly Mark[], w: Window, room: number): Mark[] {
  const out: Mark[] = [];
  for (const m of marks) {
    if (m.at < w.from || m.at > w.to) continue;
    const last = out[out.length - 1];
    if (last && xOf(w, m.at) - xOf(w, last.at) < room) {
      if (weight(m) > weight(last)) out[out.length - 1] = m;
    } else out.push(m);
  }
  return out;
}

const weights: Record<string, number> = { critical: 3, warning: 2, info: 1 };

export function weight(m: Mark): number {
  return (weights[m.event.severity] ?? 0) + (m.sign === "dark" ? 0.6 : m.sign === "returned" ? 0.5 : m.sign === "lost" ? 0.2 : 0);
}

function severityInk(m: Mark, ink: Inks): string {
  return m.event.severity === "critical" ? ink.c.bad : m.event.severity === "warning" ? ink.c.warn : ink.c.text;
}

/** A sign with a rim of the ground's colour, so that it stands off whatever is behind it. */
function sign(of: Sign, x: number, y: number, r: number, colour: string, ink: Inks): Shape {
  const style = { fill: colour, stroke: ink.c.surface, lineWidth: 2, strokeFirst: true };
  const poly = (points: number[][]): Shape => ({ type: "polygon", shape: { points }, style, silent: true });
  switch (of) {
    case "lost": return poly([[x - r, y - r], [x + r, y - r], [x, y + r]]);
    case "gained": return poly([[x - r, y + r], [x + r, y + r], [x, y - r]]);
    case "origin": return poly([[x - r, y], [x, y - r], [x + r, y], [x, y + r]]);
    case "dark": return rect(x - r, y - r, 2 * r, 2 * r, style);
    case "returned": return rect(x - r, y - r, 2 * r, 2 * r, { fill: ink.c.surface, stroke: colour, lineWidth: 1.6 });
    case "plain": return { type: "circle", shape: { cx: x, cy: y, r: r * 0.8 }, style, silent: true };
  }
}

/** Each event where it was, to the pixel: the signs above are put together where they are near each other. */
function ticks(marks: readonly Mark[], r: Row, w: Window, ink: Inks): Shape[] {
  const out: Shape[] = [];
  let last = -10;
  for (const m of marks) {
    if (m.at < w.from || m.at > w.to) continue;
    const x = Math.round(xOf(w, m.at)) + 0.5;
    if (x < last + 2) continue;
    last = x;
    out.push({ type: "line", shape: { x1: x, y1: r.y + r.height - 7, x2: x, y2: r.y + r.height }, style: { stroke: ink.c.quiet, lineWidth: 1 }, silent: true });
  }
  return out;
}

function barShapes(r: BarRow, w: Window, ink: Inks): Shape[] {
  const out: Shape[] = [ground(r, w, ink)];
  const free = Array.from({ length: r.tracks }, () => -Infinity); // where words may begin
  const high = (r.height - 2) / r.tracks;
  const shown = r.bars.filter((b) => b.from <= w.to && Math.min(b.to, w.end) >= w.from);
  shown.forEach((b, i) => {
    const x0 = Math.max(w.x0 - 4, xOf(w, b.from));
    const x1 = Math.max(x0 + 2.5, Math.min(w.x1 + 4, xOf(w, Math.min(b.to, w.end))));
    const y = r.y + 1 + b.track * high;
    out.push(rect(x0, y + 0.5, x1 - x0, high - 1.5, barStyle(b, ink, r.section === "incidents")));
    if (!b.words || high < 8) return;
    const next = shown.slice(i + 1).find((o) => o.track === b.track);
    const end = next ? Math.min(w.x1, xOf(w, next.from)) : w.x1;
    const from = Math.max(x0, w.x0) + 5;
    const width = b.words.length * 6.2 + 8;
    const inside = x1 - from >= width;
    const start = inside ? from : x1 + 4;
    if (start < free[b.track]! || start + width > end + (inside ? 1e9 : 0)) return;
    free[b.track] = start + width;
    out.push({ type: "text", style: { text: b.words, x: start, y: y + high / 2, fill: inside ? ink.c.text : ink.c.quiet, font: "11px system-ui, sans-serif", verticalAlign: "middle" }, silent: true });
  });
  return out;
}

function barStyle(b: Bar, ink: Inks, incident: boolean): Record<string, unknown> {
  if (incident) return { fill: ink.c.bad, opacity: 0.28, stroke: ink.c.bad, lineWidth: 1 };
  const colour = b.tint === -2 ? ink.c.bad : b.tint < 0 ? ink.c.text : ink.c.series[b.tint]!;
  return b.hollow ? { fill: colour, fillOpacity: 0.12, stroke: colour, lineWidth: 1.4 } : { fill: colour, opacity: b.strength };
}

function gapShapes(holes: readonly Hole[], r: Row, w: Window, ink: Inks): Shape[] {
  const out: Shape[] = [];
  for (const filled of [true, false]) {
    for (const [a, b] of stretches(holes.filter((h) => h.filled === filled), w)) {
      const width = Math.max(1.5, b - a);
      out.push(rect(a, r.y, width, r.height, filled ? { fill: "none", stroke: ink.c.quiet, lineWidth: 1 } : { fill: ink.blind, stroke: ink.c.quiet, lineWidth: width > 3 ? 1 : 1.5 }));
    }
  }
  return out;
}

function stretches(holes: readonly Hole[], w: Window): [number, number][] {
  return union(
    holes.filter((h) => h.from < w.to && Math.min(h.to, w.end) > w.from).map((h) => [Math.max(w.x0, xOf(w, h.from)), Math.min(w.x1, xOf(w, Math.min(h.to, w.end)))] as const),
    0.5,
  );
}

/** What lies over all rows: when peers were not heard. What is narrower than a pixel is left to the row of gaps: widened, a minute a month would hatch a year. */
function over(a: Arranged, w: Window, ink: Inks): Shape[] {
  const out: Shape[] = [];
  const open = stretches(a.holes.filter((h) => !h.filled), w).filter(([x0, x1]) => x1 - x0 >= 1);
  for (const r of a.rows) {
    if (r.kind === "head" || r.kind === "gaps") continue;
    for (const [x0, x1] of open) out.push(rect(x0, r.y, x1 - x0, r.height, { fill: ink.gap }));
  }
  if (w.end < w.to) {
    const x = xOf(w, w.end);
    out.push({ type: "line", shape: { x1: x, y1: 0, x2: x, y2: a.height }, style: { stroke: ink.c.quiet, lineWidth: 1, lineDash: [3, 3] }, silent: true });
  }
  return out;
}

// The zoomable timeline of a hoster, a prefix or an AS: who carried it, and when exactly it went.
//
//   const asked = useTimeline(`/hosters/${id}`, query.from, query.to);
//   <TimelineChart timeline={asked.data} fine={asked.fine} from={query.from} to={query.to} onZoom={...} at={query.at} onMoment={...} />
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Migration, Timeline } from "../api/types";
import { count, lasting, utc } from "../words";
import { Chart, type Colours } from "./chart";
import type { EChartsType } from "./echarts";
import { timeOf, xOf, type Window } from "./course";
import { useHands } from "./gestures";
import { arrange, type Arranged, type MarkRow, type Row, type Section } from "./lanes";
import { eventWords, readingAt } from "./moment";
import { axis, axisHeight, optionOf } from "./paint";
import { clustered, Glyph, Legend, Names, Tip } from "./rows";
import { Overview } from "./overview";
import { Story } from "./story";
import { isAll, moved, sized, stamp, within, zoomed, type Span } from "./zoom";
import "./timeline.css";

export { useTimeline } from "./asked";

export interface TimelineChartProps {
  /** What is known of the whole period. */
  timeline: Timeline;
  /** An answer about the part that is shown, with finer steps: see useTimeline. */
  fine?: Timeline | undefined;
  /** Where its C&C families went: shown beside where they were seen. */
  moves?: readonly Migration[];
  /** What is shown: RFC 3339, as in the URL. All of the timeline where they are missing. */
  from?: string | undefined;
  to?: string | undefined;
  /** Another period is shown: for the URL. Both undefined: all. Without it the zoom is the drawing's own. */
  onZoom?: (from: string | undefined, to: string | undefined) => void;
  /** A marked moment, RFC 3339. */
  at?: string | undefined;
  /** A moment was chosen; undefined: none is any more. */
  onMoment?: (at: string | undefined) => void;
  /** CSS pixels at most: what is higher scrolls in itself. */
  height?: number;
  /** The kinds of rows that are wanted; all where missing. */
  only?: readonly Section[];
}

const day = 86_400_000;

export function TimelineChart(props: TimelineChartProps) {
  const { timeline, fine, only, moves } = props;
  const [more, setMore] = useState({ allPrefixes: false, allUpstreams: false });
  const a = useMemo(() => arrange(timeline, { ...more, ...(only ? { only } : {}), ...(fine ? { fine } : {}), ...(moves ? { moves } : {}) }), [timeline, fine, only?.join(), more, moves?.map((m) => `${m.id} ${m.revision}`).join()]);
  const bounds: Span = { from: a.from, to: Math.max(a.to, a.from + 10_000) };
  const { span, show, chart } = useSpan(props, bounds);
  const spanNow = useRef(span);
  spanNow.current = span;
  const ready = useCallback((c: EChartsType) => void (chart.current = c), []);
  const option = useCallback((c: Colours) => optionOf(a, () => spanNow.current, c), [a]);
  useEffect(() => {
    chart.current?.setOption({ xAxis: axis(span) });
  }, [span.from, span.to]);

  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<HTMLDivElement>(null);
  const [brush, setBrush] = useState<[number, number] | undefined>();
  const [cursor, setCursor] = useState<number | undefined>(); // a moment, by pointer or key
  const [width, setWidth] = useState(600);
  useEffect(() => {
    if (!plot.current) return;
    const grow = new ResizeObserver(([e]) => setWidth(Math.max(50, e!.contentRect.width)));
    grow.observe(plot.current);
    return () => grow.disconnect();
  }, []);
  const w: Window = { from: span.from, to: span.to, x0: 0, x1: width, end: a.to };
  const pick = (t: number | undefined) => props.onMoment?.(t === undefined ? undefined : stamp(t));
  useHands(plot, {
    span: () => spanNow.current, bounds: () => bounds,
    show: (s, done) => show(s, done),
    brush: setBrush,
    point: (x) => setCursor(x === undefined ? undefined : timeOf({ ...w, from: spanNow.current.from, to: spanNow.current.to }, x)),
    pick,
  });
  const at = props.at ? Date.parse(props.at) : undefined;
  const step = (by: 1 | -1) => {
    const from = cursor ?? at ?? (by > 0 ? span.from - 1 : span.to + 1);
    const next = nextEvent(a, from, by);
    if (next === undefined) return;
    if (next < span.from || next > span.to) show(within({ from: next - (span.to - span.from) / 2, to: next + (span.to - span.from) / 2 }, bounds), true);
    setCursor(next);
    pick(next);
  };
  const keys = keysOf({ span, bounds, show, step, pick, cursor, setCursor });
  // What does not change with the pointer is not made anew for it.
  const label = useMemo(() => sentence(timeline, a, span), [timeline, a, span]);
  const names = useMemo(() => <Names rows={a.rows} />, [a]);
  const drawing = useMemo(() => <Chart option={option} height={a.height + axisHeight} label={label} ready={ready} />, [option, a.height, label]);
  const marks = useMemo(() => <Marks rows={a.rows} w={w} show={show} bounds={bounds} />, [a, span, width]);
  const overview = useMemo(() => <Overview a={a} span={span} bounds={bounds} show={show} />, [a, span, bounds.from, bounds.to]);
  const legend = useMemo(() => <Legend a={a} />, [a]);
  const story = useMemo(() => <Story timeline={timeline} a={a} span={span} pick={props.onMoment ? pick : undefined} />, [timeline, a, span, props.onMoment]);
  const near = ((span.to - span.from) / width) * 6;
  const pointed = cursor ?? undefined;
  const reading = pointed === undefined ? undefined : readingAt(a, pointed, near);
  return (
    <div class="timeline">
      <div class="timeline-bar" role="toolbar" aria-label="What is shown of the time">
        <Bar span={span} bounds={bounds} show={show} step={step} events={a.marks.length} />
      </div>
      <div class="timeline-scroll" style={props.height ? { maxHeight: `${props.height}px` } : undefined}>
        <div
          ref={box} class="timeline-body" tabIndex={0} role="group" onKeyDown={keys} style={{ height: `${a.height + axisHeight}px` }}
          aria-label="Timeline. Plus and minus zoom, the arrows move, with Shift they go from event to event; 0 shows all, D a day, W a week, H an hour; Enter marks the moment, Escape forgets it"
        >
          {names}
          <div class="timeline-plot" ref={plot}>
            {drawing}
            {marks}
            {at !== undefined && at >= span.from && at <= span.to && <div class="timeline-at" style={{ left: `${xOf(w, at)}px` }}><span>{utc(at)}</span></div>}
            {pointed !== undefined && pointed >= span.from && pointed <= span.to && <div class="timeline-cross" style={{ left: `${xOf(w, pointed)}px` }} />}
            {brush && <div class="timeline-brush" style={{ left: `${brush[0]}px`, width: `${brush[1] - brush[0]}px` }}><span>{lasting(timeOf(w, brush[1]) - timeOf(w, brush[0]))}</span></div>}
            {reading && <Tip reading={reading} x={Math.min(width, Math.max(0, xOf(w, pointed!)))} width={width} />}
          </div>
        </div>
      </div>
      {overview}
      {legend}
      <More a={a} more={more} set={setMore} />
      {story}
    </div>
  );
}

/** The span that is shown: at once here, and once a gesture is over in the URL. */
function useSpan(props: TimelineChartProps, bounds: Span) {
  const chart = useRef<EChartsType | undefined>(undefined);
  const asked = (): Span => {
    const from = props.from ? Date.parse(props.from) : bounds.from;
    const to = props.to ? Date.parse(props.to) : bounds.to;
    return from < to ? { from, to } : bounds;
  };
  const [span, set] = useState(asked);
  const sent = useRef(`${props.from ?? ""} ${props.to ?? ""}`);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => {
    const is = `${props.from ?? ""} ${props.to ?? ""}`;
    if (timer.current || (is === sent.current && (props.from || props.to))) return; // it is what was shown already, or about to change
    if (!props.onZoom && is === sent.current && !isAll(span, bounds)) return;
    sent.current = is;
    set(asked());
  }, [props.from, props.to, bounds.from, bounds.to]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const onZoom = useRef(props.onZoom);
  onZoom.current = props.onZoom;
  const show = (s: Span, done: boolean) => {
    set(s);
    clearTimeout(timer.current);
    timer.current = undefined;
    if (!done) return;
    // The turns of a wheel are one gesture.
    timer.current = setTimeout(() => {
      timer.current = undefined;
      const [from, to] = isAll(s, bounds) ? [undefined, undefined] : [stamp(s.from), stamp(s.to)];
      const is = `${from ?? ""} ${to ?? ""}`;
      if (is === sent.current) return;
      sent.current = is;
      onZoom.current?.(from, to);
    }, 200);
  };
  return { span, show, chart };
}

function nextEvent(a: Arranged, from: number, by: 1 | -1): number | undefined {
  const list = by > 0 ? a.marks : [...a.marks].reverse();
  return list.find((m) => (m.at - from) * by > 500)?.at;
}

interface Doing {
  span: Span;
  bounds: Span;
  show: (s: Span, done: boolean) => void;
  step: (by: 1 | -1) => void;
  pick: (t: number | undefined) => void;
  cursor: number | undefined;
  setCursor: (t: number | undefined) => void;
}

function keysOf(d: Doing): (e: KeyboardEvent) => void {
  return (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const middle = d.cursor !== undefined && d.cursor >= d.span.from && d.cursor <= d.span.to ? d.cursor : (d.span.from + d.span.to) / 2;
    const doing: Record<string, () => void> = {
      "+": () => d.show(zoomed(d.span, 0.5, middle, d.bounds), true),
      "=": () => d.show(zoomed(d.span, 0.5, middle, d.bounds), true),
      "-": () => d.show(zoomed(d.span, 2, middle, d.bounds), true),
      ArrowLeft: () => (e.shiftKey ? d.step(-1) : d.show(moved(d.span, -0.25, d.bounds), true)),
      ArrowRight: () => (e.shiftKey ? d.step(1) : d.show(moved(d.span, 0.25, d.bounds), true)),
      Home: () => d.show(within({ from: d.bounds.from, to: d.bounds.from + d.span.to - d.span.from }, d.bounds), true),
      End: () => d.show(within({ from: d.bounds.to - (d.span.to - d.span.from), to: d.bounds.to }, d.bounds), true),
      "0": () => d.show(d.bounds, true),
      h: () => d.show(sized({ from: middle, to: middle }, day / 24, d.bounds), true),
      d: () => d.show(sized({ from: middle, to: middle }, day, d.bounds), true),
      w: () => d.show(sized({ from: middle, to: middle }, 7 * day, d.bounds), true),
      Enter: () => d.pick(middle),
      Escape: () => {
        d.setCursor(undefined);
        d.pick(undefined);
      },
    };
    if ((e.target as Element).closest("a, button") && e.key === "Enter") return;
    const act = doing[e.key];
    if (!act) return;
    e.preventDefault();
    act();
  };
}

function Bar({ span, bounds, show, step, events }: { span: Span; bounds: Span; show: (s: Span, done: boolean) => void; step: (by: 1 | -1) => void; events: number }) {
  const middle = (span.from + span.to) / 2;
  const all = isAll(span, bounds);
  const lengths: [string, number][] = [["hour", day / 24], ["day", day], ["week", 7 * day], ["month", 30 * day]];
  return (
    <>
      <span class="timeline-group">
        <button type="button" onClick={() => show(moved(span, -0.5, bounds), true)} disabled={span.from <= bounds.from} aria-label="Earlier">◀</button>
        <button type="button" onClick={() => show(zoomed(span, 0.5, middle, bounds), true)} aria-label="Closer">+</button>
        <button type="button" onClick={() => show(zoomed(span, 2, middle, bounds), true)} disabled={all} aria-label="Farther">−</button>
        <button type="button" onClick={() => show(moved(span, 0.5, bounds), true)} disabled={span.to >= bounds.to} aria-label="Later">▶</button>
      </span>
      <span class="timeline-group">
        {lengths.filter(([, long]) => long < bounds.to - bounds.from).map(([name, long]) => (
          <button key={name} type="button" onClick={() => show(sized(span, long, bounds), true)} aria-pressed={Math.abs(span.to - span.from - long) < 1000}>{name}</button>
        ))}
        <button type="button" onClick={() => show(bounds, true)} aria-pressed={all}>all</button>
      </span>
      {events > 0 && (
        <span class="timeline-group">
          <button type="button" onClick={() => step(-1)} aria-label="To the event before">◀ event</button>
          <button type="button" onClick={() => step(1)} aria-label="To the next event">event ▶</button>
        </span>
      )}
      <span class="timeline-period" aria-live="polite">
        {utc(Math.round(span.from / 1000) * 1000)} – {utc(Math.round(span.to / 1000) * 1000)} <span class="quiet">({lasting(span.to - span.from)})</span>
      </span>
    </>
  );
}

/** The signs of the events: those that would lie upon each other are one, with their number. */
function Marks({ rows, w, show, bounds }: { rows: readonly Row[]; w: Window; show: (s: Span, done: boolean) => void; bounds: Span }) {
  const row = rows.find((r): r is MarkRow => r.kind === "marks");
  if (!row) return null;
  return (
    <div class="timeline-marks" style={{ top: `${row.y}px`, height: `${row.height}px` }}>
      {clustered(row.marks, w).map((c) => {
        const e = c.main.event;
        const style = { left: `${c.x}px` };
        const face = (
          <>
            <Glyph sign={c.main.sign} severity={e.severity} />
            {c.marks.length > 1 && <small>{c.marks.length}</small>}
          </>
        );
        const first = c.marks[0]!.at;
        const last = c.marks[c.marks.length - 1]!.at;
        if (c.marks.length > 1 && last - first > 2000) {
          const room = Math.max(10_000, (last - first) * 0.75);
          return (
            <button key={e.id} type="button" tabIndex={-1} style={style} title={`${count(c.marks.length, "event")}: look closer`} onClick={() => show(within({ from: first - room, to: last + room }, bounds), true)}>
              {face}
            </button>
          );
        }
        return (
          <a key={e.id} tabIndex={-1} style={style} href={e.incident ? `/incidents/${e.incident}` : `/events?hoster=${e.hoster ?? ""}`} title={`${utc(c.main.at)} ${eventWords(e)}`}>
            {face}
          </a>
        );
      })}
    </div>
  );
}

function More({ a, more, set }: { a: Arranged; more: { allPrefixes: boolean; allUpstreams: boolean }; set: (m: { allPrefixes: boolean; allUpstreams: boolean }) => void }) {
  if (a.hidden.prefixes + a.hidden.upstreams === 0 && !more.allPrefixes && !more.allUpstreams) return null;
  return (
    <div class="timeline-more">
      {(a.hidden.upstreams > 0 || more.allUpstreams) && (
        <button type="button" onClick={() => set({ ...more, allUpstreams: !more.allUpstreams })}>{more.allUpstreams ? "Only the largest upstreams" : `Show ${count(a.hidden.upstreams, "more upstream")}`}</button>
      )}
      {(a.hidden.prefixes > 0 || more.allPrefixes) && (
        <button type="button" onClick={() => set({ ...more, allPrefixes: !more.allPrefixes })}>{more.allPrefixes ? "Only the first prefixes" : `Show ${count(a.hidden.prefixes, "more prefix", "more prefixes")}`}</button>
      )}
    </div>
  );
}

/** What is seen, for whoever does not see it. */
function sentence(t: Timeline, a: Arranged, s: Span): string {
  const shown = a.marks.filter((m) => m.at >= s.from && m.at <= s.to).length;
  return `Timeline of ${t.title} from ${utc(s.from)} to ${utc(s.to)}: ${count(a.rows.filter((r) => r.section === "upstreams" && r.kind === "lane").length, "upstream")}, ${count(shown, "event")}. The same as a list and a table below.`;
}

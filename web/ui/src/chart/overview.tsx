// All of the time in one strip, with what is shown of it: to drag.
import { useMemo, useRef } from "preact/hooks";
import { columns, xOf } from "./course";
import type { Arranged } from "./lanes";
import { within, type Span } from "./zoom";

const wide = 1000;

export function Overview({ a, span, bounds, show }: { a: Arranged; span: Span; bounds: Span; show: (s: Span, done: boolean) => void }) {
  const place = useRef<HTMLDivElement>(null);
  const drag = useRef<{ x: number; span: Span } | undefined>(undefined);
  const path = useMemo(() => outline(a, bounds), [a, bounds.from, bounds.to]);
  const part = (t: number) => `${(100 * (t - bounds.from)) / (bounds.to - bounds.from)}%`;
  const at = (e: PointerEvent) => {
    const box = place.current!.getBoundingClientRect();
    return bounds.from + ((e.clientX - box.left) / box.width) * (bounds.to - bounds.from);
  };
  const move = (e: PointerEvent, done: boolean) => {
    if (!drag.current) return;
    const by = at(e) - drag.current.x;
    show(within({ from: drag.current.span.from + by, to: drag.current.span.to + by }, bounds), done);
  };
  return (
    <div class="timeline-overview" aria-hidden="true">
      <div
        ref={place} class="timeline-overview-plot"
        onPointerDown={(e) => {
          const t = at(e);
          const width = span.to - span.from;
          // Outside of what is shown one goes there; inside one takes hold of it.
          const s = t >= span.from && t <= span.to ? span : within({ from: t - width / 2, to: t + width / 2 }, bounds);
          drag.current = { x: t, span: s };
          (e.currentTarget as Element).setPointerCapture(e.pointerId);
          show(s, false);
        }}
        onPointerMove={(e) => move(e, false)}
        onPointerUp={(e) => {
          move(e, true);
          drag.current = undefined;
        }}
      >
        <svg viewBox={`0 0 ${wide} 20`} preserveAspectRatio="none">
          <path d={path} />
        </svg>
        <div class="timeline-overview-shown" style={{ left: part(Math.max(bounds.from, span.from)), width: `max(4px, calc(${part(Math.min(bounds.to, span.to))} - ${part(Math.max(bounds.from, span.from))}))` }} />
      </div>
    </div>
  );
}

/** The visibility of the first family, as an area. */
function outline(a: Arranged, bounds: Span): string {
  const lane = a.rows.find((r) => r.kind === "lane");
  if (!lane || lane.kind !== "lane") return "";
  const w = { from: bounds.from, to: bounds.to, x0: 0, x1: wide, end: a.to };
  const boxes = columns(lane.course, w, lane.full).filter((c) => c.seen).map((c) => `M${c.x0.toFixed(1)} 20V${(20 - 20 * c.high).toFixed(1)}H${c.x1.toFixed(1)}V20Z`);
  const events = a.marks.map((m) => `M${xOf(w, m.at).toFixed(1)} 0v4h1v-4Z`);
  return boxes.join("") + events.slice(0, 500).join("");
}

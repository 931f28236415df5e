// What stands around the rows of a timeline in words: their names, signs and what they say at a moment.
import { utc } from "../words";
import { xOf, type Window } from "./course";
import type { Arranged, Mark, Row, Sign } from "./lanes";
import { eventWords, said, type Part, type Reading } from "./moment";
import { weight } from "./paint";

const glyphs: Record<Sign, string> = { lost: "▼", gained: "▲", origin: "◆", dark: "■", returned: "□", plain: "●" };

export function Glyph({ sign, severity }: { sign: Sign; severity: string }) {
  return (
    <span class={`timeline-glyph timeline-${severity}`} aria-hidden="true">
      {glyphs[sign]}
    </span>
  );
}

export function Swatch({ tint, stranger = false }: { tint: number; stranger?: boolean }) {
  return <span class={`timeline-swatch ${stranger ? "timeline-stranger" : ""}`} aria-hidden="true" style={{ background: stranger ? "var(--bad)" : tint < 0 ? "var(--accent)" : `var(--series-${tint + 1})` }} />;
}

/** The names of the rows, at their left. */
export function Names({ rows }: { rows: readonly Row[] }) {
  return (
    <div class="timeline-names">
      {rows.map((r) => (
        <div key={r.key} class={`timeline-name timeline-name-${r.kind}`} style={{ top: `${r.y}px`, height: `${r.height}px` }} title={[r.title, r.note].filter(Boolean).join(": ")}>
          {r.kind === "lane" && r.section !== "visibility" && <Swatch tint={r.tint} stranger={r.stranger} />}
          {r.href ? <a href={r.href}>{r.title}</a> : <span>{r.title}</span>}
          {r.note && <span class="timeline-note">{r.note}</span>}
        </div>
      ))}
    </div>
  );
}

export interface Cluster {
  x: number;
  main: Mark; // the gravest
  marks: Mark[];
}

/** Signs that would lie upon each other come together. */
export function clustered(marks: readonly Mark[], w: Window): Cluster[] {
  const out: (Cluster & { left: number; right: number })[] = [];
  for (const m of marks) {
    if (m.at < w.from || m.at > w.to) continue;
    let c = dressed([m], xOf(w, m.at), m);
    for (let last = out[out.length - 1]; last && last.right > c.left; last = out[out.length - 1]) {
      out.pop();
      const graver = weight(c.main) > weight(last.main) ? c : last;
      c = dressed([...last.marks, ...c.marks], (xOf(w, last.marks[0]!.at) + xOf(w, c.marks[c.marks.length - 1]!.at)) / 2, graver.main);
    }
    out.push(c);
  }
  return out;
}

/** A sign, and the room that it takes with its number. */
function dressed(marks: Mark[], x: number, main: Mark): Cluster & { left: number; right: number } {
  const half = 9 + (marks.length > 1 ? String(marks.length).length * 4 : 0);
  return { x, main, marks, left: x - half, right: x + half };
}

function Parts({ title, list, none }: { title: string; list: readonly Part[]; none: string }) {
  return (
    <>
      <dt>{title}</dt>
      <dd>
        {list.length === 0 && <span class="quiet">{none}</span>}
        {list.slice(0, 8).map((p) => (
          <div key={p.key} class="timeline-part">
            <Swatch tint={p.tint} stranger={p.stranger} /> {p.name} <b>{said(p)}</b>
            {p.eligible > 0 && <span class="quiet"> of {p.eligible}</span>}
          </div>
        ))}
        {list.length > 8 && <span class="quiet">and {list.length - 8} more</span>}
      </dd>
    </>
  );
}

/** What all rows say at the moment that is pointed at. */
export function Tip({ reading: r, x, width }: { reading: Reading; x: number; width: number }) {
  const left = x > width / 2;
  return (
    <div class="timeline-tip" style={left ? { right: `${width - x + 14}px` } : { left: `${x + 14}px` }}>
      <strong>{utc(Math.round(r.at / 1000) * 1000)}</strong>
      {r.events.slice(0, 5).map((m) => (
        <div key={m.event.id}>
          <Glyph sign={m.sign} severity={m.event.severity} /> {eventWords(m.event)} <span class="quiet">{utc(m.at)}</span>
        </div>
      ))}
      {r.events.length > 5 && <div class="quiet">and {r.events.length - 5} more events</div>}
      {r.blind ? (
        <p>Nobody was there to see: what was so is not known.</p>
      ) : (
        <dl>
          {r.visibility.length > 0 && <Parts title="Held by" list={r.visibility.map((p) => ({ ...p, name: p.name.replace("Visibility ", "") }))} none="" />}
          <Parts title="Through" list={r.upstreams} none="nobody" />
          {r.origins.length > 0 && <Parts title="From" list={r.origins} none="" />}
        </dl>
      )}
      {r.holes.length > 0 && <div class="quiet">░ Not heard: {r.holes.slice(0, 3).map((h) => `${h.gap.collector || h.gap.source || "everything"} (${h.gap.reason}, ${h.gap.peers} peers)`).join(", ")}</div>}
      {r.bars.filter((b) => !b.key.startsWith("prefix")).slice(0, 4).map((b) => (
        <div key={b.key} class="timeline-bar-words">
          <b>{b.title}</b> {b.detail}
        </div>
      ))}
    </div>
  );
}

/** What the signs and hatchings mean, of those that there are. */
export function Legend({ a }: { a: Arranged }) {
  const words: [Sign, string][] = [["lost", "lost"], ["gained", "gained or back"], ["origin", "origin"], ["dark", "dark"], ["returned", "returned"], ["plain", "other event"]];
  const has = new Set(a.marks.map((m) => m.sign));
  const blind = a.rows.some((r) => r.kind === "lane" && r.course.eligible.some((n) => n === 0));
  return (
    <>
    <p class="timeline-legend">
      {words.filter(([s]) => has.has(s)).map(([s, text]) => (
        <span key={s}>
          <Glyph sign={s} severity="plain" /> {text}
        </span>
      ))}
      {a.holes.some((h) => !h.filled) && <span><i class="timeline-hatch" /> some peers not heard</span>}
      {blind && <span><i class="timeline-hatch timeline-hatch-close" /> nobody there to see</span>}
      {a.holes.some((h) => h.filled) && <span><i class="timeline-frame" /> filled from archives</span>}
      <span class="quiet">solid up to the least, pale up to the most within a pixel; all times in UTC</span>
    </p>
    <p class="timeline-help">
      <span class="timeline-mouse">
        Drag to look closer, Shift and drag to move, Ctrl and wheel to zoom, click to mark a moment. Keys: <kbd>+</kbd> <kbd>−</kbd> <kbd>←</kbd> <kbd>→</kbd>, <kbd>Shift</kbd> <kbd>→</kbd> next event, <kbd>0</kbd> all, <kbd>w</kbd> <kbd>d</kbd> <kbd>h</kbd>, <kbd>Enter</kbd>, <kbd>Esc</kbd>.
      </span>
      <span class="timeline-touch">Drag to move, two fingers to zoom, tap to mark a moment.</span>
    </p>
    </>
  );
}


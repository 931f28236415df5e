// The same as the drawing in words: what happened in order, and the rows as a table.
import { useState } from "preact/hooks";
import type { Timeline } from "../api/types";
import { many } from "../api/types";
import { Table, Time } from "../parts/parts";
import { as, count, percent, utc } from "../words";
import { valueAt } from "./course";
import type { Arranged, LaneRow, Mark } from "./lanes";
import { eventWords } from "./moment";
import { Glyph } from "./rows";
import type { Span } from "./zoom";

const most = 200;

export function Story({ timeline, a, span, pick }: { timeline: Timeline; a: Arranged; span: Span; pick?: ((t: number) => void) | undefined }) {
  const [open, setOpen] = useState(false);
  const marks = a.marks.filter((m) => m.at >= span.from && m.at <= span.to);
  const lanes = a.rows.filter((r): r is LaneRow => r.kind === "lane");
  return (
    <details class="timeline-story" onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>
        In words: {count(marks.length, "event")} and {count(lanes.length, "lane")}
      </summary>
      {open && <Words timeline={timeline} a={a} span={span} marks={marks} lanes={lanes} pick={pick} />}
    </details>
  );
}

function Words({ timeline, a, span, marks, lanes, pick }: { timeline: Timeline; a: Arranged; span: Span; marks: readonly Mark[]; lanes: readonly LaneRow[]; pick: ((t: number) => void) | undefined }) {
  return (
    <>
      {marks.length === 0 ? (
        <p class="empty">Nothing was judged to have happened in this time.</p>
      ) : (
        <ol>
          {marks.slice(0, most).map((m) => (
            <li key={m.event.id}>
              {pick ? (
                <button type="button" class="plain" onClick={() => pick(m.at)} aria-label={`Mark ${utc(m.at)}`}>
                  <Time at={new Date(m.at).toISOString()} />
                </button>
              ) : (
                <Time at={new Date(m.at).toISOString()} />
              )}{" "}
              <Glyph sign={m.sign} severity={m.event.severity} /> <span class="sr">{m.event.severity}: </span>
              {m.event.incident ? <a href={`/incidents/${m.event.incident}`}>{eventWords(m.event)}</a> : eventWords(m.event)}
              {m.event.eligible > 0 && <span class="quiet">, seen by {count(m.event.eligible, "peer")}</span>}
            </li>
          ))}
        </ol>
      )}
      {marks.length > most && <p class="quiet">and {count(marks.length - most, "more event")}: look closer to see them</p>}
      <Table label="Lanes" head={["What", "Whose", "At the beginning", "At the end", "Most ever", "Peers at most"]}>
        {lanes.map((r) => (
          <tr key={r.key}>
            <td>{r.section === "visibility" ? r.title : `${r.section === "upstreams" ? "through" : "from"} ${r.title}${r.lane.family === 6 ? ", IPv6" : ""}`}</td>
            <td>{r.section === "visibility" ? "" : r.lane.name || (r.lane.role ?? "")}</td>
            <td>{word(r, span.from)}</td>
            <td>{word(r, Math.min(span.to, a.to))}</td>
            <td>{percent(r.lane.peak)}</td>
            <td>{r.lane.peers}</td>
          </tr>
        ))}
      </Table>
      {many(timeline.intervals).length > 0 && (
        <Table label="Prefixes and who carried them" head={["Prefix", "From", "Through", "From when", "Until", "Peers at most"]}>
          {many(timeline.intervals)
            .filter((i) => Date.parse(i.from) <= span.to && (!i.to || Date.parse(i.to) >= span.from))
            .slice(0, most)
            .map((i) => (
              <tr key={`${i.prefix} ${i.origin} ${i.upstream} ${i.from}`}>
                <td class="prefix">{i.prefix}</td>
                <td>{i.origin ? as(i.origin) : "not known"}</td>
                <td>{i.upstream ? as(i.upstream) : "–"}</td>
                <td>{i.open ? "before" : <Time at={i.from} />}</td>
                <td>{i.to ? <Time at={i.to} /> : "still"}</td>
                <td>{i.peers ?? ""}</td>
              </tr>
            ))}
        </Table>
      )}
    </>
  );
}

function word(r: LaneRow, t: number): string {
  const v = valueAt(r.course, t);
  return v && v.eligible > 0 ? `${percent(v.value)} of ${v.eligible}` : "nobody to see";
}

// When we were blind: what is open first, then the past, as a strip and as a list.
import { useEffect, useRef, useState } from "preact/hooks";
import { useAsk } from "../../api/ask";
import { board, now } from "../../api/board";
import { useStream } from "../../api/stream";
import { many, type Gap } from "../../api/types";
import { Answer, Empty, Panel, Table, Time } from "../../parts/parts";
import { useQuery } from "../../place";
import { count, listed, utc } from "../../words";
import { adviceOfGap, blind, lasted, strips, tick, ticks, whom } from "./words";

const spans = [["1", "Last day"], ["7", "Last 7 days"], ["30", "Last 30 days"], ["365", "Last year"]] as const;
const day = 86_400_000;

/** The period of the URL: from and to, or the last days. */
function period(query: Record<string, string>): { from: number; to: number; days: string } {
  const from = Date.parse(query["from"] ?? "");
  const to = Date.parse(query["to"] ?? "");
  const end = Number.isNaN(to) ? now() : to;
  if (!Number.isNaN(from) && from < end) return { from, to: end, days: "" };
  const days = spans.some(([v]) => v === query["days"]) ? query["days"]! : "7";
  return { from: end - Number(days) * day, to: end, days: Number.isNaN(to) ? days : "" };
}

const iso = (t: number) => new Date(t).toISOString().replace(/\.\d+Z$/, "Z");

export function GapsOf() {
  const [query, setQuery] = useQuery();
  const there = board.value !== undefined; // before it nobody knows what time it is
  const p = period(query);
  // To the minute: the question stays the same while one looks.
  const from = iso(Math.floor(p.from / 60_000) * 60_000);
  const all = useAsk<Gap[]>(there ? "/gaps" : null, { from, to: query["to"] }, 60_000);
  useLater(all.again);
  const set = (days: string) => setQuery({ days: days === "7" ? undefined : days, from: undefined, to: undefined });
  return (
    <Panel
      title="When we were blind"
      id="gaps"
      aside={
        <span class="feeds-filter" role="group" aria-label="Period">
          {spans.map(([v, name]) => (
            <button key={v} type="button" aria-pressed={p.days === v} onClick={() => set(v)}>
              {name}
            </button>
          ))}
        </span>
      }
    >
      <Between from={p.from} to={p.to} fixed={p.days === ""} set={(from, to) => setQuery({ from, to, days: undefined })} />
      <Answer of={all} height={260}>
        {(list) => <Holes gaps={many(list)} from={p.from} to={p.to} zoom={(a, b) => setQuery({ from: iso(a), to: iso(b), days: undefined })} />}
      </Answer>
    </Panel>
  );
}

/** Asks again a moment after holes were told: many may come at once. */
function useLater(again: () => void): void {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useStream("gap", () => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      again();
    }, 1000);
  }, [again]);
  useEffect(() => () => clearTimeout(timer.current), []);
}

function Between({ from, to, fixed, set }: { from: number; to: number; fixed: boolean; set: (from: string | undefined, to: string | undefined) => void }) {
  const field = (t: number) => new Date(t).toISOString().slice(0, 16);
  const read = (text: string) => (text ? `${text}:00Z` : undefined);
  return (
    <details class="feeds-between" open={fixed}>
      <summary>
        {utc(Math.floor(from / 60_000) * 60_000)} to {fixed ? utc(Math.floor(to / 60_000) * 60_000) : "now"}
      </summary>
      <form
        class="feeds-filter"
        onSubmit={(e) => {
          e.preventDefault();
          const f = new FormData(e.currentTarget as HTMLFormElement);
          set(read(String(f.get("from") ?? "")), read(String(f.get("to") ?? "")));
        }}
      >
        <label class="field">
          From (UTC)
          <input type="datetime-local" name="from" defaultValue={field(from)} key={`f${fixed ? from : ""}`} required />
        </label>
        <label class="field">
          To (UTC; empty: now)
          <input type="datetime-local" name="to" defaultValue={fixed ? field(to) : ""} key={`t${fixed ? to : ""}`} />
        </label>
        <button type="submit">Show</button>
      </form>
    </details>
  );
}

function Holes({ gaps, from, to, zoom }: { gaps: readonly Gap[]; from: number; to: number; zoom: (from: number, to: number) => void }) {
  const open = gaps.filter((g) => !g.to);
  const past = gaps.filter((g) => g.to);
  const said = blind(gaps, open);
  return (
    <>
      <p role="status">{said}</p>
      {open.length > 0 && (
        <section aria-label="Open holes">
          <h3>Open now</h3>
          <ul class="feeds-list">
            {open.map((g) => (
              <Open key={g.id} g={g} />
            ))}
          </ul>
        </section>
      )}
      {gaps.length > 0 && <Strips gaps={gaps} from={from} to={to} label={said} zoom={zoom} />}
      {past.length > 0 ? <Past gaps={past} /> : gaps.length === 0 && <Empty>Nothing is missing in what the other pages show of this time, as far as depeer had begun to listen. The buttons above look further back.</Empty>}
    </>
  );
}

function Open({ g }: { g: Gap }) {
  const advice = adviceOfGap(g);
  return (
    <li class="feeds-one feeds-one-bad">
      <div class="feeds-head">
        <strong>{whom(g)}</strong>
        <span class="feeds-no">▲ {g.reason}</span>
        <span>
          since <Time at={g.from} ago />
        </span>
      </div>
      {g.cause && <p>{g.cause}</p>}
      {advice && <p class="feeds-advice">{advice}</p>}
      <Listed g={g} />
    </li>
  );
}

function Listed({ g }: { g: Gap }) {
  const list = many(g.listed);
  if (list.length === 0) return null;
  return (
    <details>
      <summary>Who</summary>
      <ul>
        {list.map((p) => (
          <li key={p}>{p}</li>
        ))}
        {g.peers > list.length && <li class="quiet">and {g.peers - list.length} more</li>}
      </ul>
    </details>
  );
}

function Strips({ gaps, from, to, label, zoom }: { gaps: readonly Gap[]; from: number; to: number; label: string; zoom: (from: number, to: number) => void }) {
  const lines = strips(gaps, from, to);
  const span = to - from;
  const percent = (x: number) => `${x * 100}%`;
  const phone = matchMedia("(max-width: 40rem)").matches;
  return (
    <div class="feeds-strips">
      <div role="img" aria-label={`A line for each collector from ${utc(Math.floor(from / 60_000) * 60_000)} on: ${label} The list below has each hole.`}>
        {lines.map((l) => (
          <div key={l.place} class="feeds-strip">
            <span class="feeds-place">{l.place}</span>
            <span class="feeds-line">
              {l.bars.map((b) => (
                <span key={`${b.gap.id} ${b.gap.from}`} class={`feeds-bar ${b.gap.filled ? "feeds-filled" : b.gap.to ? "feeds-closed" : "feeds-open"}`} style={{ left: `min(${percent(b.left)}, 100% - 3px)`, width: percent(b.width) }} title={`${utc(b.gap.from)} – ${b.gap.to ? utc(b.gap.to) : "now"}: ${whom(b.gap)}, ${b.gap.reason}${b.gap.filled ? "; filled" : ""}`} />
              ))}
            </span>
          </div>
        ))}
        <div class="feeds-strip feeds-axis" aria-hidden="true">
          <span class="feeds-place" />
          <span class="feeds-line">
            {ticks(from, to, phone ? 4 : 10).map((t) => (
              <span key={t} class="feeds-tick" style={{ left: percent((t - from) / span) }}>
                {tick(t, span)}
              </span>
            ))}
          </span>
        </div>
      </div>
      <p class="feeds-legend quiet">
        <span aria-hidden="true">
          <span class="feeds-key feeds-closed" /> not seen <span class="feeds-key feeds-filled" /> filled afterwards from the archives <span class="feeds-key feeds-open" /> open
        </span>
        <span class="feeds-filter">
          <button type="button" onClick={() => zoom(from + span / 4, to - span / 4)}>
            Closer
          </button>
          <button type="button" onClick={() => zoom(from - span / 2, Math.min(now(), to + span / 2))}>
            Wider
          </button>
          <button type="button" onClick={() => zoom(from - span / 2, to - span / 2)}>
            Earlier
          </button>
          <button type="button" disabled={to >= now() - 60_000} onClick={() => zoom(Math.min(now(), to + span / 2) - span, Math.min(now(), to + span / 2))}>
            Later
          </button>
        </span>
      </p>
    </div>
  );
}

const shown = 50;

function Past({ gaps }: { gaps: readonly Gap[] }) {
  const [all, setAll] = useState(false);
  return (
    <section aria-label="Holes that are over">
      <h3>Over</h3>
      <Table label="Holes that are over" head={["From", "Lasted", "Who was not heard", "Why", "Filled from the archives"]}>
        {gaps.slice(0, all ? gaps.length : shown).map((g) => (
          <tr key={`${g.id} ${g.from}`}>
            <td>
              <Time at={g.from} />
            </td>
            <td>{lasted(g, now())}</td>
            <td>
              {whom(g)}
              {many(g.listed).length > 0 && <div class="quiet">{many(g.listed).length <= 3 && g.peers <= 3 ? listed(many(g.listed)) : <Listed g={g} />}</div>}
            </td>
            <td>
              {g.reason}
              {g.cause && <div class="quiet">{g.cause}</div>}
            </td>
            <td>{g.filled ? <Time at={g.filled} /> : <span class="quiet">no: what happened then is not known</span>}</td>
          </tr>
        ))}
      </Table>
      {!all && gaps.length > shown && (
        <button type="button" onClick={() => setAll(true)}>
          All {count(gaps.length, "hole")}
        </button>
      )}
    </section>
  );
}

// The lines of the story; those that have evidence open to it.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { many, type Event, type Migration, type Story } from "../../api/types";
import { As, Badge, Prefix, Time } from "../../parts/parts";
import { useQuery } from "../../place";
import { as, count, lasting, listed, utc } from "../../words";
import { Evidence } from "./evidence";
import type { Line } from "./story";
import { eventSubject, kindName, toldSeverity } from "./tell";
import { ToldLine } from "./who";

const atOnce = 150;

export function Lines({ lines, story }: { lines: readonly Line[]; story: Story }) {
  const [most, setMost] = useState(atOnce);
  return (
    <>
      <ol class="incident-lines">
        {lines.slice(0, most).map((l, i) => (
          <li key={l.key} class={`incident-line incident-line-${l.what}`}>
            <span class="incident-at">
              <Time at={l.at} />
              <span class="quiet incident-later">{later(lines[i - 1], l)}</span>
            </span>
            <div class="incident-said">
              <Said line={l} story={story} />
            </div>
          </li>
        ))}
      </ol>
      {lines.length > most && (
        <button type="button" onClick={() => setMost(most + atOnce)}>
          Show {Math.min(atOnce, lines.length - most)} more of {lines.length - most}
        </button>
      )}
    </>
  );
}

function later(before: Line | undefined, l: Line): string {
  if (!before) return "";
  const ms = Date.parse(l.at) - Date.parse(before.at);
  return ms >= 1000 ? `+${lasting(ms)}` : "";
}

function Said({ line: l, story }: { line: Line; story: Story }) {
  switch (l.what) {
    case "events": return <Events events={l.events} incident={story.incident.id} />;
    case "became":
      return (
        <>
          <span class="incident-word">{l.incident.revision === 1 ? "Incident" : `Revision ${l.incident.revision}`}</span> <strong>{l.incident.summary}</strong>
          {l.changes.length > 0 && <span class="quiet"> ({l.changes.join("; ")})</span>}
        </>
      );
    case "moved": return <Moved m={l.migration} />;
    case "note":
      return (
        <>
          <span class="incident-word">{l.note.who}</span> {l.note.ack ? "takes care of it" : "says"}
          {l.note.text && <q class="incident-quote">{l.note.text}</q>}
        </>
      );
    case "told": {
      const last = l.told[l.told.length - 1]!;
      return (
        <>
          <Badge is={toldSeverity(last)}>{last.outcome}</Badge> <ToldLine t={l.told[0]!} timed={false} />
          {l.told.length > 1 && <span class="quiet"> ({l.told.length} times, last {utc(last.at)})</span>}
        </>
      );
    }
    case "gap":
      return (
        <span class="quiet">
          <span aria-hidden="true">░ </span>
          {l.ends ? "We see again" : "We do not see everything from here on"}: {l.gap.collector || l.gap.source || "everything"}, {l.gap.reason}
          {l.gap.peers > 0 && ` (${count(l.gap.peers, "peer")})`}
        </span>
      );
  }
}

const listedAtOnce = 20;

/** One event, or many of a kind: what is open is in the URL. */
function Events({ events, incident }: { events: readonly Event[]; incident: string }) {
  const [query, set] = useQuery();
  const [most, setMost] = useState(listedAtOnce);
  const open = (query["event"] ?? "").split(",");
  const first = events[0]!;
  if (events.length === 1) return <OneEvent event={first} incident={incident} open={open.includes(first.id)} toggle={(is) => set({ event: is ? first.id : undefined }, true)} />;
  const inside = events.some((e) => open.includes(e.id));
  const prefixes = new Set(events.flatMap((e) => (e.prefix ? [e.prefix] : many(e.prefixes))));
  const took = Date.parse(events[events.length - 1]!.at) - Date.parse(first.at);
  return (
    <Opens
      open={inside || open.includes(`all-${first.id}`)}
      toggle={(is) => set({ event: is ? `all-${first.id}` : undefined }, true)}
      summary={
        <>
          <EventHead event={first} /> {prefixes.size > 0 && prefixes.size <= 3 ? listed([...prefixes]) : count(prefixes.size, "prefix", "prefixes")}
          {first.upstream ? <>, {as(first.upstream)}</> : null} <span class="quiet">{took < 1000 ? "at once" : `within ${lasting(took)}`}; {count(events.length, "event")}</span>
        </>
      }
    >
      <ul class="incident-many">
        {events.slice(0, most).map((e) => (
          <li key={e.id}>
            <OneEvent event={e} incident={incident} open={open.includes(e.id)} toggle={(is) => set({ event: is ? e.id : `all-${first.id}` }, true)} />
          </li>
        ))}
      </ul>
      {events.length > most && (
        <button type="button" onClick={() => setMost(most + 100)}>
          {Math.min(100, events.length - most)} more of {events.length - most}
        </button>
      )}
    </Opens>
  );
}

function OneEvent({ event, incident, open, toggle }: { event: Event; incident: string; open: boolean; toggle: (open: boolean) => void }) {
  return (
    <Opens
      open={open}
      toggle={toggle}
      summary={
        <>
          <EventHead event={event} /> {eventSubject(event)}
        </>
      }
    >
      <Evidence event={event} incident={incident} />
    </Opens>
  );
}

function EventHead({ event }: { event: Event }) {
  return (
    <>
      <Badge is={event.severity}>{kindName(event.kind)}</Badge>
    </>
  );
}

/** A details element whose state is held elsewhere; what is closed is not made. */
function Opens({ open, toggle, summary, children }: { open: boolean; toggle: (open: boolean) => void; summary: ComponentChildren; children: ComponentChildren }) {
  return (
    <details open={open} class="incident-opens">
      <summary
        onClick={(e) => {
          e.preventDefault();
          toggle(!open);
        }}
      >
        {summary}
      </summary>
      {open && children}
    </details>
  );
}

function Moved({ m }: { m: Migration }) {
  const points = (n: number) => (n > 0 ? `+${n}` : String(n));
  return (
    <details class="incident-opens">
      <summary>
        <Badge is={m.severity}>{kindName(m.kind)}</Badge> {m.summary} {m.score !== 0 && <span class="quiet">(score {m.score})</span>}
      </summary>
      <div class="incident-evidence">
        <p>
          <a href={`/families/${encodeURIComponent(m.family)}`}>{m.family}</a>, from <End end={m.from} /> to <End end={m.to} />; seen there first <Time at={m.first_seen} />.
          {m.score !== 0 && ` Routing gives ${m.routing} points, C&C ${m.cnc}.`}
        </p>
        <ul>
          {many(m.evidence).map((e) => (
            <li key={e.name + e.text}>
              {e.text} {e.points !== 0 && <span class="quiet">({points(e.points)})</span>}
            </li>
          ))}
        </ul>
        {many(m.caveats).length > 0 && <p class="quiet">But: {many(m.caveats).join("; ")}.</p>}
      </div>
    </details>
  );
}

function End({ end }: { end: Migration["from"] }) {
  return (
    <>
      {end.ip ? <span class="mono">{end.ip} </span> : end.prefix ? <Prefix prefix={end.prefix} /> : ""}
      {end.asn > 0 && <As asn={end.asn} />} {end.name}
    </>
  );
}

// The lists: incidents, those that last first; and events.
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { url, type Query } from "../api/ask";
import { nameOf, now } from "../api/board";
import { many, type Event, type Incident } from "../api/types";
import { As, Badge, Empty, Gaps, Panel, Prefix, Skeleton, Time, TroubleBox } from "../parts/parts";
import { useQuery } from "../place";
import { count, lasting } from "../words";
import { Evidence } from "./incident/evidence";
import { inOrder } from "./incident/neighbours";
import { className, eventKinds, eventSubject, incidentClasses, kindName } from "./incident/tell";
import { asked, Filters } from "./incidents/filters";
import { useList, type Growing } from "./incidents/list";
import "./incident.css";
import "./incidents.css";

const page = 50;
const lasts = "open,recovering";

export function Incidents() {
  const [query] = useQuery();
  const filter = asked(query, ["hoster", "class", "phase", "severity", "upstream", "prefix", "from", "to"]);
  const phase = filter["phase"];
  const open = useList<Incident>(phase === "resolved" ? null : "/incidents", { ...filter, phase: phase ?? lasts, limit: page }, "incident");
  const over = useList<Incident>(phase && phase !== "resolved" ? null : "/incidents", { ...filter, phase: "resolved", limit: page }, "incident");
  useEffect(() => {
    document.title = "Incidents – depeer";
  }, []);
  useEffect(() => {
    inOrder.value = [...(open.items ?? []), ...(over.items ?? [])].map((i) => i.id);
  }, [open.items, over.items]);
  const filtered = Object.keys(filter).length > 0;
  // How much lasts says where the rest begins: it waits for that, so that nothing moves down under a finger.
  const placed = open.items !== undefined || open.trouble !== undefined;
  return (
    <div class="page incidents">
      <div class="page-head">
        <h1>Incidents</h1>
        <Lists here="incidents" />
      </div>
      <Filters word={{ name: "class", label: "Class" }} words={incidentClasses.map((c) => ({ value: c, name: c }))} phases={["open", "recovering", "resolved"].map((p) => ({ value: p, name: p }))} />
      {phase !== "resolved" && (
        <Panel title="They last" busy={open.items === undefined && !open.trouble} aside={open.items && count(open.items.length, "incident")}>
          <Grown list={open} what="incident" height={90} empty={<NoneOpen filtered={filtered} />}>
            {(i: Incident) => <IncidentRow key={i.id} i={i} />}
          </Grown>
        </Panel>
      )}
      {placed && (!phase || phase === "resolved") && (
        <Panel title="They are over" busy={over.items === undefined && !over.trouble}>
          <Grown list={over} what="incident" height={600} empty={<NoneOver filtered={filtered} />}>
            {(i: Incident) => <IncidentRow key={i.id} i={i} />}
          </Grown>
        </Panel>
      )}
      {placed && (over.items !== undefined || over.trouble) && <Files list="incidents" query={filter} />}
    </div>
  );
}

/** The two lists lead to each other, with what they share of the filters. */
function Lists({ here }: { here: "incidents" | "events" }) {
  const [query] = useQuery();
  const shared = asked(query, ["hoster", "severity", "upstream", "prefix", "from", "to"]);
  return (
    <nav aria-label="Lists" class="incidents-lists">
      {(["incidents", "events"] as const).map((l) => (
        <a key={l} class="button" href={url(`/${l}`, shared)} aria-current={l === here ? "page" : undefined}>
          {l === "incidents" ? "Incidents" : "Events"}
        </a>
      ))}
    </nav>
  );
}

function NoneOpen({ filtered }: { filtered: boolean }) {
  return filtered ? (
    <Empty>None that lasts matches the filters above.</Empty>
  ) : (
    <Empty>
      Calm: no incident lasts. Whether that can be trusted, <a href="/feeds">our eyes</a> say; how each hoster stands, <a href="/">the board</a>.
    </Empty>
  );
}

function NoneOver({ filtered }: { filtered: boolean }) {
  return filtered ? (
    <Empty>None that is over matches the filters above. Take one away, or show all.</Empty>
  ) : (
    <Empty>
      None is remembered. An incident is opened when an upstream drops a watched hoster, or somebody new carries or announces it. The past can be filled in from the archives: <code>depeer backfill</code>.
    </Empty>
  );
}

function IncidentRow({ i }: { i: Incident }) {
  const over = i.phase === "resolved";
  const lasted = (i.resolved ? Date.parse(i.resolved) : now()) - Date.parse(i.opened);
  return (
    <li class="incidents-row incidents-brief">
      <span class="incidents-mark">
        <Badge is={i.severity} />
      </span>
      <div>
        <a class="incidents-what" href={`/incidents/${encodeURIComponent(i.id)}`}>
          {i.summary}
        </a>
        <p class="incidents-meta">
          <a href={`/hosters/${i.hoster}`}>{nameOf(i.hoster)}</a>
          <span>{className(i.class)}</span>
          <span class={`incident-phase incident-${i.phase}`}>{i.phase}</span>
          <span>
            <Time at={i.opened} /> <span class="quiet">{over ? `lasted ${lasting(lasted)}` : `for ${lasting(lasted)}`}</span>
          </span>
          <Numbers word="lost" of={i.lost} />
          <Numbers word="gained" of={i.gained} />
          {(i.flaps ?? 0) > 0 && <span>lost again {i.flaps === 1 ? "once" : `${i.flaps} times`}</span>}
        </p>
      </div>
    </li>
  );
}

function Numbers({ word, of }: { word: string; of: readonly number[] | null }) {
  const all = many(of);
  if (all.length === 0) return null;
  return (
    <span>
      <span class="quiet">{word}</span>{" "}
      {all.slice(0, 6).map((a) => (
        <span key={a}>
          <As asn={a} upstream />{" "}
        </span>
      ))}
      {all.length > 6 && <span class="quiet">and {all.length - 6} more</span>}
    </span>
  );
}

export function Events() {
  const [query] = useQuery();
  const filter = asked(query, ["hoster", "kind", "severity", "upstream", "prefix", "incident", "from", "to"]);
  const list = useList<Event>("/events", { ...filter, limit: page * 2 }, "event");
  useEffect(() => {
    document.title = "Events – depeer";
  }, []);
  return (
    <div class="page incidents">
      <div class="page-head">
        <h1>Events</h1>
        <Lists here="events" />
        <span class="quiet">judged facts, newest first; incidents are made of them</span>
      </div>
      <Filters word={{ name: "kind", label: "Kind" }} words={eventKinds.map((k) => ({ value: k, name: kindName(k) }))} />
      {filter["incident"] && (
        <p>
          Those of <a href={`/incidents/${encodeURIComponent(filter["incident"])}`}>one incident</a> alone.
        </p>
      )}
      <Panel title={Object.keys(filter).length ? "Events that match" : "All events"} busy={list.items === undefined && !list.trouble}>
        <Grown
          list={list}
          what="event"
          height={900}
          empty={
            Object.keys(filter).length ? (
              <Empty>No event matches the filters above. Take one away, or show all.</Empty>
            ) : (
              <Empty>
                Nothing has happened to a watched hoster since this depeer remembers. <a href="/feeds">Our eyes</a> say what is heard; <code>depeer backfill</code> fills in the past.
              </Empty>
            )
          }
        >
          {(e: Event) => <EventRow key={e.id} e={e} />}
        </Grown>
      </Panel>
      <Files list="events" query={filter} />
    </div>
  );
}

function EventRow({ e }: { e: Event }) {
  const [query, set] = useQuery();
  const open = query["event"] === e.id;
  const prefixes = many(e.prefixes);
  return (
    <li class="incidents-row">
      <span class="incidents-mark">
        <Time at={e.at} />
      </span>
      <div class="incidents-event">
        <details open={open} class="incident-opens">
          <summary
            onClick={(x) => {
              x.preventDefault();
              set({ event: open ? undefined : e.id }, true);
            }}
          >
            <Badge is={e.severity}>{kindName(e.kind)}</Badge> {eventSubject(e)}
          </summary>
          {open && <Evidence event={e} incident={e.incident ?? ""} />}
        </details>
        <p class="incidents-meta">
          {e.hoster ? <a href={`/hosters/${e.hoster}`}>{nameOf(e.hoster)}</a> : <a href="/feeds">our eyes</a>}
          {e.incident && <a href={`/incidents/${encodeURIComponent(e.incident)}?event=${e.id}`}>its incident</a>}
          {e.upstream ? <As asn={e.upstream} upstream /> : null}
          {!e.prefix && prefixes.length === 1 && <Prefix prefix={prefixes[0]!} />}
        </p>
      </div>
    </li>
  );
}

/** A list as far as it is shown, what is new above it, and more below. */
function Grown<T>({ list, what, height, empty, children }: { list: Growing<T>; what: string; height: number; empty: ComponentChildren; children: (x: T) => ComponentChildren }) {
  if (list.items === undefined) return list.trouble ? <TroubleBox trouble={list.trouble} again={list.again} /> : <Skeleton height={height} />;
  return (
    <>
      <div role="status">
        {list.fresh > 0 && (
          <button type="button" class="primary incidents-fresh" onClick={list.again}>
            {list.fresh} new: show {list.fresh === 1 ? "it" : "them"}
          </button>
        )}
      </div>
      {list.trouble && <TroubleBox trouble={list.trouble} again={list.again} />}
      <Gaps gaps={list.gaps} />
      {list.items.length === 0 ? empty : <ol class="incidents-rows">{list.items.map(children)}</ol>}
      {list.more && (
        <button type="button" disabled={list.fetching} onClick={list.more}>
          {list.fetching ? "Fetching…" : `More ${what}s`}
        </button>
      )}
    </>
  );
}

/** The whole list, as far as the filters let it through, as a file. */
function Files({ list, query }: { list: string; query: Query }) {
  return (
    <p class="incidents-files">
      <span class="quiet">All that match, as a file:</span>
      {(["csv", "ndjson", "stix", "misp"] as const).map((f) => (
        <a key={f} href={url(`/api/v1/${list}`, { ...query, format: f })} download={`depeer-${list}.${f}`}>
          {f.toUpperCase()}
        </a>
      ))}
      <a href={url(`/api/v1/${list}`, { ...query, limit: 1000 })}>JSON</a>
    </p>
  );
}

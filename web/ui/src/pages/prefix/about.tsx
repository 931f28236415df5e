// What is around a prefix, what happened to it, what was seen in it.
import { useState } from "preact/hooks";
import type { Asked } from "../../api/ask";
import { many, type AboutPrefix, type Event, type Sight, type Stand, type Timeline } from "../../api/types";
import { eventWords } from "../../chart/moment";
import { Answer, As, Badge, Empty, Panel, Prefix, Share, Table, Time } from "../../parts/parts";
import { useQuery } from "../../place";
import { nameOf } from "../../api/board";
import { count } from "../../words";
import { around } from "./grouping";

const mostStands = 12; // at first

/** How prefixes stood: for a prefix what is around it, for an AS what it originates. */
export function Stands({ list, label, at }: { list: readonly Stand[]; label: string; at: string }) {
  const [all, setAll] = useState(false);
  const shown = all ? list : list.slice(0, mostStands);
  return (
    <>
      <Table label={label} head={["Prefix", "Held by", "Origin", "Upstreams", "Hoster", "First change", "Last change"]}>
        {shown.map((s) => (
          <tr key={s.prefix}>
            <td><Prefix prefix={s.prefix} /></td>
            <td>{s.eligible > 0 ? <Share value={s.peers / s.eligible} label={`${s.peers} of ${s.eligible} peers at ${at}`} /> : <span class="quiet">nobody to see</span>} {s.eligible > 0 && <span class="quiet">{s.peers} of {s.eligible}</span>}</td>
            <td>{many(s.origins).length ? many(s.origins).map((a) => <span key={a}><As asn={a} /> </span>) : <span class="quiet">none</span>}</td>
            <td>{many(s.upstreams).length ? many(s.upstreams).map((a) => <span key={a}><As asn={a} upstream /> </span>) : <span class="quiet">none</span>}</td>
            <td>{many(s.hosters).length ? many(s.hosters).map((h) => <span key={h}><a href={`/hosters/${h}`}>{nameOf(h)}</a> </span>) : <span class="quiet">none</span>}</td>
            <td><Time at={s.first} /></td>
            <td><Time at={s.last} /></td>
          </tr>
        ))}
      </Table>
      {shown.length < list.length && <button type="button" class="prefix-more" onClick={() => setAll(true)}>Show all {list.length}</button>}
    </>
  );
}

/** Prefixes that cover it, and those that are more specific. */
export function Around({ about }: { about: AboutPrefix }) {
  const m = about.memory;
  if (!m) return null;
  const covering = many(m.covering);
  const covered = many(m.covered);
  return (
    <Panel title="Around it" id="around" aside={<>as it stood at <Time at={m.at} /></>}>
      <h3 class="prefix-sub">Prefixes that cover it</h3>
      {covering.length ? <Stands list={covering} label="Prefixes that cover it" at={m.at} /> : <Empty>None is remembered: where this one is withdrawn, no other that is known leads there.</Empty>}
      <h3 class="prefix-sub">More specific ones</h3>
      {covered.length ? <Stands list={covered} label="More specific prefixes" at={m.at} /> : <Empty>None is remembered: nobody was heard to announce a part of it.</Empty>}
    </Panel>
  );
}

const mostEvents = 12;

/** The events about it, latest first; each leads to the moments before and after it. */
export function Seen({ timeline, subject, asn }: { timeline: Asked<Timeline>; subject: string; asn: number }) {
  const all = asn ? `/events?asn=${asn}` : `/events?prefix=${encodeURIComponent(subject)}`;
  return (
    <Panel title="What happened" id="events" aside={<a href={all}>All events</a>}>
      <Answer of={timeline} height={220}>
        {(t) => {
          const list = [...many(t.events)].reverse();
          if (list.length === 0) return <Empty>Nothing was judged worth telling in the time that is remembered.</Empty>;
          return (
            <ul class="prefix-events">
              {list.slice(0, mostEvents).map((e) => <Told key={e.id} e={e} />)}
              {list.length > mostEvents && <li><a href={all}>and {count(list.length - mostEvents, "earlier one")}</a></li>}
            </ul>
          );
        }}
      </Answer>
    </Panel>
  );
}

function Told({ e }: { e: Event }) {
  const [, set] = useQuery();
  return (
    <li>
      <Badge is={e.severity} /> <Time at={e.at} /> {eventWords(e)}
      {e.incident && <> · <a href={`/incidents/${e.incident}`}>incident</a></>}{" "}
      <button
        type="button" class="plain prefix-look" aria-label={`Routes before and after: ${eventWords(e)}`}
        onClick={() => {
          const { before, after } = around([e]);
          set({ at: after, and: before });
          document.getElementById("paths")?.scrollIntoView();
        }}
      >
        before and after
      </button>
    </li>
  );
}

/** C&C servers that were seen in it. */
export function Sighted({ timeline }: { timeline: Asked<Timeline> }) {
  return (
    <Panel title="C&C servers seen in it" id="sightings">
      <Answer of={timeline} height={220}>
        {(t) => {
          const list = many(t.sightings);
          if (list.length === 0) return <Empty>None was seen in the time that is remembered. Sightings come from the sensors of the configuration (sightings), or from depeer sightings import.</Empty>;
          return (
            <Table label="C&C servers seen in it" head={["Family", "Address", "Seen", "By"]}>
              {[...list].reverse().map((s) => <One key={s.id} s={s} />)}
            </Table>
          );
        }}
      </Answer>
    </Panel>
  );
}

function One({ s }: { s: Sight }) {
  return (
    <tr>
      <td><a href={`/families/${encodeURIComponent(s.family)}`}>{s.family}</a>{s.kind && s.kind !== "cnc" && <span class="quiet"> {s.kind}</span>}</td>
      <td><a class="mono" href={`/prefixes/${s.addr}`}>{s.addr}</a></td>
      <td><Time at={s.at} />{s.until && <> – <Time at={s.until} /></>}</td>
      <td>{s.source}</td>
    </tr>
  );
}

// The routes at a moment, and what is different at another.
import { useEffect, useMemo, useState } from "preact/hooks";
import { useAsk, type Asked } from "../../api/ask";
import { board, now } from "../../api/board";
import { many, type Difference, type Event, type Route, type Routes } from "../../api/types";
import { PathGraph } from "../../chart/paths";
import { Answer, Empty, Gaps, Missing, Panel, Skeleton } from "../../parts/parts";
import { useQuery } from "../../place";
import { as, count, listed, utc } from "../../words";
import { MomentField, Quick, type Chosen } from "./choose";
import { grouped, inOrder, losses, matches, moment, parts, readMoment, type Group, type Row } from "./grouping";
import { Groups } from "./groups";
import { useKept } from "./kept";

export interface MomentsProps {
  base: string; // of the API: "/prefixes/208.66.192.0%2F22"
  name: string; // "208.66.192.0/22"
  events: readonly Event[] | undefined; // undefined: not there yet
  hosters: readonly number[]; // AS numbers that stand on the right
  several: boolean; // prefixes: each route says of which it is
}

/** now, to the end of its minute: an answer is asked for again, and need not be another question every second. */
function thisMinute(): string | undefined {
  return board.value ? moment(Math.ceil(now() / 60_000) * 60_000) : undefined;
}

export function Moments({ base, name, events, hosters, several }: MomentsProps) {
  const [query, set] = useQuery();
  const list = useMemo(() => losses(events ?? []), [events]);
  const at = query["at"] ? readMoment(query["at"]) : undefined;
  const unread = [query["at"], query["and"]].find((t) => t && t !== "none" && !readMoment(t));
  const is: Chosen = { at, and: query["and"] };
  const chosen = at ?? thisMinute();
  const given = query["and"] && query["and"] !== "none" ? readMoment(query["and"]) : undefined;
  const other = given ?? (at === undefined && query["and"] === undefined ? list[0]?.before : undefined);
  const ready = events !== undefined && chosen !== undefined;
  const pair = ready && other && Date.parse(other) !== Date.parse(chosen) ? inOrder(chosen, other) : undefined;
  const live = at === undefined ? 20_000 : 0;
  const one = useKept(useAsk<Routes>(ready ? `${base}/routes` : null, { at: chosen }, live), base);
  const two = useKept(useAsk<Routes>(pair ? `${base}/routes` : null, { at: other }), base);
  const difference = useKept(useAsk<Difference>(pair ? `${base}/difference` : null, pair && { from: pair[0], to: pair[1] }, live), base);
  const choose = (c: Chosen) => set({ at: c.at, and: c.and });
  const same = (r: Asked<Routes>, t: string | undefined) => (r.data && t && Date.parse(r.data.at) === Date.parse(t) ? r.data : undefined);
  const first = same(one, chosen);
  const second = same(two, other);
  return (
    <>
      <Panel title={pair ? "Paths before and after" : "Paths"} id="paths" busy={one.asking || (pair !== undefined && two.asking)} aside={pair ? `${utc(pair[0])} and ${at || pair[1] !== chosen ? utc(pair[1]) : "now"}` : at ? utc(at) : "now"}>
        <Quick losses={list} events={many(events)} is={is} set={choose} />
        {unread && <p class="prefix-wrong" role="alert">“{unread}” in the address of this page is no time (2008-11-11T21:00:00Z is one): it is passed over.</p>}
        <div class="prefix-moments">
          <MomentField label="Moment, UTC" value={at} hint="now" choose={(t) => set({ at: t, and: query["and"] ?? (t ? undefined : "none") })} previous={first?.previous} next={first?.next} steps />
          <MomentField label="Compared with, UTC" value={pair && other} hint="nothing" choose={(t) => set({ and: t ?? "none" })} previous={second?.previous} next={second?.next} steps={pair !== undefined} />
        </div>
        <Drawn one={one} two={pair ? two : undefined} oneIsLater={pair === undefined || pair[1] === chosen} name={name} hosters={hosters} several={several} pair={pair} />
      </Panel>
      {pair && <Different of={difference} pair={pair} several={several} hosters={hosters} />}
      <AtOnce of={one} several={several} hosters={hosters} chosen={chosen} live={at === undefined} />
    </>
  );
}

const graphHeight = 340;

function Drawn({ one, two, oneIsLater, name, hosters, several, pair }: { one: Asked<Routes>; two: Asked<Routes> | undefined; oneIsLater: boolean; name: string; hosters: readonly number[]; several: boolean; pair: readonly [string, string] | undefined }) {
  const a = one.data?.routes;
  const b = two?.data?.routes;
  const [before, after] = useMemo((): [readonly Route[], readonly Route[] | undefined] => {
    if (!two) return [many(a), undefined];
    return oneIsLater ? [many(b), many(a)] : [many(a), many(b)];
  }, [a, b, two === undefined, oneIsLater]);
  if (!one.data || (two && !two.data)) {
    const trouble = one.trouble ? one : two?.trouble ? two : undefined;
    return trouble ? <Answer of={trouble}>{() => null}</Answer> : <Skeleton height={graphHeight + 70} />;
  }
  return (
    <>
      <p class="prefix-said" aria-live="polite">
        {pair && two?.data ? <>{told(oneIsLater ? two.data : one.data, several)} {told(oneIsLater ? one.data : two.data, several)}</> : told(one.data, several)}
      </p>
      <PathGraph before={before} after={after} hosters={hosters} height={graphHeight} label={`of ${name}`} {...(pair ? { then: [utc(pair[0]), utc(pair[1])] as const } : {})} />
    </>
  );
}

/** How many held it, by whom. */
function told(r: Routes, several: boolean): string {
  const groups = grouped(many(r.routes).map((route) => ({ route })));
  const known = groups.filter((g) => g.known);
  const silent = groups.filter((g) => !g.known).reduce((n, g) => n + g.peers, 0);
  const when = utc(r.at);
  const parts = known.slice(0, 4).map((g) => `${g.upstream ? as(g.upstream) : "no upstream"} (${g.peers})`);
  if (known.length > 4) parts.push(`${known.length - 4} more`);
  const holders = new Set(many(r.routes).filter((x) => x.known).map((x) => `${x.peer.collector} ${x.peer.addr} ${x.peer.asn}`)).size;
  const it = several ? "any of it" : "it";
  const text = known.length ? `${when}: ${holders} of ${count(r.peers, "peer")} that were heard held ${it}, by ${listed(parts)}.` : `${when}: none of the ${count(r.peers, "peer")} that were heard held ${it}.`;
  return silent ? `${text} Of ${silent} more only the last word is known.` : text;
}

const titles = { went: "Went", came: "Came", changed: "Another path", unknown: "Not heard" } as const;
const signs = { went: "−", came: "+", changed: "→", unknown: "?" } as const;
const means = {
  went: "held at the first moment, withdrawn by the second; as it was",
  came: "held at the second moment, not at the first",
  changed: "held at both, along another path",
  unknown: "the peer was not heard at the second moment: whether it still held it is not known",
} as const;

function Different({ of, pair, several, hosters }: { of: Asked<Difference>; pair: readonly [string, string]; several: boolean; hosters: readonly number[] }) {
  return (
    <Panel title="What is different" id="different" busy={of.asking} aside={`from ${utc(pair[0])} to ${utc(pair[1])}`}>
      <Answer of={of} height={220}>
        {(d) => (
          <div class="prefix-parts">
            {parts(d).map((p) => (
              <section key={p.name} class={`prefix-part prefix-part-${p.name}`} aria-label={titles[p.name]}>
                <h3>
                  <span aria-hidden="true">{signs[p.name]} </span>
                  {titles[p.name]}: {count(p.rows.length, "route")}
                  <span class="quiet"> {means[p.name]}</span>
                </h3>
                {p.rows.length > 0 && <Groups groups={grouped(p.rows)} several={several} hosters={hosters} changed={p.name === "changed"} />}
              </section>
            ))}
            <p class="quiet">{count(d.same, "route")} {d.same === 1 ? "is" : "are"} the same at both.</p>
            <Gaps gaps={d.gaps} />
            <Missing sentences={d.missing} />
          </div>
        )}
      </Answer>
    </Panel>
  );
}

function AtOnce({ of, several, hosters, chosen, live }: { of: Asked<Routes>; several: boolean; hosters: readonly number[]; chosen: string | undefined; live: boolean }) {
  const [query, set] = useQuery();
  const [word, setWord] = useState(query["peer"] ?? "");
  useEffect(() => setWord(query["peer"] ?? ""), [query["peer"]]);
  const rows = useMemo((): Row[] => many(of.data?.routes).map((route) => ({ route })).filter((r) => matches(r, word)), [of.data, word]);
  const groups: Group[] = useMemo(() => grouped(rows), [rows]);
  return (
    <Panel title="Routes, peer by peer" id="routes" busy={of.asking} aside={chosen && (live ? `now, ${utc(chosen)}` : utc(chosen))}>
      <form class="prefix-filter" role="search" aria-label="Routes" onSubmit={(e) => { e.preventDefault(); set({ peer: word || undefined }, true); }}>
        <label class="field">
          Show only
          <input type="search" value={word} placeholder="AS in the path, peer, collector" onInput={(e) => setWord(e.currentTarget.value)} onBlur={() => (query["peer"] ?? "") !== word && set({ peer: word || undefined }, true)} />
        </label>
        {word && <span class="quiet" aria-live="polite">{rows.length} of {count(many(of.data?.routes).length, "route")}</span>}
      </form>
      <Answer of={of} height={160}>
        {(r) => (
          <>
            {groups.length === 0 && <Empty>{many(r.routes).length === 0 ? "No peer held a route then, as far as is known. Step to the previous change, or choose a moment before the loss." : "No route has this in it. Clear the field to see all."}</Empty>}
            <Groups groups={groups} several={several} hosters={hosters} changed={false} open={word !== "" && rows.length <= 40} />
            <Gaps gaps={r.gaps} />
            <Missing sentences={r.missing} />
          </>
        )}
      </Answer>
    </Panel>
  );
}

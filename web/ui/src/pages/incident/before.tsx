// How it was before, and how it is, or was at a chosen moment: shares, visibility, paths, and the course between.
import { useMemo } from "preact/hooks";
import { useAsk } from "../../api/ask";
import { board, now } from "../../api/board";
import { many, type Incident, type Routes, type Timeline } from "../../api/types";
import { PathGraph } from "../../chart/paths";
import { TimelineChart, useTimeline } from "../../chart/timeline";
import { Answer, As, Empty, Gaps, Missing, Panel, Share, Skeleton, Table, TroubleBox } from "../../parts/parts";
import { useQuery } from "../../place";
import { utc } from "../../words";
import { moments, sharesOf, type Moment } from "./moments";

const manyPrefixes = 20; // with more, the paths of one are drawn first: all of them would be a ball of wool

export function BeforeAndAfter({ incident, revisions }: { incident: Incident; revisions: readonly Incident[] }) {
  const [query, set] = useQuery();
  const all = useMemo(() => moments(incident, revisions), [incident, revisions]);
  const chosen = all.find((m) => m.at === query["then"]) ?? ownMoment(query["then"]) ?? all.find((m) => m.first)!;
  const hoster = `/hosters/${encodeURIComponent(incident.hoster)}`;
  const [from, to] = useMemo(() => around(incident), [incident.opened, incident.at, incident.resolved]);
  const zoom = { from: query["from"] ?? from, to: query["to"] ?? to };
  const t = useTimeline(hoster, zoom.from, zoom.to);
  const before = new Date(Date.parse(incident.opened) - 1).toISOString();
  return (
    <Panel
      title="Before and after"
      busy={t.asking && !t.data}
      aside={
        <label>
          Compare with{" "}
          <select value={chosen.at} onChange={(e) => set({ then: e.currentTarget.value }, true)}>
            {(all.includes(chosen) ? all : [chosen, ...all]).map((m) => (
              <option key={m.at} value={m.at}>
                {m.name}
              </option>
            ))}
          </select>
        </label>
      }
    >
      <Answer of={t} height={620}>
        {(data) => (
          <>
            <Shares hoster={hoster} whole={data} before={before} then={chosen} />
            <Paths incident={incident} before={before} then={chosen} />
            <h3 class="incident-sub">The course of it</h3>
            <TimelineChart
              timeline={data}
              fine={t.fine}
              from={zoom.from}
              to={zoom.to}
              onZoom={(f, u) => set({ from: f, to: u }, true)}
              at={query["then"]}
              onMoment={(at) => set({ then: at }, true)}
              height={420}
              only={["incidents", "events", "visibility", "upstreams", "origins", "cnc", "gaps"]}
            />
            <Gaps gaps={data.gaps} />
            <Missing sentences={data.missing} />
          </>
        )}
      </Answer>
    </Panel>
  );
}

function ownMoment(at: string | undefined): Moment | undefined {
  return at && !Number.isNaN(Date.parse(at)) ? { at, name: `${utc(at)}: chosen in the chart`, short: utc(at) } : undefined;
}

/** A while before it began, to a while after what happened last: what only lasts needs no room. */
function around(i: Incident): [string, string] {
  const opened = Date.parse(i.opened);
  const end = Math.max(Date.parse(i.at), i.resolved ? Date.parse(i.resolved) : 0);
  const stamp = (ms: number) => new Date(ms).toISOString();
  return [stamp(opened - bounded((end - opened) / 4, 3_600_000, day)), stamp(Math.min(now(), end + bounded((end - opened) / 10, 1_800_000, day)))];
}

const day = 86_400_000;

function bounded(x: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, x));
}

/** The shares at a moment, exactly: a long timeline has coarser steps. */
function Shares({ hoster, whole, before, then }: { hoster: string; whole: Timeline; before: string; then: Moment }) {
  const first = useAsk<Timeline>(`${hoster}/timeline`, { from: before, to: before });
  const chosen = useAsk<Timeline>(then.at === "now" ? null : `${hoster}/timeline`, { from: then.at, to: then.at });
  const second = then.at === "now" ? whole : chosen.data;
  const trouble = first.trouble ?? chosen.trouble;
  if (!first.data || !second) return trouble ? <TroubleBox trouble={trouble} again={first.trouble ? first.again : chosen.again} /> : <Skeleton height={180} />;
  const rows = sharesOf(first.data, second);
  if (rows.length === 0) return <Empty>No peer spoke of its routes at either moment: there is nothing to compare. <a href="/feeds">Our eyes</a> says what was heard.</Empty>;
  return (
    <Table label="Shares before and after" head={["Of its routes", `Before ${utc(before)}`, then.short]}>
      {rows.map((r) => (
        <tr key={r.key} class={r.what === "visibility" ? "incident-visible" : undefined}>
          <th scope="row">
            {r.what === "visibility" ? "seen by peers" : <As asn={r.asn} upstream />}
            {r.family === 6 && <span class="quiet"> IPv6</span>}
            {r.name && <span class="quiet incident-as-name"> {r.name}</span>}
          </th>
          <td>{r.before === undefined ? <span class="quiet">not known</span> : <Share value={r.before} />}</td>
          <td>{r.after === undefined ? <span class="quiet">not known</span> : <Share value={r.after} {...(r.before === undefined ? {} : { ghost: r.before })} />}</td>
        </tr>
      ))}
    </Table>
  );
}

function Paths({ incident, before, then }: { incident: Incident; before: string; then: Moment }) {
  const [query, set] = useQuery();
  const prefixes = many(incident.prefixes);
  const prefix = query["prefix"] ?? (prefixes.length > manyPrefixes ? prefixes[0]! : "all");
  const where = prefix === "all" ? `/hosters/${encodeURIComponent(incident.hoster)}` : `/prefixes/${prefix}`;
  const first = useAsk<Routes>(`${where}/routes`, { at: before });
  const second = useAsk<Routes>(`${where}/routes`, { at: then.at === "now" ? undefined : then.at });
  const asns = many(many(board.value?.hosters).find((h) => h.hoster === incident.hoster)?.asns);
  const trouble = first.trouble ?? second.trouble;
  return (
    <>
      <div class="incident-sub">
        <h3>The paths to it</h3>
        {prefixes.length > 1 && (
          <label>
            of{" "}
            <select value={prefix} onChange={(e) => set({ prefix: e.currentTarget.value }, true)}>
              <option value="all">all its prefixes</option>
              {prefixes.map((p) => (
                <option key={p} value={p}>
                  {p}
                </option>
              ))}
            </select>
          </label>
        )}
      </div>
      {first.data && second.data ? (
        <PathGraph before={many(first.data.routes)} after={many(second.data.routes)} hosters={asns} height={280} label={`to ${prefix === "all" ? incident.hoster : prefix}`} then={["before", then.short]} />
      ) : trouble ? (
        <TroubleBox trouble={trouble} again={first.trouble ? first.again : second.again} />
      ) : (
        <Skeleton height={320} />
      )}
    </>
  );
}

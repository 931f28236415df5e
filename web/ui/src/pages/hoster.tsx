// One hoster: how it stands, who carried it when, what happened, and where its C&C servers went.
import { useRoute } from "preact-iso";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { useAsk, type Asked } from "../api/ask";
import { board } from "../api/board";
import { useStream } from "../api/stream";
import { many, type Dossier, type List, type Migration, type Standing, type Still } from "../api/types";
import { TimelineChart, useTimeline } from "../chart/timeline";
import { As, Badge, Empty, Gaps, Missing, Panel, Skeleton, TroubleBox } from "../parts/parts";
import { useQuery } from "../place";
import { Exports } from "./hoster/exports";
import { MomentOf } from "./hoster/moment";
import { Families, Incidents, Moves, Prefixes, Upstreams } from "./hoster/panels";
import { howItStands, stillRouted, type About } from "./hoster/words";
import "./hoster.css";

// What draws is fetched while the questions are asked.
void import("../chart/echarts");

export function Hoster() {
  const { params } = useRoute();
  const id = params["id"]!;
  // Another hoster is another page: nothing of the one before stays.
  return <Page key={id} id={id} />;
}

function Page({ id }: { id: string }) {
  const [query, set] = useQuery();
  const path = `/hosters/${encodeURIComponent(id)}`;
  const { from, to } = period(query["from"], query["to"]);
  const timeline = useTimeline(path, from, to);
  const asked = useAsk<Standing>(path);
  const still = useAsk<Still>(`${path}/still`);
  const prefixes = useAsk<About>(`${path}/prefixes`);
  const dossier = useAsk<Dossier>(`${path}/dossier`);
  const migrations = useAsk<List<Migration>>("/migrations", { hoster: id, limit: 200 });
  const standing = board.value?.hosters?.find((h) => h.hoster === id) ?? asked.data;
  useLive(id, [timeline, asked, still, prefixes, dossier, migrations]);
  const at = moment(query["at"]);
  const moves = many(migrations.data?.items);
  // The largest picture is drawn for what it shows, not for each answer that comes beside it.
  const chart = useMemo(
    () =>
      timeline.data && (
        <TimelineChart
          timeline={timeline.data} fine={timeline.fine} moves={moves} from={from} to={to} onZoom={(f, t) => set({ from: f, to: t })}
          at={at} onMoment={(t) => set({ at: t }, at !== undefined && t !== undefined)}
        />
      ),
    [timeline.data, timeline.fine, moves, from, to, at, set],
  );
  const name = standing?.name ?? timeline.data?.title ?? id;
  useEffect(() => {
    document.title = `${name} – depeer`;
  }, [name]);
  if (!standing && asked.trouble?.status === 404 && timeline.trouble?.status === 404) return <Nobody id={id} />;
  return (
    <div class="page hoster">
      <Head id={id} name={name} standing={standing} asked={asked} still={still.data} />
      <Panel title="Timeline" id="timeline" busy={timeline.asking && !timeline.data} aside={timeline.data && <Exports id={id} timeline={timeline.data} from={from} to={to} />}>
        {timeline.data ? (
          <>
            {timeline.trouble && <TroubleBox trouble={timeline.trouble} again={timeline.again} />}
            {chart}
            {at && <MomentOf path={path} at={at} set={(t) => set({ at: t }, t !== undefined)} />}
            <Gaps gaps={timeline.data.gaps} />
            <Missing sentences={timeline.data.missing} />
          </>
        ) : timeline.trouble?.status === 404 ? (
          <Empty>
            Nothing is remembered of it yet: no route of its prefixes was seen while depeer listened. If it is routed, look whether <a href="/feeds">our eyes</a> are open; what was before can be read from the archives with <code>depeer backfill --archive routeviews</code>.
          </Empty>
        ) : timeline.trouble ? (
          <TroubleBox trouble={timeline.trouble} again={timeline.again} />
        ) : (
          <Skeleton height={640} />
        )}
      </Panel>
      <div class="columns">
        <Upstreams standing={standing} />
        <Incidents timeline={timeline.data} trouble={timeline.trouble} />
      </div>
      <div class="columns hoster-cnc">
        <Families of={dossier} />
        <Moves of={migrations} dossier={dossier.data} />
      </div>
      <Prefixes of={prefixes} at={at} />
    </div>
  );
}

function Head({ id, name, standing, asked, still }: { id: string; name: string; standing: Standing | undefined; asked: Asked<Standing>; still: Still | undefined }) {
  return (
    <header class="hoster-head">
      <div class="page-head">
        <h1>{name}</h1>
        {standing && <Badge is={standing.state} />}
        <span class="hoster-asns">
          {many(standing?.asns).map((asn) => (
            <As key={asn} asn={asn} />
          ))}
        </span>
        <span class="hoster-doing">
          {standing?.incident && (
            <a class="button" href={`/incidents/${standing.incident}`}>
              Open incident
            </a>
          )}
          <a class="button" href={`/explain?hoster=${encodeURIComponent(id)}`}>
            Explain
          </a>
          <a class="button" href={`/subscriptions?silence=new&hoster=${encodeURIComponent(id)}`}>
            Silence
          </a>
        </span>
      </div>
      <p class="hoster-stands">
        {standing ? howItStands(standing) : asked.trouble?.status === 404 ? "It is not on the watchlist now. Below is what is remembered of it." : asked.trouble ? asked.trouble.detail : " "}
        {standing?.state === "unknown" && (
          <>
            {" "}
            <a href="/feeds">What our eyes see</a>
          </>
        )}
      </p>
      <p class="hoster-still">{still ? stillRouted(still, standing?.state === "visible" || standing?.state === "partly") : " "}</p>
    </header>
  );
}

function Nobody({ id }: { id: string }) {
  const near = many(board.value?.hosters).filter((h) => h.name.toLowerCase().includes(id.toLowerCase()) || h.hoster.includes(id.toLowerCase()));
  return (
    <div class="page">
      <h1>No hoster is called {id}</h1>
      <p>Neither the watchlist nor the memory knows it.</p>
      {near.length > 0 && (
        <ul>
          {near.slice(0, 10).map((h) => (
            <li key={h.hoster}>
              <a href={`/hosters/${h.hoster}`}>{h.name}</a>
            </li>
          ))}
        </ul>
      )}
      <p>
        <a href="/">All hosters are on the board</a>; <a href={`/search?q=${encodeURIComponent(id)}`}>search</a> also finds ASes, prefixes, addresses and families. To watch it, add it to the watchlist: <code>depeer watchlist generate</code> makes the entry.
      </p>
    </div>
  );
}

/** What happens to the hoster is asked for again, not more often than every few seconds: the zoom stays. */
function useLive(id: string, all: readonly { again: () => void }[]): void {
  const latest = useRef(all);
  latest.current = all;
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const changed = () => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      for (const x of latest.current) x.again();
    }, 2000);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  useStream("event", (e) => {
    if (e.hoster === id || !e.hoster) changed();
  }, [id]);
  useStream("incident", (i) => {
    if (i.hoster === id) changed();
  }, [id]);
  useStream("status", (s) => {
    if (many(s.hosters).some((h) => h.hoster === id)) changed();
  }, [id]);
  useStream("back", changed, [id]);
}

/** The period of the URL, as far as it is one. */
function period(from: string | undefined, to: string | undefined): { from: string | undefined; to: string | undefined } {
  const f = moment(from);
  const t = moment(to);
  return f && t && Date.parse(f) >= Date.parse(t) ? { from: undefined, to: undefined } : { from: f, to: t };
}

function moment(at: string | undefined): string | undefined {
  return at && !Number.isNaN(Date.parse(at)) ? at : undefined;
}

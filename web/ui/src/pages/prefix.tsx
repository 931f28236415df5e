// A prefix, or the prefix of an address; and an AS as whoever originates.
import { useRoute } from "preact-iso";
import { useEffect } from "preact/hooks";
import { base, useAsk } from "../api/ask";
import { many, type AboutPrefix, type KnownOrigin, type NamedHoster, type Timeline } from "../api/types";
import { TimelineChart, useTimeline } from "../chart/timeline";
import { Answer, As, Badge, Empty, Gaps, Missing, Panel, Prefix as PrefixLink, Skeleton, Time, TroubleBox } from "../parts/parts";
import { useQuery } from "../place";
import { count } from "../words";
import { Around, Seen, Sighted } from "./prefix/about";
import { Moments } from "./prefix/moments";
import "./prefix.css";

export { Asn } from "./prefix/as";

export function Prefix() {
  const { params } = useRoute();
  const asked = params["bits"] ? `${params["address"]}/${params["bits"]}` : params["address"]!;
  const about = useAsk<AboutPrefix>(`/prefixes/${encodeURIComponent(asked)}`, undefined, 30_000);
  useEffect(() => {
    document.title = `${asked} – depeer`;
  }, [asked]);
  return (
    <div class="page prefix-page">
      <div class="prefix-head">
        <h1 class="prefix-name">{asked}</h1>
        {about.data ? <Head about={about.data} asked={asked} /> : about.trouble ? <TroubleBox trouble={about.trouble} again={about.again} /> : <Skeleton height={92} />}
      </div>
      {about.data ? <Body about={about.data} asked={asked} /> : !about.trouble && <Panel title="What became of it" busy><Skeleton height={420} /></Panel>}
    </div>
  );
}

function Head({ about, asked }: { about: AboutPrefix; asked: string }) {
  const own = many(about.memory?.prefixes)[0];
  const whole = about.prefix === asked;
  return (
    <div class="prefix-facts">
      {!whole && (
        <p>
          {many(about.memory?.prefixes).length > 0 ? <>The longest prefix that is known of it: <PrefixLink prefix={about.prefix} />. All below is about that.</> : "No prefix is known that it lies in."}
        </p>
      )}
      <p>
        {many(about.watched).map((w) => (
          <span key={w.hoster}>
            <Badge is={w.state === "lost" ? "dark" : w.state === "falling" ? "partly" : w.state === "steady" && w.holding > 0 ? "visible" : "unknown"}>{w.state === "lost" ? "withdrawn" : w.state}</Badge>{" "}
            {w.holding} of {count(w.eligible, "eligible peer")} hold it now{w.baseline > 0 && <>; usually {Math.round(w.baseline)} do</>}
            {w.since && <>; so since <Time at={w.since} /></>}.{" "}
          </span>
        ))}
        {many(about.watched).length === 0 && own && (
          <span>
            <Badge is="unknown">not judged now</Badge> As far as is remembered, {own.peers} of {count(own.eligible, "peer")} held it at <Time at={about.memory!.at} />.{" "}
          </span>
        )}
        <Whose hosters={many(about.hosters)} />
        <Origins origins={many(about.origins)} any={own !== undefined} />
      </p>
    </div>
  );
}

/** To whose story it belongs. */
export function Whose({ hosters }: { hosters: readonly NamedHoster[] }) {
  if (hosters.length === 0) return <span>It belongs to no hoster that is watched. </span>;
  return (
    <span>
      It belongs to{" "}
      {hosters.map((h, i) => (
        <span key={h.hoster}>
          {i > 0 && " and "}
          <a href={`/hosters/${h.hoster}`}>{h.name}</a>
          {h.state && <> (<Badge is={h.state} />)</>}
        </span>
      ))}
      .{" "}
    </span>
  );
}

const rpkiWords: Record<string, string> = { valid: "RPKI valid", invalid: "RPKI invalid", "not-found": "no ROA covers it", unknown: "RPKI not known" };

function Origins({ origins, any }: { origins: readonly KnownOrigin[]; any: boolean }) {
  if (origins.length === 0) return any ? <span>Nobody is known to originate it now.</span> : null;
  return (
    <span>
      Originated by{" "}
      {origins.map((o, i) => (
        <span key={o.asn}>
          {i > 0 && ", "}
          <As asn={o.asn} />{o.hoster ? "" : " (of no hoster that is watched)"}, {o.rpki === "invalid" ? <Badge is="critical">{rpkiWords[o.rpki]}</Badge> : rpkiWords[o.rpki] ?? o.rpki}
        </span>
      ))}
      .
    </span>
  );
}

function Body({ about, asked }: { about: AboutPrefix; asked: string }) {
  const known = many(about.memory?.prefixes).length > 0;
  const path = `/prefixes/${encodeURIComponent(about.prefix)}`;
  const hosters = many(about.hosters).flatMap((h) => many(h.asns));
  if (!known) {
    return (
      <>
        <Panel title="Nothing is remembered of it">
          {many(about.missing).map((s) => <p key={s}>{s}</p>)}
          <Empty>
            To have it watched, add it to a hoster in the configuration (hosters: prefixes); what the archives have of it, <code>depeer backfill</code> reads.
          </Empty>
        </Panel>
        <Around about={about} />
      </>
    );
  }
  return <Known key={path} path={path} name={about.prefix} subject={about.prefix} hosters={hosters} several={false} asked={asked} after={<Around about={about} />} />;
}

export interface KnownProps {
  path: string; // of the API
  name: string;
  subject: string; // as bgplay and events take it
  hosters: readonly number[];
  several: boolean;
  asked: string;
  after?: preact.ComponentChildren;
}

/** All that is remembered of something: its timeline, the routes at a moment, what happened, what was seen in it. */
export function Known({ path, name, subject, hosters, several, after }: KnownProps) {
  const [query, set] = useQuery();
  const timeline = useTimeline(path, query["from"], query["to"]);
  const period = query["from"] || query["to"] ? `?${new URLSearchParams({ ...(query["from"] ? { from: query["from"] } : {}), ...(query["to"] ? { to: query["to"] } : {}) })}` : "";
  const files = (
    <span class="prefix-files">
      {!several && <a href={`/explain?prefix=${encodeURIComponent(subject)}${query["at"] ? `&at=${query["at"]}` : ""}`}>Why an alarm, or none</a>}
      <a href={`${base}${path}/timeline.svg${period}`}>SVG</a>
      <a href={`${base}${path}/timeline.png${period}`}>PNG</a>
      <a href={`${base}/bgplay${period ? period + "&" : "?"}resource=${encodeURIComponent(subject)}`}>BGPlay JSON</a>
      <a href={`${base}${path}/timeline${period}`}>JSON</a>
    </span>
  );
  return (
    <>
      <Panel title="What became of it" id="timeline" aside={files} busy={timeline.asking && !timeline.data}>
        <Answer of={timeline} height={420}>
          {(t: Timeline) => (
            <>
              <TimelineChart
                timeline={t} fine={timeline.fine} from={query["from"]} to={query["to"]} at={query["at"]} height={520}
                onZoom={(from, to) => set({ from, to }, true)} onMoment={(at) => set({ at })}
              />
              <Missing sentences={t.missing} />
            </>
          )}
        </Answer>
      </Panel>
      <Moments base={path} name={name} events={timeline.data ? many(timeline.data.events) : timeline.trouble ? [] : undefined} hosters={hosters} several={several} />
      <div class="columns">
        <Seen timeline={timeline} subject={subject} asn={several ? Number(subject.replace(/^AS/, "")) : 0} />
        <Sighted timeline={timeline} />
      </div>
      {after}
      {timeline.data && <Gaps gaps={timeline.data.gaps} />}
    </>
  );
}


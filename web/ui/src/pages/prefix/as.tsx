// An AS: whose it is, what it originates, whom it carries, what was seen in it.
import { useRoute } from "preact-iso";
import { useEffect } from "preact/hooks";
import { useAsk } from "../../api/ask";
import { board } from "../../api/board";
import { many, type AboutAS, type Event, type List, type Sighting } from "../../api/types";
import { eventWords } from "../../chart/moment";
import { Answer, Badge, Empty, Missing, Panel, Prefix, Skeleton, Time, TroubleBox } from "../../parts/parts";
import { as, count } from "../../words";
import { Known, Whose } from "../prefix";
import { Stands } from "./about";

export function Asn() {
  const { params } = useRoute();
  const asn = Number(params["asn"]!.replace(/^AS/i, ""));
  const about = useAsk<AboutAS>(`/asns/${encodeURIComponent(params["asn"]!)}`, undefined, 30_000);
  const name = many(about.data?.hosters).map((h) => h.name).join(", ");
  useEffect(() => {
    document.title = `${as(asn)}${name ? ` ${name}` : ""} – depeer`;
  }, [asn, name]);
  return (
    <div class="page prefix-page">
      <div class="prefix-head">
        <h1 class="prefix-name">{Number.isNaN(asn) ? params["asn"] : as(asn)}</h1>
        {about.data ? <Head about={about.data} /> : about.trouble ? <TroubleBox trouble={about.trouble} again={about.again} /> : <Skeleton height={64} />}
      </div>
      {about.data ? <Body about={about.data} /> : !about.trouble && <Panel title="What became of it" busy><Skeleton height={420} /></Panel>}
    </div>
  );
}

function Head({ about }: { about: AboutAS }) {
  const carries = many(about.carries).filter((c) => !c.lost && c.share > 0);
  const own = many(about.memory?.prefixes);
  const through = about.memory?.through ?? 0;
  return (
    <div class="prefix-facts">
      <p>
        <Whose hosters={many(about.hosters)} />
        {own.length > 0 && <>{count(own.length, "prefix", "prefixes")} that it originates, or did, {own.length === 1 ? "is" : "are"} remembered. </>}
        {(carries.length > 0 || through > own.length || many(about.carries).length > 0) && (
          <>
            {carries.length > 0 ? `It carries ${count(carries.length, "hoster")} that ${carries.length === 1 ? "is" : "are"} watched: ` : "It stands in paths to others: "}
            <a href={`/upstreams/${about.asn}`}>whom it carries, gained and dropped</a>.
          </>
        )}
      </p>
    </div>
  );
}

function Body({ about }: { about: AboutAS }) {
  const m = about.memory;
  const own = many(m?.prefixes);
  const through = m?.through ?? 0;
  const asn = about.asn;
  const watched = many(board.value?.hosters).flatMap((h) => many(h.asns));
  const hosters = own.length > 0 ? [asn, ...many(about.hosters).flatMap((h) => many(h.asns))] : watched;
  return (
    <>
      {own.length > 0 && m ? (
        <Panel title="What it originates" id="originates" aside={<>as it stood at <Time at={m.at} /></>}>
          <Stands list={own} label="What it originates" at={m.at} />
          <Missing sentences={about.missing} />
        </Panel>
      ) : (
        <Panel title={through > 0 ? "It originates nothing that is remembered" : "Nothing is remembered of it"}>
          {many(about.missing).map((s) => <p key={s}>{s}</p>)}
          <Empty>
            What depeer watches is on <a href="/">the board</a>. To have this AS watched, add it to a hoster in the configuration (hosters: asns), or see <code>depeer watchlist generate --asn {asn}</code>.
          </Empty>
        </Panel>
      )}
      {own.length + through > 0 && <Known key={asn} path={`/asns/${asn}`} name={as(asn)} subject={as(asn)} hosters={hosters} several asked={as(asn)} />}
      <div class="columns">
        <NewOrigins asn={asn} />
        <Families asn={asn} />
      </div>
    </>
  );
}

/** Prefixes of hosters that suddenly came from it. */
function NewOrigins({ asn }: { asn: number }) {
  const list = useAsk<List<Event>>("/events", { asn, kind: "origin.new", limit: 50 });
  return (
    <Panel title="Where it was a new origin" id="origins" busy={list.asking && !list.data} aside={<a href={`/events?asn=${asn}&kind=origin.new`}>All</a>}>
      <Answer of={list} height={120}>
        {(l) => {
          const all = many(l.items);
          if (all.length === 0) return <Empty>It was not seen to originate a prefix of a hoster that had others.</Empty>;
          return (
            <ul class="prefix-events">
              {all.map((e) => (
                <li key={e.id}>
                  <Badge is={e.severity} /> <Time at={e.at} /> {eventWords(e)} {e.prefix && <Prefix prefix={e.prefix} query={`?at=${e.at}`} />}
                  {e.incident && <> · <a href={`/incidents/${e.incident}`}>incident</a></>}
                </li>
              ))}
            </ul>
          );
        }}
      </Answer>
    </Panel>
  );
}

const mostSightings = 500;

/** The families of which a C&C server was seen in it. */
function Families({ asn }: { asn: number }) {
  const list = useAsk<List<Sighting>>("/sightings", { asn, limit: mostSightings });
  return (
    <Panel title="Families seen in it" id="families" busy={list.asking && !list.data}>
      <Answer of={list} height={120}>
        {(l) => {
          const all = many(l.items);
          if (all.length === 0) return <Empty>No C&C server was seen in this AS.</Empty>;
          const latest = new Map<string, Sighting>(); // the newest comes first
          for (const s of all) if (!latest.has(s.family)) latest.set(s.family, s);
          return (
            <>
              <ul class="prefix-events">
                {[...latest.values()].map((s) => (
                  <li key={s.family}>
                    <a href={`/families/${encodeURIComponent(s.family)}`}>{s.family}</a>, last <Time at={s.at} ago /> {s.addr && <>at <a class="mono" href={`/prefixes/${s.addr}`}>{s.addr}</a></>}
                  </li>
                ))}
              </ul>
              {l.next && <p class="quiet">Of the newest {all.length} sightings; there are earlier ones.</p>}
            </>
          );
        }}
      </Answer>
    </Panel>
  );
}

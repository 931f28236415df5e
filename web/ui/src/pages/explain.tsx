import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { useAsk } from "../api/ask";
import { nameOf, names } from "../api/board";
import { useStream } from "../api/stream";
import { many, type Explanations } from "../api/types";
import { Answer, Empty, Gaps, Panel, Skeleton, Time, TroubleBox } from "../parts/parts";
import { useQuery } from "../place";
import { count } from "../words";
import { PeersOf } from "./explain/peers";
import { PrefixTable } from "./explain/prefixes";
import { UpstreamLines } from "./explain/upstreams";
import { answer, subjectOf, upstreams } from "./explain/words";
import { outcome } from "./subscriptions/words";
import "./explain.css";

/** Why there was an alarm, or none. */
export function Explain() {
  const [query, setQuery] = useQuery();
  const { hoster, prefix, at } = query;
  const asks = hoster !== undefined || prefix !== undefined;
  const x = useAsk<Explanations>(asks ? "/explain" : null, { hoster, prefix, at, brief: hoster !== undefined }, at ? 0 : 10_000);
  // What it says changes with what is concluded.
  useStream("event", () => !at && x.again(), [at]);
  const what = hoster ? nameOf(hoster) : prefix;
  useEffect(() => {
    document.title = `${what ? `Why ${what}` : "Explain"} – depeer`;
  }, [what]);
  return (
    <div class="page explain">
      <header class="page-head">
        <h1>{what ? `${what}: alarm or none, and why` : "Why there was an alarm, or none"}</h1>
      </header>
      <Question key={`${hoster} ${prefix} ${at}`} about={hoster ? nameOf(hoster) : (prefix ?? "")} at={at ?? ""} ask={(subject, moment) => setQuery({ hoster: undefined, prefix: undefined, ...subject, at: moment || undefined })} />
      {!asks ? <Choose /> : x.data ? <Whole x={x.data} at={at} one={prefix} trouble={x.trouble ? <TroubleBox trouble={x.trouble} again={x.again} /> : null} /> : x.trouble ? <Refused of={x} at={at} /> : <Skeleton height={420} />}
    </div>
  );
}

function Question({ about, at, ask }: { about: string; at: string; ask: (subject: { hoster?: string; prefix?: string }, at: string) => void }) {
  const [what, setWhat] = useState(about);
  const [when, setWhen] = useState(at.replace(/(:\d\d)?(\.\d+)?Z$/, ""));
  const list = [...names.value];
  return (
    <form
      class="explain-ask"
      onSubmit={(e) => {
        e.preventDefault();
        if (what.trim()) ask(subjectOf(what, names.value), when ? `${when.length === 16 ? `${when}:00` : when}Z` : "");
      }}
    >
      <label class="field">
        Hoster, prefix or address
        <input value={what} list="explain-hosters" required autocomplete="off" spellcheck={false} placeholder="McColo Corp., 208.66.192.0/22" onInput={(e) => setWhat(e.currentTarget.value)} />
      </label>
      <datalist id="explain-hosters">
        {list.map(([id, name]) => (
          <option key={id} value={name}>
            {id}
          </option>
        ))}
      </datalist>
      <label class="field">
        At (UTC; empty: now)
        <input type="datetime-local" step="1" value={when} onInput={(e) => setWhen(e.currentTarget.value)} />
      </label>
      <button type="submit" class="primary">
        Explain
      </button>
      {at && (
        <button type="button" onClick={() => ask(subjectOf(what, names.value), "")}>
          As it is now
        </button>
      )}
    </form>
  );
}

const mostHosters = 60;

function Choose() {
  const list = [...names.value];
  return (
    <Panel title="Whom?">
      {list.length === 0 ? (
        <Empty>No hoster is watched: name some in the configuration (hosters), or ask about a prefix.</Empty>
      ) : (
        <ul class="explain-choose">
          {list.slice(0, mostHosters).map(([id, name]) => (
            <li key={id}>
              <a href={`/explain?hoster=${encodeURIComponent(id)}`}>{name}</a>
            </li>
          ))}
          {list.length > mostHosters && <li class="quiet">and {count(list.length - mostHosters, "more", "more")}: write the name above</li>}
        </ul>
      )}
    </Panel>
  );
}

function Refused({ of, at }: { of: ReturnType<typeof useAsk<Explanations>>; at: string | undefined }) {
  const t = of.trouble!;
  return (
    <div>
      <TroubleBox trouble={t} again={of.again} />
      {t.status === 404 && (
        <p>
          Only hosters of the watchlist, their prefixes and what lies inside are judged. {at ? "What was told of it by then is in the memory: a later moment may have more." : "The search above finds what is known of anything else."}
        </p>
      )}
    </div>
  );
}

const signs = { alarm: "■", pending: "▲", calm: "●", known: "■" };

function Whole({ x, at, one, trouble }: { x: Explanations; at: string | undefined; one: string | undefined; trouble: ComponentChildren }) {
  const list = many(x.explanations);
  const said = answer(list, x.memory, many(x.incidents).length > 0);
  const hoster = list[0]?.hoster;
  const single = list.length === 1 ? list[0]! : undefined;
  return (
    <>
      {trouble}
      <section class={`explain-answer explain-${said.tone}`} aria-live="polite" aria-label="The answer">
        <p class="explain-sentence">
          <span aria-hidden="true">{signs[said.tone]} </span>
          {said.text}
        </p>
        <p class="quiet">
          As of <Time at={x.at} />
          {x.memory && ", put together from the memory: peers count that held the prefix within the baseline before, and were heard then"}.{" "}
          {one && hoster && <a href={`/explain?hoster=${encodeURIComponent(hoster)}${at ? `&at=${at}` : ""}`}>All of {nameOf(hoster)}</a>}
          {!one && hoster && <a href={`/hosters/${encodeURIComponent(hoster)}`}>The story of {nameOf(hoster)}</a>}
        </p>
      </section>
      <UpstreamLines list={upstreams(list)} past={x.memory} />
      <PrefixTable list={list} at={at} past={x.memory} />
      {single && (single.peers ? <PeersOf x={single} /> : <WithPeers prefix={single.prefix} at={at} />)}
      <div class="columns">
        <Concluded x={x} />
        <Heard x={x} />
      </div>
      <Gaps gaps={x.gaps} />
    </>
  );
}

/** A hoster of one prefix: its peers come after. */
function WithPeers({ prefix, at }: { prefix: string; at: string | undefined }) {
  const x = useAsk<Explanations>("/explain", { prefix, at });
  return (
    <Answer of={x} height={200}>
      {(data) => {
        const one = many(data.explanations).find((e) => e.prefix === prefix);
        return one ? <PeersOf x={one} /> : null;
      }}
    </Answer>
  );
}

function Concluded({ x }: { x: Explanations }) {
  const incidents = many(x.incidents);
  const events = many(x.events);
  return (
    <Panel title="What was concluded" aside="in the day before">
      {incidents.length === 0 && events.length === 0 && <Empty>Nothing: no event, and no incident is open.</Empty>}
      {incidents.length > 0 && (
        <ul class="explain-list">
          {incidents.map((i) => (
            <li key={i.id}>
              <a href={`/incidents/${encodeURIComponent(i.id)}`}>{i.summary}</a> <span class="quiet">({i.phase}, {i.class})</span>
            </li>
          ))}
        </ul>
      )}
      {events.length > 0 && (
        <ul class="explain-list">
          {events.map((e) => (
            <li key={e.id}>
              <Time at={e.at} /> {e.kind}
              {e.upstream ? (
                <>
                  {" "}
                  <a class="asn" href={`/upstreams/${e.upstream}`}>AS{e.upstream}</a>
                </>
              ) : null}
              {e.prefix ? <span class="prefix"> {e.prefix}</span> : null}
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

function Heard({ x }: { x: Explanations }) {
  const told = many(x.told);
  const silent = told.length === 0;
  return (
    <Panel title="Who was told" aside={<>{x.memory ? "within a day of that moment · " : ""}<a href="/subscriptions">Subscriptions</a></>}>
      {silent ? (
        <Empty>Nobody was told anything of it{x.memory ? " in that day" : ""}. Who hears of what, and what is silenced, stands with the subscriptions.</Empty>
      ) : (
        <ul class="explain-list">
          {told.map((t, i) => (
            <li key={t.id ?? i}>
              <Time at={t.at} /> <strong>{t.receiver}</strong> {outcome(t)}
              {t.title && <>: {t.incident ? <a href={`/incidents/${encodeURIComponent(t.incident)}`}>{t.title}</a> : t.title}</>}
              {t.why && <div class="quiet">{t.why}</div>}
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}


// The league of an upstream: whom it carries, whom it gained and dropped, and when.
import { useRoute } from "preact-iso";
import { useEffect, useMemo, useState } from "preact/hooks";
import { useAsk } from "../api/ask";
import { board, now } from "../api/board";
import { many, type AboutAS, type Carriage, type CarriedHoster, type Upstream as Answered } from "../api/types";
import { Answer, Badge, Empty, Gaps, Missing, Panel, Prefix, Share, Skeleton, Table, Time, TroubleBox } from "../parts/parts";
import { useQuery } from "../place";
import { as, count, utc } from "../words";
import { league, standingOf, type Standing } from "./prefix/grouping";
import { useKept } from "./prefix/kept";
import { Course } from "./upstream/course";
import { Period } from "./upstream/period";
import { periodOf, type PeriodName } from "./upstream/steps";
import "./upstream.css";

export function Upstream() {
  const { params } = useRoute();
  const asn = Number(params["asn"]!.replace(/^AS/i, ""));
  const [query] = useQuery();
  useEffect(() => {
    document.title = `${as(asn)} as upstream – depeer`;
  }, [asn]);
  const about = useAsk<AboutAS>(`/asns/${encodeURIComponent(params["asn"]!)}`, undefined, 60_000);
  const known = about.data && ((about.data.memory?.through ?? 0) > 0 || many(about.data.carries).length > 0);
  const minute = board.value ? Math.ceil(now() / 60_000) * 60_000 : undefined;
  const name = (query["period"] as PeriodName | undefined) ?? (query["from"] || query["to"] ? "own" : "month");
  const period = minute ? periodOf(name, minute, query["from"], query["to"]) : undefined;
  const asked = useKept(useAsk<Answered>(known && period ? `/upstreams/${asn}` : null, period), String(asn));
  return (
    <div class="page">
      <div class="upstream-head">
        <h1 class="upstream-name">{Number.isNaN(asn) ? params["asn"] : as(asn)} as upstream</h1>
        {asked.data ? <Words of={asked.data} /> : about.trouble ? <TroubleBox trouble={about.trouble} again={about.again} /> : !about.data || known ? <Skeleton height={56} /> : null}
      </div>
      {about.trouble && !about.data ? <Elsewhere /> : about.data && !known ? <Nothing about={about.data} /> : (
        <>
          <Panel title="Whom it carried" id="league" busy={asked.asking} aside={<span class="upstream-links"><a href={`/asns/${asn}`}>What it originates</a> <a href={`/events?upstream=${asn}`}>Events about it</a></span>}>
            <Period name={name} shown={period} />
            <Answer of={asked} height={420}>{(u) => <League of={u} />}</Answer>
          </Panel>
          <Panel title="How many it carried" id="course" busy={asked.asking}>
            <Answer of={asked} height={300}>
              {(u) => u.history && many(u.history.course).length > 0 ? <Course carried={u.history} name={as(asn)} /> : <Empty>Nothing is remembered of this period.</Empty>}
            </Answer>
          </Panel>
          {asked.data && <Gaps gaps={asked.data.gaps} />}
        </>
      )}
    </div>
  );
}

function Elsewhere() {
  return (
    <p>
      Whom depeer watches, and who carries them, is on <a href="/">the board</a>.
    </p>
  );
}

function Nothing({ about }: { about: AboutAS }) {
  return (
    <Panel title="It carries nobody that is watched">
      {many(about.missing).map((s) => <p key={s}>{s}</p>)}
      <Empty>
        Whom depeer watches is on <a href="/">the board</a>; the upstreams of each stand there.
      </Empty>
    </Panel>
  );
}

/** The league in words: the last who went and came, and how many there are now. */
function Words({ of }: { of: Answered }) {
  const list = league(many(of.history?.hosters));
  const carried = new Set(many(of.carries).filter((c) => !c.lost && c.share > 0).map((c) => c.hoster)).size;
  const watched = many(board.value?.hosters);
  const unknown = watched.filter((h) => h.state === "unknown").length;
  const dropped = list.filter((h) => h.dropped);
  const gained = list.filter((h) => h.gained && h.after > 0);
  return (
    <p class="upstream-words">
      {dropped.slice(0, 3).map((h) => (
        <span key={h.hoster}>
          {as(of.asn)} {h.gained && <>took on </>}{!h.gained && <>dropped </>}<a href={`/hosters/${h.hoster}`}>{h.name}</a> on {h.gained && <><Time at={h.gained} /> and dropped it on </>}<Time at={h.dropped} />.{" "}
        </span>
      ))}
      {dropped.length > 3 && <span>{count(dropped.length - 3, "more")} went in this period. </span>}
      {gained.slice(0, 3).map((h) => (
        <span key={h.hoster}>
          It gained <a href={`/hosters/${h.hoster}`}>{h.name}</a> on <Time at={h.gained} />.{" "}
        </span>
      ))}
      {gained.length > 3 && <span>{count(gained.length - 3, "more")} came in this period. </span>}
      It carries {carried} of the {count(watched.length, "watched hoster")} now{unknown > 0 && `; how ${unknown} of them ${unknown === 1 ? "stands" : "stand"} is not known`}.
    </p>
  );
}

const words: Record<Standing, string> = { carries: "carries", gained: "gained", dropped: "dropped", passed: "came and went" };
const looks: Record<Standing, string> = { carries: "visible", gained: "partly", dropped: "dark", passed: "warning" };
const order: readonly Standing[] = ["dropped", "gained", "carries", "passed"];
const most = 100;

function League({ of }: { of: Answered }) {
  const [query, set] = useQuery();
  const [all, setAll] = useState(false);
  const h = of.history;
  const whole = useMemo(() => league(many(h?.hosters)), [h]);
  const show = query["show"] as Standing | undefined;
  const word = (query["hoster"] ?? "").toLowerCase();
  const list = whole.filter((x) => (!show || standingOf(x) === show) && (word === "" || x.name.toLowerCase().includes(word) || x.hoster.includes(word)));
  const rows = all ? list : list.slice(0, most);
  const prefixes = useMemo(() => byHoster(many(h?.prefixes)), [h]);
  // Whom it carries now without a trace in the memory of this period.
  const only = many(of.carries).filter((c) => !whole.some((x) => x.hoster === c.hoster));
  if (!h) return <Now list={many(of.carries)} missing={of.missing} />;
  return (
    <>
      <div class="upstream-filter">
        <div role="group" aria-label="Show" class="upstream-show">
          <button type="button" aria-pressed={!show} onClick={() => set({ show: undefined }, true)}>All {whole.length}</button>
          {order.map((s) => (
            <button type="button" key={s} aria-pressed={show === s} onClick={() => set({ show: show === s ? undefined : s }, true)}>
              {words[s]} {whole.filter((x) => standingOf(x) === s).length}
            </button>
          ))}
        </div>
        <label class="field">
          <span class="sr">Filter by hoster</span>
          <input type="search" placeholder="Hoster" value={query["hoster"] ?? ""} onInput={(e) => set({ hoster: e.currentTarget.value || undefined }, true)} />
        </label>
      </div>
      {list.length === 0 ? (
        <Empty>{whole.length === 0 ? `In this period it was the upstream of nobody that is watched. It stood in the paths of ${count(h.through, "prefix", "prefixes")}. A longer period may tell more.` : "None of them is like that. Clear the filter to see all."}</Empty>
      ) : (
        <Table label="The league of the upstream" head={["Hoster", "In this period", "Gained", "Dropped", "Share now", "Prefixes, from → to", "Peers at most"]}>
          {rows.map((x) => <Line key={x.hoster} h={x} now={many(of.carries).filter((c) => c.hoster === x.hoster)} prefixes={prefixes.get(x.hoster) ?? []} />)}
        </Table>
      )}
      {rows.length < list.length && <button type="button" onClick={() => setAll(true)}>Show all {list.length}</button>}
      {only.length > 0 && <Now list={only} missing={[]} />}
      <p class="quiet">
        A hoster counts as carried while any peer has one of its prefixes with this AS directly before it; gained is when the first peer had it so, dropped when the last one did. Peers that are not heard count with their last word.
        {" "}{(prefixes.get("") ?? []).length > 0 && `Beside them ${count(prefixes.get("")!.length, "prefix", "prefixes")} of other networks behind it ${prefixes.get("")!.length === 1 ? "is" : "are"} followed, to tell a failing upstream from one that drops somebody.`}
      </p>
      <Missing sentences={of.missing} />
    </>
  );
}

function byHoster(list: readonly Carriage[]): Map<string, Carriage[]> {
  const out = new Map<string, Carriage[]>();
  for (const c of list) out.set(c.hoster ?? "", [...(out.get(c.hoster ?? "") ?? []), c]);
  return out;
}

function Line({ h, now: shares, prefixes }: { h: CarriedHoster; now: readonly Behind[]; prefixes: readonly Carriage[] }) {
  const [open, set] = useState(false);
  const is = standingOf(h);
  const turn = h.dropped ?? h.gained;
  return (
    <tr>
      <td><a href={`/hosters/${h.hoster}${turn ? `?at=${turn}` : ""}`}>{h.name}</a></td>
      <td><Badge is={looks[is]}>{words[is]}</Badge></td>
      <td>{h.gained ? <Time at={h.gained} /> : <span class="quiet">had it before</span>}</td>
      <td>{h.dropped ? <Time at={h.dropped} /> : <span class="quiet">–</span>}</td>
      <td>
        {shares.map((s) => (
          <div key={s.family}><Share value={s.share} ghost={s.baseline} label={`of IPv${s.family}; usually ${Math.round(s.baseline * 100)} %`} />{s.family === 6 && <span class="quiet"> IPv6</span>}</div>
        ))}
        {shares.length === 0 && <span class="quiet">none</span>}
      </td>
      <td>
        <details onToggle={(e) => set(e.currentTarget.open)}>
          <summary>{h.before} → {h.after}{h.most > Math.max(h.before, h.after) && `, most ${h.most}`}</summary>
          {open && (
            <ul class="upstream-prefixes">
              {prefixes.map((p) => (
                <li key={p.prefix}>
                  <Prefix prefix={p.prefix} query={p.dropped ?? p.gained ? `?at=${p.dropped ?? p.gained}` : ""} /> <span class="quiet">{p.before} → {count(p.after, "peer")}{p.gained && `, gained ${utc(p.gained)}`}{p.dropped && `, dropped ${utc(p.dropped)}`}</span>
                </li>
              ))}
            </ul>
          )}
        </details>
      </td>
      <td>{h.peers}</td>
    </tr>
  );
}

type Behind = NonNullable<Answered["carries"]>[number];

/** Whom it carries now, as the judgement has it. */
function Now({ list, missing }: { list: readonly Behind[]; missing: readonly string[] | null }) {
  return (
    <>
      <Table label="Whom it carries now" head={["Hoster", "Share now", "Since"]}>
        {list.map((c) => (
          <tr key={`${c.hoster} ${c.family}`}>
            <td><a href={`/hosters/${c.hoster}`}>{c.name}</a>{c.family === 6 && <span class="quiet"> IPv6</span>}</td>
            <td><Share value={c.share} ghost={c.baseline} label={`usually ${Math.round(c.baseline * 100)} %`} />{c.lost && <> <Badge is="dark">lost</Badge></>}</td>
            <td>{c.since && <Time at={c.since} />}</td>
          </tr>
        ))}
      </Table>
      <Missing sentences={missing} />
    </>
  );
}

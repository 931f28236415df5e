// One family of malware: where its C&C servers were and are. And all moves of families.
import { useRoute } from "preact-iso";
import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useMemo } from "preact/hooks";
import { base, url, useAsk, type Query } from "../api/ask";
import { board, nameOf } from "../api/board";
import { listen } from "../api/stream";
import { many, type FamilyKnown, type Housed, type List, type Migration, type Sighting } from "../api/types";
import { Flow } from "../chart/flow";
import { familyHref } from "../chart/flows";
import { Answer, As, Empty, Gaps, Panel, Prefix, Table, Time } from "../parts/parts";
import { useQuery } from "../place";
import { count, listed } from "../words";
import { fateWords } from "./boards";
import { moment } from "./incidents/filters";
import { asked, filters, formats, overview, overviewWords, placeWords, spanOf } from "./migrations";
import { Move } from "./move";
import "./family.css";

export function Family() {
  const { params } = useRoute();
  const name = params["family"] ?? "";
  const known = useAsk<FamilyKnown>(`/families/${encodeURIComponent(name)}`);
  const family = known.data?.family ?? name;
  // Moves and sightings are kept under the one name of a family.
  const moves = useAsk<List<Migration>>(known.data ? "/migrations" : null, { family, limit: 200 });
  const seen = useAsk<List<Sighting>>(known.data ? "/sightings" : null, { family, limit: 50 });
  useNew(() => {
    known.again();
    moves.again();
  });
  useEffect(() => {
    document.title = `${family} – depeer`;
  }, [family]);
  const fated = known.data?.housed;
  return (
    <div class="page family">
      <div class="page-head">
        <h1>{family}</h1>
        {known.data && <Called of={known.data} />}
      </div>
      <Answer of={known} height={420}>
        {(x) => (
          <>
            <Homes list={many(x.housed)} />
            <Panel title="Where it went" busy={moves.data === undefined && !moves.trouble} aside={<a href={url("/migrations", { family })}>With filters</a>}>
              <Answer of={moves} height={260}>
                {(m) => <Moves list={many(m.items)} fated={many(fated)} none={`${family} was not seen leaving a watched hoster.`} />}
              </Answer>
              <Gaps gaps={moves.data?.gaps} />
            </Panel>
            <Places of={x} />
            <Sightings of={seen} family={family} />
          </>
        )}
      </Answer>
      {known.trouble?.status === 404 && (
        <p>
          Is it written otherwise? Search above, or see <a href="/migrations">all families that went somewhere</a>.
        </p>
      )}
    </div>
  );
}

function Called({ of }: { of: FamilyKnown }) {
  return (
    <p class="quiet">
      {many(of.aliases).length > 0 && `Also called ${listed(many(of.aliases).slice(0, 8))}${many(of.aliases).length > 8 ? " …" : ""}. `}
      {of.tool && "A tool of many owners: its servers say little about one of them. "}
      Seen from <Time at={of.since} /> to <Time at={of.last} ago />.
    </p>
  );
}

/** The watched hosters that house it or did. */
function Homes({ list }: { list: readonly Housed[] }) {
  return (
    <Panel title="At watched hosters">
      {list.length === 0 && <Empty>It was not seen at a watched hoster.</Empty>}
      {list.length > 0 && (
        <Table label="At watched hosters" head={["Hoster", "What became of it", "First seen there", "Last seen there", "Hosts"]}>
          {list.map((h) => (
            <tr key={h.hoster}>
              <td>
                <a href={`/hosters/${h.hoster}`}>{h.name}</a>
              </td>
              <td>{h.fate === "there" ? <strong>is there</strong> : fateWords(h)}</td>
              <td>
                <Time at={h.since} />
              </td>
              <td>
                <Time at={h.last} ago />
              </td>
              <td class="number">{h.hosts.toLocaleString("en")}</td>
            </tr>
          ))}
        </Table>
      )}
    </Panel>
  );
}

function Places({ of }: { of: FamilyKnown }) {
  const places = many(of.places);
  return (
    <Panel title="Where it was seen" aside={`${count(places.length + of.more, "network")}, last seen first`}>
      <Table label="Where it was seen" head={["Network", "From first to last", "First seen", "Last seen", "Hosts"]}>
        {places.map((r) => {
          const span = spanOf(r.since, r.last, of.since, of.last);
          return (
            <tr key={`${r.asn} ${r.prefix}`}>
              <td>
                {r.asn ? <As asn={r.asn} /> : null} {r.hoster ? <a href={`/hosters/${r.hoster}`}>{r.name}</a> : r.asn ? r.name : r.prefix ? <Prefix prefix={r.prefix} /> : placeWords(r)}
              </td>
              <td>
                <span class="family-span" aria-hidden="true">
                  <span class={r.alive ? "family-stay family-alive" : "family-stay"} style={{ left: `${span.left * 100}%`, width: `${span.width * 100}%` }} />
                </span>
              </td>
              <td>
                <Time at={r.since} />
              </td>
              <td>
                <Time at={r.last} ago />
              </td>
              <td class="number">{r.hosts.toLocaleString("en")}</td>
            </tr>
          );
        })}
      </Table>
      {of.more > 0 && <p class="quiet">{of.more.toLocaleString("en")} more, seen longer ago.</p>}
    </Panel>
  );
}

function Sightings({ of, family }: { of: ReturnType<typeof useAsk<List<Sighting>>>; family: string }) {
  return (
    <Panel title="Last sightings" busy={of.data === undefined && !of.trouble} aside={<Files path="/sightings" query={{ family }} />}>
      <Answer of={of} height={300}>
        {(l) => (
          <>
            {many(l.items).length === 0 && <Empty>None is remembered. Sightings come from feeds (configuration: sightings), sensors, and depeer sightings import.</Empty>}
            {many(l.items).length > 0 && (
              <Table label="Last sightings" head={["When", "Host", "Where", "Said by"]}>
                {many(l.items).map((s) => (
                  <tr key={s.id}>
                    <td>
                      <Time at={s.at} />
                    </td>
                    <td>
                      {s.addr ? <Prefix prefix={s.addr} query={`?at=${s.at}`} /> : null} <span class="mono">{s.name ?? s.url ?? ""}</span>
                    </td>
                    <td>
                      {s.place ? many(s.place.origins).map((o) => <As key={o} asn={o} />) : s.asn ? <><As asn={s.asn} /> <span class="quiet">as the source says</span></> : <span class="quiet">not known</span>}{" "}
                      {s.place?.hoster ? nameOf(s.place.hoster) : s.place?.name}
                    </td>
                    <td>{s.source}</td>
                  </tr>
                ))}
              </Table>
            )}
          </>
        )}
      </Answer>
    </Panel>
  );
}

/** The picture of moves, and each with its evidence. */
function Moves({ list, fated, none }: { list: readonly Migration[]; fated: readonly Housed[]; none: ComponentChildren }) {
  const [query, set] = useQuery();
  if (list.length === 0) return <Empty>{none}</Empty>;
  return (
    <>
      <Flow migrations={list} fated={fated} />
      <div class="moves">
        {list.map((m) => (
          <Move key={m.id} m={m} opened={query["open"] === m.id} toggle={(open) => set({ open: open ? m.id : query["open"] === m.id ? undefined : query["open"] }, true)} />
        ))}
      </div>
    </>
  );
}

function Files({ path, query }: { path: string; query: Query }) {
  return (
    <span class="family-files">
      As a file:{" "}
      {formats.map(([format, name]) => (
        <a key={format} href={base + url(path, { ...query, format })} download>
          {name}
        </a>
      ))}
    </span>
  );
}

/** Something new about C&C was told: what is shown is asked for again. */
function useNew(again: () => void): void {
  useEffect(() => listen("event", (e) => e.kind.startsWith("cnc.") && again()), []);
}

export function Migrations() {
  const [query, set] = useQuery();
  const filter = asked(query);
  const cursor = query["cursor"];
  const moves = useAsk<List<Migration>>("/migrations", { ...filter, limit: 100, cursor });
  const housed = useAsk<Housed[]>("/families");
  useNew(() => {
    moves.again();
    housed.again();
  });
  useEffect(() => {
    document.title = "C&C: where families went – depeer";
  }, []);
  // What did not move is drawn where all that did is in the list.
  const fated = useMemo(() => {
    if (cursor || filter["score"] || filter["from"] || filter["to"] || moves.data?.next) return [];
    return many(housed.data).filter((h) => (!filter["hoster"] || h.hoster === filter["hoster"]) && (!filter["family"] || h.family.toLowerCase() === filter["family"].toLowerCase()));
  }, [housed.data, moves.data, query]);
  return (
    <div class="page family">
      <h1>C&amp;C: where families went</h1>
      <Panel title="Families at watched hosters" busy={housed.data === undefined && !housed.trouble}>
        <Answer of={housed} height={30}>
          {(list) => <Overview list={list} />}
        </Answer>
      </Panel>
      <Filters query={query} set={set} />
      <Panel title="Moves" busy={moves.data === undefined && !moves.trouble} aside={<Files path="/migrations" query={filter} />}>
        <Answer of={moves} height={420}>
          {(l) => (
            <>
              <Moves list={many(l.items)} fated={fated} none={Object.keys(filter).length > 0 ? "Nothing fits these filters." : "No family was seen leaving a watched hoster. depeer says so when sightings (configuration: sightings) show one elsewhere around a loss of routes."} />
              <Gaps gaps={l.gaps} />
              {(cursor || l.next) && (
                <p class="family-pages">
                  {cursor && <a href={url("/migrations", filter)}>The newest</a>} {l.next && <a href={url("/migrations", { ...filter, cursor: l.next })}>Older ones</a>}
                </p>
              )}
            </>
          )}
        </Answer>
      </Panel>
    </div>
  );
}

const mostFamilies = 60;

function Overview({ list }: { list: readonly Housed[] }) {
  const all = overview(list);
  if (all.length === 0) return <Empty>None was seen at a watched hoster. What was seen comes from feeds (configuration: sightings), sensors, and depeer sightings import.</Empty>;
  return (
    <ul class="family-all">
      {all.slice(0, mostFamilies).map((x) => (
        <li key={x.family}>
          <a href={familyHref(x.family)}>{x.family}</a> <span class="quiet">{overviewWords(x)}</span>
        </li>
      ))}
      {all.length > mostFamilies && <li class="quiet">and {(all.length - mostFamilies).toLocaleString("en")} more: search for one by name</li>}
    </ul>
  );
}

function Filters({ query, set }: { query: Record<string, string>; set: (c: Record<string, string | undefined>) => void }) {
  const put = useCallback((name: string, value: string | undefined) => set({ [name]: value || undefined, cursor: undefined, open: undefined }), [set]);
  const hosters = many(board.value?.hosters);
  const h = query["hoster"];
  return (
    <form class="family-filters" aria-label="Filters" onSubmit={(e) => e.preventDefault()}>
      <label class="field">
        Hoster
        <select value={h ?? ""} onChange={(e) => put("hoster", e.currentTarget.value)}>
          <option value="">any</option>
          {h && !hosters.some((x) => x.hoster === h) && <option value={h}>{h}</option>}
          {hosters.map((x) => (
            <option key={x.hoster} value={x.hoster}>
              {x.name}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        Family
        <input type="text" value={query["family"] ?? ""} placeholder="Rustock" size={14} autocomplete="off" spellcheck={false} onChange={(e) => put("family", e.currentTarget.value.trim())} />
      </label>
      <label class="field">
        Score, at least
        <input type="number" min="0" step="0.5" value={query["score"] ?? ""} onChange={(e) => put("score", e.currentTarget.value)} />
      </label>
      <label class="field">
        Said from (UTC)
        <input type="text" value={query["from"] ?? ""} placeholder="2008-11-11 21:00" size={17} autocomplete="off" spellcheck={false} onChange={(e) => put("from", moment(e.currentTarget.value))} />
      </label>
      <label class="field">
        Said until (UTC)
        <input type="text" value={query["to"] ?? ""} placeholder="2008-11-11 21:00" size={17} autocomplete="off" spellcheck={false} onChange={(e) => put("to", moment(e.currentTarget.value))} />
      </label>
      <button type="button" disabled={!filters.some((n) => query[n])} onClick={() => set(Object.fromEntries([...filters, "cursor", "open"].map((n) => [n, undefined])))}>
        Show all
      </button>
    </form>
  );
}

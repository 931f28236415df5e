// How everything stands: what hangs on the wall of a NOC.
import { useLocation } from "preact-iso";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useAsk, type Asked } from "../api/ask";
import { askBoard, board, boardTrouble, nameOf, now } from "../api/board";
import { listen } from "../api/stream";
import { many, type Housed, type Incident, type Standing, type Status, type Still } from "../api/types";
import { Badge, Empty, Panel, Skeleton, Time, TroubleBox } from "../parts/parts";
import { useQuery } from "../place";
import { count, lasting, utc } from "../words";
import { Card, Line } from "./board-cards";
import { arranged, byHoster, changedSince, found, groups, mark, openGaps, standsWords, worrying, worstFirst } from "./boards";
import "./board.css";

const few = 4; // up to so many hosters all get a card, above only those that worry
const some = 60; // up to so many the calm ones get two lines, above one
const wallLines = 60; // on a wall nobody scrolls
const markedFor = 6000; // milliseconds

export function Board() {
  const [query, set] = useQuery();
  const wall = query["wall"] !== undefined;
  const b = board.value;
  useWall(wall, set);
  useBetween();
  const changed = useChanged(b);
  const news = useNews();
  const housed = useAsk<Housed[]>("/families", {}, 60_000);
  const still = useAsk<Still[]>("/still", {}, 600_000);
  const stands = b && standsWords(b);
  useEffect(() => {
    document.title = stands ? `${stands.text} – depeer` : "depeer";
  }, [stands?.text]);
  return (
    <div class={`page board ${wall ? "board-wall" : ""}`}>
      <div class="board-head">
        <h1 class={`board-stands board-is-${stands && b.ready ? stands.worst : "unknown"}`}>
          {stands ? (
            <>
              <span aria-hidden="true">{b.ready ? groups.find((g) => g.is === stands.worst)!.sign : "▲"} </span>
              {b.ready ? stands.text : `As far as is seen now: ${stands.text}`}
            </>
          ) : (
            "The board"
          )}
        </h1>
        {wall ? <WallClock b={b} /> : <Tools b={b} query={query} set={set} />}
      </div>
      <div role="status" class="sr">
        {news}
      </div>
      {b && !b.ready && <NotReady b={b} />}
      {!b && boardTrouble.value && <TroubleBox trouble={boardTrouble.value} again={() => void askBoard()} />}
      {!b && !boardTrouble.value && <Skeleton height={480} />}
      {b && (
        <div class="board-columns">
          <Hosters b={b} housed={housed} still={still} changed={changed} wall={wall} query={query} />
          <div class="board-side">
            {!wall && <Incidents list={many(b.incidents)} />}
            <Eyes b={b} />
          </div>
        </div>
      )}
      {b && !wall && many(b.hosters).length > 0 && (
        <p class="quiet board-keys">
          Keys: <kbd>j</kbd> <kbd>k</kbd> from hoster to hoster, <kbd>Enter</kbd> opens, <kbd>/</kbd> searches, <kbd>w</kbd> for a screen on the wall.
        </p>
      )}
    </div>
  );
}

/** What is not seen now is more important than all that is shown. */
function NotReady({ b }: { b: Status }) {
  const reasons = many(b.reasons);
  return (
    <div class="board-blind" role="alert">
      <strong>
        <span aria-hidden="true">▲ </span>Not everything is seen now: what is shown here may be untrue.
      </strong>
      <ul>
        {reasons.slice(0, 5).map((r) => (
          <li key={r}>{r}</li>
        ))}
        {reasons.length > 5 && <li>and {count(reasons.length - 5, "reason")} more</li>}
      </ul>
      <a href="/feeds">What our eyes see</a>
    </div>
  );
}

function Tools({ b, query, set }: { b: Status | undefined; query: Record<string, string>; set: (c: Record<string, string | undefined>, replace?: boolean) => void }) {
  const hosters = many(b?.hosters);
  const by = useMemo(() => arranged(hosters, []), [hosters]);
  const there = groups.filter((g) => by.get(g.is)!.length > 0);
  return (
    <div class="board-tools">
      {hosters.length > 12 && (
        <>
          <input type="search" value={query["q"] ?? ""} placeholder="Only hosters with …" aria-label="Show only hosters with this in name, AS, upstream or family" onInput={(e) => set({ q: e.currentTarget.value }, true)} />
          {there.length > 1 &&
            there.map((g) => (
              <button key={g.is} type="button" aria-pressed={query["show"] === g.is} onClick={() => set({ show: query["show"] === g.is ? undefined : g.is })}>
                {by.get(g.is)!.length.toLocaleString("en")} {g.word}
              </button>
            ))}
        </>
      )}
      <a class="button" href="/?wall=1" title="For a screen on the wall (key w)">
        Wall view
      </a>
    </div>
  );
}

/** On a wall one sees the time, and from near how to leave. */
function WallClock({ b }: { b: Status | undefined }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const t = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(t);
  }, []);
  return (
    <p class="board-clock">
      <a class="board-leave" href="/">
        Leave the wall view (w)
      </a>
      {b && <span>{utc(Math.floor(now() / 60_000) * 60_000)}</span>}
    </p>
  );
}

interface HostersProps {
  b: Status;
  housed: Asked<Housed[]>;
  still: Asked<Still[]>;
  changed: ReadonlySet<string>;
  wall: boolean;
  query: Record<string, string>;
}

function Hosters({ b, housed, still, changed, wall, query }: HostersProps) {
  const hosters = many(b.hosters);
  const families = useMemo(() => byHoster(housed.data), [housed.data]);
  const known = useMemo(() => new Map(many(still.data).map((s) => [s.hoster, s])), [still.data]);
  const q = wall ? "" : (query["q"] ?? "");
  const show = wall ? undefined : query["show"];
  const by = useMemo(
    () => arranged(hosters.filter((h) => found(h, q, families.get(h.hoster))), many(b.incidents)),
    [hosters, b.incidents, q, families],
  );
  const incidents = useMemo(() => new Map(many(b.incidents).map((i) => [i.id, i])), [b.incidents]);
  const shown = groups.filter((g) => by.get(g.is)!.length > 0 && (!show || g.is === show));
  const total = shown.reduce((n, g) => n + by.get(g.is)!.length, 0);
  const room = useGrowing(total);
  if (hosters.length === 0) return <Nobody />;
  if (total === 0) {
    return (
      <section class="board-hosters" aria-label="Hosters">
        <Empty>
          None of {count(hosters.length, "hoster")} fits{q && <> “{q}”</>}. <a href="/">Show all</a>
        </Empty>
      </section>
    );
  }
  const roomy = hosters.length <= few;
  let left = room;
  const take = (list: Standing[]) => {
    const part = list.slice(0, Math.max(0, left));
    left -= part.length;
    return part;
  };
  const of = (h: Standing) => ({
    h, incident: h.incident ? incidents.get(h.incident) : undefined, still: known.get(h.hoster), asksStill: still.data === undefined && !still.trouble,
    families: families.get(h.hoster), asksFamilies: housed.data === undefined && !housed.trouble, changed: changed.has(h.hoster),
  });
  return (
    <section class="board-hosters" aria-label="Hosters">
      {shown.map((g) => {
        const all = by.get(g.is)!;
        const cards = roomy || worrying.includes(g.is);
        const list = take(wall && !cards ? all.slice(0, wallLines) : all);
        return (
          <div key={g.is} class={`board-group board-is-${g.is}`} id={g.is}>
            <h2>
              {g.title} <span class="quiet">{all.length.toLocaleString("en")}</span>
            </h2>
            <div class={cards ? "board-cards" : hosters.length <= some ? "board-lines board-tiles" : "board-lines"}>{list.map((h) => (cards ? <Card key={h.hoster} {...of(h)} /> : <Line key={h.hoster} {...of(h)} />))}</div>
            {wall && !cards && all.length > wallLines && <p class="quiet">and {(all.length - wallLines).toLocaleString("en")} more, {g.word}</p>}
          </div>
        );
      })}
      {[housed, still].map((x, i) => x.trouble && <Unknown key={i} what={i === 0 ? "C&C families" : "Since when it is known"} of={x} />)}
    </section>
  );
}

function Unknown({ what, of }: { what: string; of: Asked<unknown> }) {
  return (
    <p class="quiet">
      {what}: {of.trouble!.detail || of.trouble!.title}
    </p>
  );
}

function Nobody() {
  return (
    <section class="board-hosters panel" aria-label="Hosters">
      <h2>Nobody is on the watchlist</h2>
      <p>depeer watches the routes of hosters that you name. Put one into the configuration:</p>
      <pre class="scrolls">{`hosters:
  - id: mccolo
    name: McColo Corp.
    asns: [26780]`}</pre>
      <p>
        or let depeer write the entry from a routing table, <code>depeer watchlist generate --asn AS26780 RIB</code>, and look at it with <code>depeer watchlist check</code>. A configuration is read again on SIGHUP. To see what this is for first: <code>depeer demo</code>.
      </p>
    </section>
  );
}

/** Who shows them on the wall are the cards. */
function Incidents({ list }: { list: readonly Incident[] }) {
  const most = 10;
  const worst = worstFirst(list);
  return (
    <Panel title={list.length === 0 ? "Open incidents" : `Open incidents: ${list.length.toLocaleString("en")}`} aside={<a href="/incidents">All incidents</a>}>
      {list.length === 0 && <Empty>Nothing is open.</Empty>}
      <ul class="board-list">
        {worst.slice(0, most).map((i) => (
          <li key={i.id}>
            <Badge is={i.severity}>{i.phase === "open" ? i.severity : `${i.severity}, ${i.phase}`}</Badge> <strong>{nameOf(i.hoster)}</strong>
            <br />
            <a href={`/incidents/${i.id}`}>{i.summary || "An incident"}</a>
            <br />
            <span class="quiet">
              since <Time at={i.opened} ago />
            </span>
          </li>
        ))}
      </ul>
      {list.length > most && (
        <p>
          <a href="/incidents?phase=pending,open,recovering">and {(list.length - most).toLocaleString("en")} more</a>
        </p>
      )}
    </Panel>
  );
}

/** The health of what we see with. */
function Eyes({ b }: { b: Status }) {
  const feeds = many(b.feeds);
  const peers = many(b.peers);
  const up = peers.filter((p) => p.state === "up").length;
  const gaps = openGaps(b);
  return (
    <Panel title="Our eyes" aside={<a href="/feeds">Feeds, peers and gaps</a>}>
      {feeds.length === 0 && <Empty>No feed is configured: nothing is heard. Name some in the configuration (sources).</Empty>}
      <ul class="board-list board-feeds">
        {feeds.map((f) => (
          <li key={f.name}>
            <span class={f.ready ? "board-good" : "board-bad"} aria-hidden="true">
              {f.ready ? "●" : "▲"}{" "}
            </span>
            <strong>{f.name}</strong> <span class="quiet">{f.ready ? "" : "does not hear what it should"}</span>
            {f.reason && <div>{f.reason}</div>}
            <div class="quiet">
              {f.peers > 0 && `${f.up} of ${count(f.peers, "peer")} up`}
              {f.peers > 0 && f.heard && ", "}
              {f.heard && `last heard ${heardWords(f.heard)}`}
            </div>
          </li>
        ))}
      </ul>
      <p>
        {peers.length === 0 ? "No peer is known yet." : `${up.toLocaleString("en")} of ${count(peers.length, "peer")} ${up === 1 ? "counts" : "count"}.`}{" "}
        {gaps.length === 0 ? "No hole is open in what is seen." : <span class="board-warn">{count(gaps.length, "hole")} in what is seen {gaps.length === 1 ? "is" : "are"} open: {gaps[0]!.collector || gaps[0]!.source || "everything"}, {gaps[0]!.reason}.</span>}
      </p>
    </Panel>
  );
}

function heardWords(at: string): string {
  const ms = now() - Date.parse(at);
  return ms < 60_000 ? "just now" : `${lasting(ms)} ago`;
}

/** How many hosters are drawn: what is seen first at once, the rest while nothing else is to be done. */
function useGrowing(total: number): number {
  const [room, set] = useState(60);
  useEffect(() => {
    if (room >= total) return;
    const t = setTimeout(() => set((n) => n + 120), 30);
    return () => clearTimeout(t);
  }, [room, total]);
  return room;
}

/** The hosters that stand otherwise than a moment ago. */
function useChanged(b: Status | undefined): ReadonlySet<string> {
  const before = useRef<Map<string, string>>(new Map());
  const [marked, set] = useState<ReadonlySet<string>>(new Set());
  const hosters = b?.hosters;
  useEffect(() => {
    if (!hosters) return;
    const fresh = changedSince(before.current, hosters);
    before.current = new Map(hosters.map((h) => [h.hoster, mark(h)]));
    if (fresh.length === 0) return;
    set((was) => new Set([...was, ...fresh]));
    setTimeout(() => set((was) => new Set([...was].filter((id) => !fresh.includes(id)))), markedFor);
  }, [hosters]);
  return marked;
}

/** What is said to whoever does not see: an incident that was not there before, once. */
function useNews(): string {
  const [said, say] = useState("");
  const known = useRef<Set<string> | undefined>(undefined);
  if (!known.current && board.value) known.current = new Set(many(board.value.incidents).filter((i) => i.phase !== "pending").map((i) => i.id));
  useEffect(
    () =>
      listen("incident", (i) => {
        if (!known.current || known.current.has(i.id) || i.phase === "pending" || i.phase === "resolved") return;
        known.current.add(i.id);
        say(`New incident, ${i.severity}: ${i.summary || nameOf(i.hoster)}`);
      }),
    [],
  );
  return said;
}

/** Larger, without what one clicks, for a screen across the room. */
function useWall(wall: boolean, set: (c: Record<string, string | undefined>) => void): void {
  useEffect(() => {
    if (!wall) return;
    document.documentElement.dataset["wall"] = "true";
    return () => delete document.documentElement.dataset["wall"];
  }, [wall]);
  useEffect(() => {
    const key = (e: KeyboardEvent) => {
      if (taken(e) || (e.key !== "w" && !(e.key === "Escape" && wall))) return;
      e.preventDefault();
      set({ wall: wall ? undefined : "1" });
    };
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, [wall, set]);
}

/** j and k go from hoster to hoster; the arrows too, once one is there. */
function useBetween(): void {
  const { path } = useLocation();
  useEffect(() => {
    const key = (e: KeyboardEvent) => {
      if (taken(e)) return;
      const all = [...document.querySelectorAll<HTMLElement>("a[data-hoster]")];
      const at = all.indexOf(document.activeElement as HTMLElement);
      const step = e.key === "j" || (e.key === "ArrowDown" && at >= 0) ? 1 : e.key === "k" || (e.key === "ArrowUp" && at >= 0) ? -1 : 0;
      if (step === 0 || all.length === 0) return;
      e.preventDefault();
      const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step))]!;
      next.focus({ preventScroll: true });
      next.scrollIntoView({ block: "nearest" });
    };
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, [path]);
}

function taken(e: KeyboardEvent): boolean {
  return e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test((e.target as HTMLElement).tagName);
}


import { useEffect } from "preact/hooks";
import { askBoard, board, boardTrouble } from "../api/board";
import { many, type Feed } from "../api/types";
import { Empty, Panel, Skeleton, Table, Time, TroubleBox } from "../parts/parts";
import { count, lasting, listed } from "../words";
import { GapsOf } from "./feeds/gaps";
import { Peers } from "./feeds/peers";
import { adviceOfFeed } from "./feeds/words";
import "./feeds.css";

/** Our own eyes: what is heard, what is not, and when we were blind. */
export function Feeds() {
  useEffect(() => {
    document.title = "Our eyes – depeer";
  }, []);
  const b = board.value;
  // A stranger is on the way to where one signs in.
  const trouble = boardTrouble.value?.status === 401 ? undefined : boardTrouble.value;
  return (
    <div class="page feeds">
      <header class="page-head">
        <h1>Our own eyes</h1>
        <span class="quiet">What is heard, what is not, and when we were blind</span>
      </header>
      {trouble && <TroubleBox trouble={trouble} again={() => void askBoard()} />}
      {!b ? (
        !trouble && <Skeleton height={400} />
      ) : (
        <>
          <Sum ready={b.ready} reasons={many(b.reasons)} up={many(b.peers).filter((p) => p.state === "up").length} peers={many(b.peers).length} judged={b.judged} />
          <Panel title={count(many(b.feeds).length, "feed")} id="feeds">
            {many(b.feeds).length === 0 ? (
              <Empty>Nothing is heard: the configuration names no sources, or they have not begun. Name some (sources), and start depeer again.</Empty>
            ) : (
              <ul class="feeds-list">
                {many(b.feeds).map((f) => (
                  <One key={f.name} f={f} />
                ))}
              </ul>
            )}
          </Panel>
          <Peers peers={many(b.peers)} />
          <GapsOf />
        </>
      )}
    </div>
  );
}

function Sum({ ready, reasons, up, peers, judged }: { ready: boolean; reasons: readonly string[]; up: number; peers: number; judged: string }) {
  return (
    <section class={`feeds-sum ${ready ? "feeds-good" : "feeds-bad"}`} aria-live="polite" aria-label="How our eyes are">
      <p class="feeds-sentence">
        <span aria-hidden="true">{ready ? "● " : "▲ "}</span>
        {!ready ? "Not all that is configured is heard" : up === peers ? "All that is configured is heard" : "The feeds are ready, and not every peer is heard"}: {up} of {count(peers, "peer")} count.
      </p>
      {reasons.length > 0 && (
        <ul>
          {reasons.map((r) => (
            <li key={r}>{r}</li>
          ))}
        </ul>
      )}
      {judged && !judged.startsWith("0001") && (
        <p class="quiet">
          All that was told before <Time at={judged} /> is judged.
        </p>
      )}
    </section>
  );
}

function One({ f }: { f: Feed }) {
  const advice = adviceOfFeed(f);
  const sessions = many(f.sessions);
  const down = sessions.filter((s) => !s.up);
  const heard = f.heard && !f.heard.startsWith("0001") ? f.heard : undefined;
  return (
    <li class={f.ready ? "feeds-one" : "feeds-one feeds-one-bad"}>
      <div class="feeds-head">
        <h3>{f.name}</h3>
        <span class="quiet">{f.type}</span>
        <span class={f.ready ? "feeds-ok" : "feeds-no"}>{f.ready ? "● ready" : "▲ not ready"}</span>
        {f.since && !f.since.startsWith("0001") && (
          <span>
            since <Time at={f.since} ago />
          </span>
        )}
      </div>
      {f.reason && <p>{f.reason}</p>}
      {advice && <p class="feeds-advice">{advice}</p>}
      <dl class="feeds-facts">
        <div>
          <dt>Peers</dt>
          <dd>
            {f.up} of {f.peers}
          </dd>
        </div>
        <div>
          <dt>Last heard</dt>
          <dd>{heard ? <Time at={heard} ago /> : "nothing yet"}</dd>
        </div>
        <div>
          <dt>Lag</dt>
          <dd title="Age of the last message when it arrived">{heard ? lag(f.lag_seconds) : "–"}</dd>
        </div>
        <div>
          <dt>Collectors</dt>
          <dd>{many(f.collectors).length > 8 ? `${listed(many(f.collectors).slice(0, 8))} and ${many(f.collectors).length - 8} more` : listed(many(f.collectors)) || "–"}</dd>
        </div>
      </dl>
      {sessions.length > 0 && (
        <details open={down.length > 0 && down.length <= 5}>
          <summary>
            {count(sessions.length, "session")}
            {down.length > 0 && <span class="feeds-no">, {down.length} down</span>}
          </summary>
          <Table label={`Sessions of ${f.name}`} head={["Session", "State", "Since", "Why"]}>
            {[...down, ...sessions.filter((s) => s.up)].map((s) => (
              <tr key={s.name}>
                <td>{s.name}</td>
                <td class={s.up ? "" : "feeds-no"}>{s.up ? `● ${s.state}` : `▲ ${s.state}`}</td>
                <td>{s.since && !s.since.startsWith("0001") && <Time at={s.since} />}</td>
                <td>{s.reason}</td>
              </tr>
            ))}
          </Table>
        </details>
      )}
    </li>
  );
}

function lag(seconds: number): string {
  return seconds < 1 ? "under a second" : lasting(seconds * 1000);
}


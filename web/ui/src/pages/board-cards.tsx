// One hoster on the board: as a card, or in one line where it is calm.
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { now } from "../api/board";
import { many, type Housed, type Incident, type Standing, type Still, type UpstreamShare } from "../api/types";
import { As, Badge, Share, Time } from "../parts/parts";
import { as, lasting, percent, utc } from "../words";
import { bothFamilies, familiesOf, fateWords, groupOf, knownHow, knownWords, routedWords, upstreamsOf } from "./boards";

export interface HosterProps {
  h: Standing;
  incident: Incident | undefined;
  still: Still | undefined;
  asksStill: boolean; // the answer is on its way: room is kept for it
  families: readonly Housed[] | undefined;
  asksFamilies: boolean;
  changed: boolean;
}

/** Draws again only where something is new: of a thousand hosters few change at a time. */
function kept(p: HosterProps, draw: () => ComponentChildren) {
  return useMemo(draw, [p.h, p.incident, p.still, p.asksStill, p.families, p.asksFamilies, p.changed]);
}

const mostUpstreams = 5;
const mostFamilies = 6;

export function Card(p: HosterProps) {
  return kept(p, () => {
    const { h, incident } = p;
    const ups = upstreamsOf(h);
    return (
      <article class={`board-card board-is-${groupOf(h)} ${p.changed ? "board-changed" : ""}`} aria-label={h.name}>
        <header>
          <h3>
            <Name h={h} />
          </h3>
          <Badge is={h.state}>{h.state === "partly" ? `partly visible, ${percent(h.visibility)}` : h.state}</Badge>
          <span class="board-asns">
            {many(h.asns).slice(0, 3).map((a) => (
              <As key={a} asn={a} />
            ))}
            {many(h.asns).length > 3 && <span class="quiet">+{many(h.asns).length - 3}</span>}
          </span>
        </header>
        <div class="board-body">
          <div class="board-words">
            {incident && (
              <p class="board-story">
                <a href={`/incidents/${incident.id}`}>{incident.summary || "An incident is open"}</a>
                <span class="board-since">
                  {incident.phase === "pending" ? "pending, " : ""}since <Time at={incident.opened} ago />
                </span>
              </p>
            )}
            <p class="board-still">
              {routedWords(h)}
              <Known {...p} />
            </p>
          </div>
          {ups.length > 0 && (
            <ul class="board-upstreams" aria-label={`Upstreams of ${h.name}`}>
              {ups.slice(0, mostUpstreams).map((u) => (
                <Upstream key={`${u.asn} ${u.family}`} u={u} family={bothFamilies(h)} />
              ))}
              {ups.length > mostUpstreams && (
                <li>
                  <a href={`/hosters/${h.hoster}`}>and {ups.length - mostUpstreams} more</a>
                </li>
              )}
            </ul>
          )}
        </div>
        <Families {...p} most={mostFamilies} />
      </article>
    );
  });
}

function Name({ h }: { h: Standing }) {
  return (
    <a href={`/hosters/${h.hoster}`} data-hoster={h.hoster}>
      {h.name}
    </a>
  );
}

/** For how many days it has been known. Its line is there before the answer is. */
function Known({ still, asksStill }: HosterProps) {
  const words = knownWords(still);
  if (!words && !asksStill) return null;
  return (
    <span class="board-known" title={knownHow(still)}>
      {words || "\u00a0"}
    </span>
  );
}

function Upstream({ u, family }: { u: UpstreamShare; family: boolean }) {
  return (
    <li class={u.lost ? "board-lost" : ""}>
      <span class="board-upstream">
        {u.lost ? (
          <s>
            <As asn={u.asn} upstream />
          </s>
        ) : (
          <As asn={u.asn} upstream />
        )}
        {family && <span class="quiet"> IPv{u.family}</span>}
      </span>
      <Share value={u.share} ghost={u.baseline} label={`usually ${percent(u.baseline)}`} />
      <span class="board-note">
        {u.lost ? (
          <>
            lost{u.since && <span title={utc(u.since)}> {lasting(now() - Date.parse(u.since))} ago</span>}
          </>
        ) : u.hold_ends ? (
          "falling"
        ) : (
          ""
        )}
      </span>
    </li>
  );
}

function Families({ h, families, asksFamilies, most }: HosterProps & { most: number }) {
  if (asksFamilies) return <p class="board-families">{"\u00a0"}</p>;
  const list = familiesOf(many(families));
  if (list.length === 0) return null;
  return (
    <ul class="board-families" aria-label={`C&C families at ${h.name}`}>
      {list.slice(0, most).map((f) => (
        <li key={f.family} class={f.fate === "there" ? "board-there" : ""}>
          <a href={`/families/${encodeURIComponent(f.family)}`}>{f.family}</a>
          {f.fate !== "there" && <span class="quiet"> {fateWords(f)}</span>}
        </li>
      ))}
      {list.length > most && (
        <li>
          <a href={`/hosters/${h.hoster}`}>{list.length - most} more</a>
        </li>
      )}
    </ul>
  );
}

/** A calm hoster. */
export function Line(p: HosterProps) {
  return kept(p, () => {
    const { h } = p;
    const ups = upstreamsOf(h).filter((u) => u.share > 0);
    const list = familiesOf(many(p.families));
    return (
      <div class={`board-line ${p.changed ? "board-changed" : ""}`}>
        <span class={h.state === "visible" ? "board-good" : "quiet"} title={h.state}>
          <span aria-hidden="true">{h.state === "visible" ? "●" : "–"}</span>
          <span class="sr">{h.state}</span>
        </span>
        <Name h={h} />
        <span class="quiet board-number">{many(h.asns).slice(0, 1).map(as).join("")}</span>
        <span class="quiet board-days" title={knownHow(p.still)}>
          {p.still?.reported && (
            <>
              <span class="board-more">reported </span>
              {p.still.days} d<span class="board-more"> ago</span>
            </>
          )}
        </span>
        <span class="board-by" title={routedWords(h)}>
          {ups.slice(0, 3).map((u) => (
            <span key={`${u.asn} ${u.family}`} class="board-part">
              {as(u.asn)} {percent(u.share)}
            </span>
          ))}
          {ups.length > 3 && <span class="quiet">+{ups.length - 3}</span>}
        </span>
        <span class="quiet board-has">
          {list.slice(0, 3).map((f) => (f.fate === "there" ? f.family : `${f.family} (${f.fate})`)).join(", ")}
          {list.length > 3 && ` +${list.length - 3}`}
        </span>
      </div>
    );
  });
}

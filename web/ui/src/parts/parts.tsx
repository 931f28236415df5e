// What every page is made of.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Asked, Trouble } from "../api/ask";
import { now } from "../api/board";
import { many, type Gap } from "../api/types";
import { as, count, lasting, local, percent, utc } from "../words";

/** A moment in UTC, local on hover; ago adds how long it is gone. */
export function Time({ at, ago = false }: { at: string | null | undefined; ago?: boolean }) {
  if (!at) return null;
  return (
    <time class="time" dateTime={at} title={local(at)}>
      {utc(at)}
      {ago && <span class="quiet"> ({lasting(now() - Date.parse(at))} ago)</span>}
    </time>
  );
}

/** An AS as whoever originates: leads to what it announces. */
export function As({ asn, upstream = false }: { asn: number; upstream?: boolean }) {
  return (
    <a class="asn" href={`/${upstream ? "upstreams" : "asns"}/${asn}`}>
      {as(asn)}
    </a>
  );
}

export function Prefix({ prefix, query = "" }: { prefix: string; query?: string }) {
  return (
    <a class="prefix" href={`/prefixes/${prefix}${query}`}>
      {prefix}
    </a>
  );
}

/** A part of one as a bar and in words; ghost is where it usually is. */
export function Share({ value, ghost, label }: { value: number; ghost?: number; label?: string }) {
  return (
    <span class="share" title={ghost === undefined ? undefined : `usually ${percent(ghost)}`}>
      <span class="share-bar" aria-hidden="true">
        {ghost !== undefined && <span class="share-ghost" style={{ width: `${Math.min(1, ghost) * 100}%` }} />}
        <span class="share-fill" style={{ width: `${Math.min(1, value) * 100}%` }} />
      </span>
      <span class="share-number">{percent(value)}</span>
      {label && <span class="sr">{label}</span>}
    </span>
  );
}

const signs: Record<string, string> = {
  visible: "●", partly: "◐", dark: "■", unknown: "?", "not valid now": "–",
  critical: "■", warning: "▲", info: "●",
};

/** A state or severity: a sign, a word and a colour, so that no one of them is needed. */
export function Badge({ is, children }: { is: string; children?: ComponentChildren }) {
  return (
    <span class={`badge badge-${is.replaceAll(" ", "-")}`}>
      <span aria-hidden="true">{signs[is] ?? "●"} </span>
      {children ?? is}
    </span>
  );
}

export function Panel({ title, aside, id, children, busy = false }: { title: string; aside?: ComponentChildren; id?: string; children: ComponentChildren; busy?: boolean }) {
  return (
    <section class="panel" id={id} aria-busy={busy} aria-label={title}>
      <header class="panel-head">
        <h2>{title}</h2>
        {aside && <div class="panel-aside">{aside}</div>}
      </header>
      {children}
    </section>
  );
}

/** Nothing is there: what that means, and what to do. */
export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

/** Something could not be had: what it was, and what to do. */
export function TroubleBox({ trouble, again }: { trouble: Trouble; again?: () => void }) {
  return (
    <div class="trouble" role="alert">
      <strong>{headline(trouble)}</strong>
      <p>{trouble.detail}</p>
      {again && trouble.status !== 404 && trouble.status !== 501 && (
        <button type="button" onClick={again}>
          Ask again
        </button>
      )}
    </div>
  );
}

function headline(t: Trouble): string {
  switch (t.status) {
    case 0: return "No answer";
    case 401: return "Please sign in";
    case 403: return "You may not do this";
    case 404: return "There is no such thing";
    case 429: return "Too many requests";
    case 501: return "This depeer is not set up for that";
    case 503: return "Not now";
    default: return t.title;
  }
}

/** Room for what is on its way, so that nothing jumps when it comes. */
export function Skeleton({ lines = 3, height }: { lines?: number; height?: number }) {
  return (
    <div class="skeleton" aria-hidden="true" style={height ? { height: `${height}px` } : undefined}>
      {!height && Array.from({ length: lines }, (_, i) => <span key={i} />)}
    </div>
  );
}

/** The answer to a question, or why there is none yet. An old answer stays while a new one fails, and says so. */
export function Answer<T>({ of, lines, height, children }: { of: Asked<T>; lines?: number; height?: number; children: (data: T) => ComponentChildren }) {
  if (of.data === undefined) return of.trouble ? <TroubleBox trouble={of.trouble} again={of.again} /> : <Skeleton {...(lines ? { lines } : {})} {...(height ? { height } : {})} />;
  return (
    <>
      {of.trouble && <TroubleBox trouble={of.trouble} again={of.again} />}
      {children(of.data)}
    </>
  );
}

/** Holes in what was seen. */
export function Gaps({ gaps }: { gaps: readonly Gap[] | null | undefined }) {
  const all = many(gaps);
  if (all.length === 0) return null;
  return (
    <details class="gaps">
      <summary>
        <span aria-hidden="true">░ </span>
        {count(all.length, "hole")} in what was seen {all.length === 1 ? "touches" : "touch"} this: what happened there is not known
      </summary>
      <ul>
        {all.map((g) => (
          <li key={`${g.id} ${g.from}`}>
            <Time at={g.from} /> – {g.to ? <Time at={g.to} /> : "now"}: {g.collector || g.source || "everything"}, {g.reason}
            {g.peers > 0 && `, ${count(g.peers, "peer")}`}
          </li>
        ))}
      </ul>
    </details>
  );
}

/** What could not be said. */
export function Missing({ sentences }: { sentences: readonly string[] | null | undefined }) {
  const all = many(sentences);
  if (all.length === 0) return null;
  return (
    <ul class="missing">
      {all.map((s) => (
        <li key={s}>{s}</li>
      ))}
    </ul>
  );
}

/** An AS path, from the peer to the origin. */
export function Path({ path, mark = [] }: { path: readonly (number | number[])[] | null | undefined; mark?: readonly number[] }) {
  return (
    <span class="path">
      {many(path).map((hop, i) => (
        <span key={i} class={typeof hop === "number" && mark.includes(hop) ? "hop hop-marked" : "hop"}>
          {typeof hop === "number" ? hop : `{${hop.join(",")}}`}
        </span>
      ))}
    </span>
  );
}

/** Says that something went to the clipboard. */
export function Copy({ text, children }: { text: string; children: ComponentChildren }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const t = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(t);
  }, [done]);
  return (
    <button type="button" class="plain" onClick={() => void navigator.clipboard.writeText(text).then(() => setDone(true))}>
      {done ? "Copied" : children}
    </button>
  );
}

/** A table that scrolls by itself where it is too wide, so that the page does not. */
export function Table({ label, head, children }: { label: string; head: readonly string[]; children: ComponentChildren }): JSX.Element {
  return (
    <div class="table" role="region" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {head.map((h) => (
              <th key={h} scope="col">
                {h}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

// What would have been told: the last days once more, through the subscriptions.
import { useEffect, useState } from "preact/hooks";
import { send, Trouble } from "../../api/ask";
import { now } from "../../api/board";
import type { components } from "../../api/schema";
import { many } from "../../api/types";
import { Empty, Skeleton, Time, TroubleBox } from "../../parts/parts";
import { count, listed } from "../../words";

type Rehearsed = components["schemas"]["Rehearsed"];
type Line = components["schemas"]["Rehearsal"];

const spans = [["1", "the last day"], ["7", "the last week"], ["30", "the last 30 days"], ["365", "the last year"]] as const;

interface RehearseProps {
  what: { subscription?: Record<string, unknown>; names?: string[] };
  wrong?: (detail: string) => void; // told what the API finds wrong with the subscription
}

export function Rehearse({ what, wrong }: RehearseProps) {
  const [days, setDays] = useState("7");
  const [data, setData] = useState<Rehearsed | undefined>();
  const [trouble, setTrouble] = useState<Trouble | undefined>();
  const [asking, setAsking] = useState(true);
  const key = JSON.stringify(what);
  useEffect(() => {
    let gone = false;
    setAsking(true);
    setTrouble(undefined);
    // The server knows what time it is: it counts back from its now.
    play(what, Number(days)).then(
      (x) => {
        if (gone) return;
        setData(x);
        setAsking(false);
      },
      (e: unknown) => {
        if (gone) return;
        const t = e instanceof Trouble ? e : new Trouble(0, "Fault", String(e));
        setTrouble(t);
        setAsking(false);
        if (t.status === 400) wrong?.(t.detail);
      },
    );
    return () => void (gone = true);
  }, [key, days]);
  return (
    <section class="sub-rehearsal" aria-label="What would have been told" aria-busy={asking}>
      <div class="sub-rehearsal-head">
        <h3>What would have been told</h3>
        <label>
          in{" "}
          <select value={days} onChange={(e) => setDays(e.currentTarget.value)}>
            {spans.map(([v, name]) => (
              <option key={v} value={v}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </div>
      {trouble ? <TroubleBox trouble={trouble} /> : !data || asking ? <Skeleton lines={4} /> : <Told data={data} />}
    </section>
  );
}

function play(what: RehearseProps["what"], days: number): Promise<Rehearsed> {
  return send<Rehearsed>("POST", "/subscriptions/test", { ...what, from: new Date(now() - days * 86_400_000).toISOString().replace(/\.\d+Z$/, "Z") });
}

function Told({ data }: { data: Rehearsed }) {
  const [held, setHeld] = useState(false);
  const sums = many(data.sums);
  const lines = many(data.lines).filter((l) => held || l.sent);
  const rest = many(data.lines).length - many(data.lines).filter((l) => l.sent).length;
  if (data.heard === 0) return <Empty>Nothing happened in that time that could have been told. Try a longer one.</Empty>;
  return (
    <>
      <p role="status">
        {sums.length === 0 ? "Nobody would have been told anything" : listed(sums.map((s) => `${s.receiver}: ${count(s.new, "new message")} and ${count(s.changes, "change")}`))}, of{" "}
        {count(data.heard, "revision")} of what happened. {data.unwanted > 0 && `${count(data.unwanted, "incident")} would have been told to nobody. `}Nothing was sent.
      </p>
      {rest > 0 && (
        <label class="sub-also">
          <input type="checkbox" checked={held} onChange={(e) => setHeld(e.currentTarget.checked)} /> Also what was not told, and why ({rest})
        </label>
      )}
      <ol class="sub-lines">
        {lines.map((l, i) => (
          <One key={i} line={l} />
        ))}
      </ol>
      {data.more > 0 && <p class="quiet">{count(data.more, "line")} more: take a shorter time, or depeer subscriptions test.</p>}
    </>
  );
}

function One({ line: l }: { line: Line }) {
  return (
    <li class={l.sent ? "" : "sub-not"}>
      <Time at={l.at} /> <strong>{l.receiver ?? "nobody"}</strong> {l.title}
      <div class="quiet">
        {l.sent ? `${l.reason}${l.loud ? ", wakes people" : ""}${many(l.for).length ? `, by ${listed(many(l.for))}` : ""}` : `not told: ${l.why}`}
      </div>
      {l.sent && (l.text || many(l.changes).length > 0) && (
        <details>
          <summary>Message</summary>
          {l.text && <p class="sub-text">{l.text}</p>}
          <ul>
            {many(l.changes).map((c) => (
              <li key={c}>{c}</li>
            ))}
          </ul>
          {l.next && <p>{l.next}</p>}
        </details>
      )}
    </li>
  );
}

// What came of telling people.
import { useEffect, useState } from "preact/hooks";
import { ask, Trouble, useAsk } from "../../api/ask";
import { nameOf } from "../../api/board";
import { useStream } from "../../api/stream";
import { many, type List, type Told } from "../../api/types";
import { Answer, Empty, Panel, Table, Time, TroubleBox } from "../../parts/parts";
import { useQuery } from "../../place";
import { listed } from "../../words";
import type { Receiver } from "./form";
import { outcome } from "./words";

const outcomes = [["", "everything"], ["sent", "what was told"], ["failed,dead", "what could not be told"], ["held", "what is held back"], ["unwanted", "what nobody wants"]] as const;
const atATime = 30;

export function Deliveries({ receivers }: { receivers: readonly Receiver[] }) {
  const [query, setQuery] = useQuery();
  const filter = { receiver: query["receiver"], outcome: query["outcome"], limit: atATime };
  const first = useAsk<List<Told>>("/deliveries", filter, 30_000);
  useStream("incident", first.again);
  return (
    <Panel
      title="Who was told"
      id="deliveries"
      aside={
        <span class="sub-filter">
          <label>
            <span class="sr">Receiver</span>
            <select value={query["receiver"] ?? ""} onChange={(e) => setQuery({ receiver: e.currentTarget.value })}>
              <option value="">all receivers</option>
              {receivers.map((r) => (
                <option key={r.name} value={r.name}>
                  {r.name}
                </option>
              ))}
            </select>
          </label>
          <label>
            <span class="sr">What came of it</span>
            <select value={query["outcome"] ?? ""} onChange={(e) => setQuery({ outcome: e.currentTarget.value })}>
              {outcomes.map(([v, name]) => (
                <option key={v} value={v}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        </span>
      }
    >
      <Answer of={first} lines={5}>
        {(list) =>
          many(list.items).length === 0 ? (
            <Empty>{query["receiver"] || query["outcome"] ? "No message is like that." : "Nobody was told anything yet. “What would it have told?” at a subscription shows what would be."}</Empty>
          ) : (
            <Lines key={JSON.stringify(filter)} first={list} filter={filter} />
          )
        }
      </Answer>
    </Panel>
  );
}

function Lines({ first, filter }: { first: List<Told>; filter: Record<string, string | number | undefined> }) {
  const [older, setOlder] = useState<Told[]>([]);
  const [next, setNext] = useState(first.next);
  const [trouble, setTrouble] = useState<Trouble | undefined>();
  useEffect(() => {
    if (older.length === 0) setNext(first.next);
  }, [first]);
  const more = async () => {
    try {
      const page = await ask<List<Told>>("/deliveries", { ...filter, cursor: next });
      setOlder((x) => [...x, ...many(page.items)]);
      setNext(page.next);
    } catch (e) {
      setTrouble(e as Trouble);
    }
  };
  const seen = new Set<string>();
  const all = [...many(first.items), ...older].filter((t) => {
    const key = t.id ?? `${t.at} ${t.receiver} ${t.title}`;
    return !seen.has(key) && seen.add(key);
  });
  return (
    <>
      <Table label="Messages" head={["When", "Who", "What came of it", "About"]}>
        {all.map((t) => (
          <tr key={t.id ?? `${t.at} ${t.receiver}`}>
            <td>
              <Time at={t.at} />
            </td>
            <td class="sub-who">{t.receiver}</td>
            <td class={`sub-outcome sub-${t.outcome}`}>
              {outcome(t)}
              {t.reason && <span class="quiet"> ({t.reason})</span>}
              {t.why && <div class="quiet">{t.why}</div>}
            </td>
            <td>
              {t.incident ? <a href={`/incidents/${encodeURIComponent(t.incident)}`}>{t.title || nameOf(t.hoster) || t.incident}</a> : t.title || nameOf(t.hoster)}
              {many(t.for).length > 0 && <div class="quiet">by {listed(many(t.for))}</div>}
            </td>
          </tr>
        ))}
      </Table>
      {trouble && <TroubleBox trouble={trouble} />}
      {next && (
        <button type="button" onClick={() => void more()}>
          Older
        </button>
      )}
    </>
  );
}

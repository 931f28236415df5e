// What each peer says of a prefix, and who is left out, and why.
import { useState } from "preact/hooks";
import { many, type Explanation } from "../../api/types";
import { Empty, Panel, Path, Table, Time } from "../../parts/parts";
import { count } from "../../words";
import { leftOut, pathOf, reasons, sorted } from "./words";

const shown = 100;

function heard(state: string): boolean {
  return !["down", "away", "stale", "unknown"].includes(state);
}

export function PeersOf({ x }: { x: Explanation }) {
  const [filter, setFilter] = useState("");
  const [all, setAll] = useState(false);
  const peers = many(x.peers);
  const out = reasons(peers);
  const wanted = filter.toLowerCase();
  const rows = sorted(peers).filter((p) => !wanted || `${p.peer} ${p.path ?? ""} ${p.state} ${leftOut(p)}`.toLowerCase().includes(wanted));
  return (
    <Panel
      title={`What the peers say of ${x.prefix}`}
      aside={
        <label class="explain-filter">
          <span class="sr">Only peers with</span>
          <input type="search" value={filter} placeholder="Peer, collector, AS in the path" onInput={(e) => setFilter(e.currentTarget.value)} />
        </label>
      }
    >
      {peers.length === 0 ? (
        <Empty>No peer spoke of it.</Empty>
      ) : (
        <>
          <p>
            {count(peers.filter((p) => p.counted && p.holds).length, "peer")} of {peers.filter((p) => p.counted).length} that count hold it. {out.length === 0 && "Nobody is left out."}
          </p>
          {out.length > 0 && (
            <ul class="explain-out">
              {out.map((r) => (
                <li key={r.why}>
                  {count(r.peers, "peer")} left out: {r.why}
                </li>
              ))}
            </ul>
          )}
          <Table label="Peers" head={["Peer", "Says", "AS path", "Since"]}>
            {rows.slice(0, all ? rows.length : shown).map((p) => (
              <tr key={p.peer} class={p.counted ? "" : "explain-uncounted"}>
                <td>{p.peer}</td>
                <td>
                  {p.holds ? (heard(p.state) ? "✓ holds it" : "held it when it was last heard") : "✗ does not hold it"}
                  {!p.counted && <div class="quiet">does not count: {leftOut(p)}</div>}
                </td>
                <td>
                  <Path path={pathOf(p.path)} />
                </td>
                <td>
                  <Time at={p.since} />
                </td>
              </tr>
            ))}
          </Table>
          {rows.length === 0 && <Empty>No peer is like that.</Empty>}
          {!all && rows.length > shown && (
            <button type="button" onClick={() => setAll(true)}>
              All {rows.length}
            </button>
          )}
        </>
      )}
    </Panel>
  );
}

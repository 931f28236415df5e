// Every peer, by collector. Hundreds stay readable: collectors are closed, those with trouble first.
import type { Peer } from "../../api/types";
import { As, Empty, Panel, Table, Time } from "../../parts/parts";
import { useQuery } from "../../place";
import { count } from "../../words";
import { grouped, isUp, peerState, tables } from "./words";

const few = 30; // so many are shown without being asked for

export function Peers({ peers }: { peers: readonly Peer[] }) {
  const [query, setQuery] = useQuery();
  const wanted = query["peer"] ?? "";
  const state = query["state"] ?? "";
  const groups = grouped(peers, wanted, state);
  const found = groups.reduce((n, g) => n + g.peers.length, 0);
  return (
    <Panel
      title={count(peers.length, "peer")}
      id="peers"
      aside={
        <span class="feeds-filter">
          <label>
            <span class="sr">Only peers with</span>
            <input type="search" value={wanted} placeholder="Address, AS, collector, cause" onInput={(e) => setQuery({ peer: e.currentTarget.value }, true)} />
          </label>
          <label>
            <span class="sr">State</span>
            <select value={state} onChange={(e) => setQuery({ state: e.currentTarget.value })}>
              <option value="">all</option>
              <option value="not">those that do not count</option>
              <option value="up">those that count</option>
            </select>
          </label>
        </span>
      }
    >
      {peers.length === 0 ? (
        <Empty>Nobody was heard yet: peers are there once a feed tells of them.</Empty>
      ) : found === 0 ? (
        <Empty>No peer is like that.</Empty>
      ) : (
        groups.map((g) => (
          <details key={`${g.collector} ${found <= few}`} class="feeds-group" open={found <= few}>
            <summary>
              <strong>{g.collector}</strong>: {g.up} of {count(g.peers.length, "peer")} {g.up < g.peers.length ? <span class="feeds-no">count</span> : "count"}
            </summary>
            <Table label={`Peers of ${g.collector}`} head={["Peer", "AS", "State", "Since", "Last heard", "Whole table known"]}>
              {[...g.peers].sort((a, b) => Number(isUp(a)) - Number(isUp(b))).map((p) => (
                <tr key={`${p.address} ${p.asn}`}>
                  <td class="mono">{p.address}</td>
                  <td>
                    <As asn={p.asn} />
                  </td>
                  <td>
                    <span class={isUp(p) ? "" : "feeds-no"}>
                      {isUp(p) ? "● " : "▲ "}
                      {peerState(p)}
                    </span>
                    {p.cause && <div class="quiet">{p.cause}</div>}
                  </td>
                  <td>{p.since && !p.since.startsWith("0001") && <Time at={p.since} />}</td>
                  <td>{p.heard && !p.heard.startsWith("0001") && <Time at={p.heard} />}</td>
                  <td>{tables(p.table)}</td>
                </tr>
              ))}
            </Table>
          </details>
        ))
      )}
    </Panel>
  );
}

// Routes by upstream: 300 peers in a few lines, each peer where it is wanted.
import { useState } from "preact/hooks";
import { As, Path, Prefix, Table, Time } from "../../parts/parts";
import { count } from "../../words";
import type { Group, Row } from "./grouping";

const most = 100; // rows at first

export function Groups({ groups, several, hosters, changed, open = false }: { groups: readonly Group[]; several: boolean; hosters: readonly number[]; changed: boolean; open?: boolean }) {
  return (
    <ul class="prefix-groups">
      {groups.map((g) => (
        <li key={g.key}>
          <One g={g} several={several} hosters={hosters} changed={changed} open={open} />
        </li>
      ))}
    </ul>
  );
}

function One({ g, several, hosters, changed, open }: { g: Group; several: boolean; hosters: readonly number[]; changed: boolean; open: boolean }) {
  const [is, set] = useState(false);
  const [all, setAll] = useState(false);
  const rows = all ? g.rows : g.rows.slice(0, most);
  const shown = is || open;
  return (
    <details open={shown} onToggle={(e) => set(e.currentTarget.open)}>
      <summary>
        <strong class="prefix-by">{by(g, changed)}</strong>
        <span class="prefix-peers">{count(g.peers, "peer")}{several && g.prefixes > 1 ? `, ${count(g.prefixes, "prefix", "prefixes")}` : ""}{!g.known && ", not heard: their last word"}</span>
        {g.heads.length > 0 && <span class="quiet prefix-heads">heard through {heads(g)}</span>}
      </summary>
      {shown && (
        <>
          <Table label={`Routes ${by(g, changed)}`} head={["Collector", "Peer", ...(several ? ["Prefix"] : []), changed ? "Path before, and after" : "Path", "Since", "Known"]}>
            {rows.map((r) => (
              <Line key={`${r.route.peer.collector} ${r.route.peer.addr} ${r.route.peer.asn} ${r.route.prefix} ${r.route.path_id ?? 0}`} r={r} several={several} mark={[...hosters, g.upstream, g.was]} />
            ))}
          </Table>
          {rows.length < g.rows.length && <button type="button" onClick={() => setAll(true)}>Show all {g.rows.length.toLocaleString("en")}</button>}
        </>
      )}
    </details>
  );
}

function by(g: Group, changed: boolean): string {
  const name = (asn: number) => (asn ? `AS${asn}` : "no upstream");
  return changed && g.was !== g.upstream ? `from ${name(g.was)} to ${name(g.upstream)}` : `by ${name(g.upstream)}`;
}

function heads(g: Group): string {
  const some = g.heads.slice(0, 4).map(([asn, n]) => `AS${asn} (${n})`);
  return g.heads.length > 4 ? `${some.join(", ")} and ${g.heads.length - 4} more` : some.join(", ");
}

function Line({ r, several, mark }: { r: Row; several: boolean; mark: readonly number[] }) {
  const { route, was } = r;
  return (
    <tr>
      <td>{route.peer.collector}</td>
      <td>
        <As asn={route.peer.asn} /> <span class="mono quiet">{route.peer.addr}</span>
      </td>
      {several && <td><Prefix prefix={route.prefix} /></td>}
      <td>
        {was && <div class="prefix-was"><span class="sr">before: </span><Path path={was.path} mark={mark} /></div>}
        <Path path={route.path} mark={mark} />
      </td>
      <td><Time at={route.since} /></td>
      <td>{route.known ? "heard" : <span class="prefix-unknown">? {route.reason ?? "not heard"}</span>}</td>
    </tr>
  );
}

// What an event rests on: the BGP messages, the numbers that were judged, and what every peer had before and after.
import { useState } from "preact/hooks";
import { useAsk, type Query } from "../../api/ask";
import { many, type Difference, type Event, type Route } from "../../api/types";
import { Answer, As, Copy, Gaps, Missing, Path, Prefix, Table, Time } from "../../parts/parts";
import { as, count } from "../../words";
import { exact, judged, messageName } from "./tell";

const mostPrefixes = 12;

export function Evidence({ event: e, incident }: { event: Event; incident: string }) {
  const messages = many(e.evidence);
  const days = new Set(messages.map((m) => m.at.slice(0, 10)));
  const day = days.size === 1 ? [...days][0] : undefined; // said once, it leaves room for the path
  const mark = [e.upstream, e.via, e.origin].filter((a): a is number => !!a);
  const prefixes = e.prefix ? [e.prefix] : many(e.prefixes);
  return (
    <div class="incident-evidence">
      <p>
        {judged(e)} Began <Time at={e.first_seen} />, confirmed <Time at={e.at} />. {e.kind.startsWith("feed.") ? <a href="/feeds">Our eyes</a> : <Why event={e} />}
      </p>
      {prefixes.length > 0 && !e.prefix && (
        <p>
          {count(prefixes.length, "prefix", "prefixes")}:{" "}
          {prefixes.slice(0, mostPrefixes).map((p) => (
            <span key={p}>
              <Prefix prefix={p} query={`?at=${e.at}`} />{" "}
            </span>
          ))}
          {prefixes.length > mostPrefixes && <span class="quiet">and {prefixes.length - mostPrefixes} more</span>}
        </p>
      )}
      {messages.length === 0 ? (
        <p class="quiet">No message stands behind it: it was judged by silence, or by what was known at the start.</p>
      ) : (
        <Table label="BGP messages behind it" head={[day ? `${day}, UTC` : "Time (UTC)", "Collector", "Peer", "Message", "Prefix", "Path, from the peer to the origin"]}>
          {messages.map((m, i) => (
            <tr key={i}>
              <td class="mono time" title={exact(m.at)}>
                {day ? exact(m.at).slice(11) : exact(m.at)}
              </td>
              <td class="time">{m.collector}</td>
              <td class="time">
                <As asn={m.peer_asn} /> <span class="quiet mono">{m.peer}</span>
              </td>
              <td class="time" title={`${m.type}, as bgpdump writes it`}>
                {messageName(m.type)}
              </td>
              <td>{m.prefix && <Prefix prefix={m.prefix} query={`?at=${m.at}`} />}</td>
              <td>{many(m.path).length ? <Path path={m.path} mark={mark} /> : <span class="quiet">none</span>}</td>
            </tr>
          ))}
        </Table>
      )}
      <AllPeers event={e} />
      <p class="incident-links">
        <a href={`/events?incident=${incident}&kind=${e.kind}`}>Events like it</a>
        <Copy text={JSON.stringify(e, null, 2)}>Copy as JSON</Copy>
        <span class="quiet mono">{e.id}</span>
      </p>
    </div>
  );
}

/** Why it counted: the thresholds, and each peer, as it was when it was confirmed. */
function Why({ event: e }: { event: Event }) {
  const where = e.prefix ?? many(e.prefixes)[0];
  return <a href={`${where ? `/explain?prefix=${where}` : `/explain?hoster=${e.hoster ?? ""}`}&at=${e.at}`}>Thresholds and peers at that moment</a>;
}

const mostRows = 60;

/** The messages are at most ten: what every peer had before and after is asked for when it is wanted. */
function AllPeers({ event: e }: { event: Event }) {
  const [wanted, want] = useState(false);
  if (e.kind.startsWith("feed.") || !e.hoster) return null;
  return (
    <details open={wanted} onToggle={(x) => want((x.currentTarget as HTMLDetailsElement).open)}>
      <summary>What every peer had before it began, and when it was confirmed</summary>
      {wanted && <Compared event={e} />}
    </details>
  );
}

function Compared({ event: e }: { event: Event }) {
  const q: Query = { from: new Date(Date.parse(e.first_seen) - 1).toISOString(), to: e.at };
  const asked = useAsk<Difference>(e.prefix ? `/prefixes/${e.prefix}/difference` : `/hosters/${e.hoster}/difference`, q);
  return (
    <Answer of={asked} height={200}>
      {(d) => {
        const rows: { before: Route | undefined; after: Route | undefined; what: string }[] = [
          ...many(d.went).map((r) => ({ before: r, after: undefined, what: "went" })),
          ...many(d.changed).map((r) => ({ before: r.before, after: r.after, what: "changed" })),
          ...many(d.came).map((r) => ({ before: undefined, after: r, what: "came" })),
        ];
        const mark = e.upstream ? [e.upstream] : [];
        return (
          <>
            <p>
              {count(many(d.went).length, "route")} went, {many(d.changed).length} changed, {many(d.came).length} came, {d.same} stayed as they were
              {many(d.unknown).length > 0 && `, ${many(d.unknown).length} are not known`}.
            </p>
            <Gaps gaps={d.gaps} />
            <Missing sentences={d.missing} />
            {rows.length > 0 && (
              <Table label="Routes that differ" head={["Peer", "Prefix", "", "Before", "After", "Since"]}>
                {rows.slice(0, mostRows).map((r, i) => {
                  const one = (r.after ?? r.before)!;
                  return (
                    <tr key={i}>
                      <td title={`${one.peer.addr} at ${one.peer.collector}`}>{as(one.peer.asn)}</td>
                      <td><Prefix prefix={one.prefix} /></td>
                      <td>{r.what}</td>
                      <td>{r.before ? <Path path={r.before.path} mark={mark} /> : <span class="quiet">none</span>}</td>
                      <td>{r.after ? <Path path={r.after.path} mark={mark} /> : <span class="quiet">none</span>}</td>
                      <td class="mono time">{r.after ? exact(r.after.since) : ""}</td>
                    </tr>
                  );
                })}
              </Table>
            )}
            {rows.length > mostRows && (
              <p class="quiet">
                and {rows.length - mostRows} more: <a href={`/api/v1${e.prefix ? `/prefixes/${e.prefix}` : `/hosters/${e.hoster}`}/difference?from=${q["from"]}&to=${q["to"]}`}>all as JSON</a>
              </p>
            )}
          </>
        );
      }}
    </Answer>
  );
}

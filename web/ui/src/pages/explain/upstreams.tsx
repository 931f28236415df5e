// Each upstream's share against the share from which on down it counts as lost, as a picture with the line drawn.
import type { UpstreamShare } from "../../api/types";
import { As, Empty, Panel, Time } from "../../parts/parts";
import { fine } from "./words";

export function UpstreamLines({ list, past }: { list: readonly UpstreamShare[]; past: boolean }) {
  const most = Math.max(0.01, ...list.map((u) => Math.max(u.share, u.baseline)));
  return (
    <Panel title="Upstreams" aside="parts of all routes of the hoster that the peers hold">
      {list.length === 0 ? (
        <Empty>No upstream is known: nobody has said through whom it is reached. {past ? "" : "The peers tell when they announce a route."}</Empty>
      ) : (
        <>
          <p class="explain-legend quiet" aria-hidden="true">
            <span class="explain-key explain-key-now" /> {past ? "then" : "now"} <span class="explain-key explain-key-usual" /> usually <span class="explain-key explain-key-line" /> at this line and below it counts as lost
          </p>
          <ul class="explain-ups">
            {list.map((u) => (
              <li key={`${u.asn} ${u.family}`} class={u.lost ? "explain-lost" : u.hold_ends ? "explain-falls" : ""}>
                <span class="explain-who">
                  <As asn={u.asn} upstream />
                  {u.family === 6 && <span class="quiet"> IPv6</span>}
                </span>
                <Bar now={u.share} usual={u.baseline} line={u.lost_at} most={most} />
                <span class="explain-numbers">
                  <strong>{fine(u.share)}</strong> <span class="quiet">usually {fine(u.baseline)}, lost from {fine(u.lost_at)} on down; {u.peers} peers</span>
                </span>
                <span class="explain-state">
                  <State u={u} />
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
    </Panel>
  );
}

function State({ u }: { u: UpstreamShare }) {
  if (u.lost) {
    return (
      <>
        ■ lost since <Time at={u.since} />
      </>
    );
  }
  if (u.hold_ends) {
    return (
      <>
        ▲ falling since <Time at={u.since} />: the hold ends <Time at={u.hold_ends} />
      </>
    );
  }
  if (u.since) {
    return (
      <>
        ▲ falling since <Time at={u.since} />, not yet low enough
      </>
    );
  }
  return <>● {u.share > u.baseline * 1.1 ? "more than usual" : u.share >= u.baseline * 0.9 ? "as usual" : "less than usual, above the line"}</>;
}

/** A bar with what is usual behind it and the line of the threshold in front; the numbers beside it say the same. */
export function Bar({ now, usual, line, most }: { now: number; usual: number; line: number; most: number }) {
  const at = (x: number) => `${Math.min(100, (x / most) * 100)}%`;
  return (
    <span class="explain-bar" aria-hidden="true">
      <span class="explain-usual" style={{ width: at(usual) }} />
      <span class={now <= line ? "explain-now explain-now-low" : "explain-now"} style={{ width: at(now) }} />
      {usual > 0 && <span class="explain-line" style={{ left: at(line) }} />}
    </span>
  );
}

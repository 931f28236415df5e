// Every prefix: how many see it, and from where on it would count as withdrawn.
import { many, type Explanation } from "../../api/types";
import { Panel, Prefix, Time } from "../../parts/parts";
import { count, listed } from "../../words";
import { Bar } from "./upstreams";
import { number, verdict } from "./words";

export function PrefixTable({ list, at, past }: { list: readonly Explanation[]; at: string | undefined; past: boolean }) {
  const most = Math.max(1, ...list.map((x) => Math.max(x.eligible, x.baseline)));
  const rank = (x: Explanation) => ["lost", "falling"].indexOf(x.state) + 1 || 3;
  const sorted = [...list].sort((a, b) => rank(a) - rank(b));
  return (
    <Panel title={list.length === 1 ? "The prefix" : count(list.length, "prefix", "prefixes")} aside="how many of the peers that count see it">
      <ul class="explain-ups explain-prefixes">
        {sorted.map((x) => (
          <li key={`${x.prefix} ${x.hoster}`} class={x.state === "lost" ? "explain-lost" : x.hold_ends ? "explain-falls" : ""}>
            <span class="explain-who">
              <Prefix prefix={x.prefix} query={at ? `?at=${at}` : ""} />
            </span>
            <Bar now={x.holding} usual={x.baseline} line={x.lost_at} most={most} />
            <span class="explain-numbers">
              <strong>
                {x.holding} of {x.eligible}
              </strong>{" "}
              <span class="quiet">
                usually {number(x.baseline)}; withdrawn at {number(Math.round(x.lost_at * 10) / 10)} or fewer, back at {number(Math.round(x.back_at * 10) / 10)} or more; believed from {count(x.least, "peer")} on
                {!x.seeded && ", learned from updates alone (min_known)"}
              </span>
            </span>
            <span class="explain-state">
              {verdict(x)}
              {x.since && (
                <>
                  {" "}
                  {past ? "It was" : "It is"} {x.state} since <Time at={x.since} />.
                </>
              )}
              {x.hold_ends && (
                <>
                  {" "}
                  The hold ends <Time at={x.hold_ends} />.
                </>
              )}
              {many(x.zombies).length > 0 && <> Left out as stuck: {listed(many(x.zombies))}.</>}
              {list.length > 1 && (
                <>
                  {" "}
                  <a href={`/explain?prefix=${x.prefix}${at ? `&at=${at}` : ""}`} aria-label={`Who says what of ${x.prefix}`}>
                    Who says what
                  </a>
                </>
              )}
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

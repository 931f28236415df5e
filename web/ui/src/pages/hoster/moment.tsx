import { useAsk } from "../../api/ask";
import { many, type Routes } from "../../api/types";
import { Answer, As, Missing, Prefix, Table, Time } from "../../parts/parts";
import { count, lasting } from "../../words";
import { heldAt } from "./routes";

const most = 30;

/** What the routes were at the marked moment. */
export function MomentOf({ path, at, set }: { path: string; at: string; set: (at: string | undefined) => void }) {
  const routes = useAsk<Routes>(`${path}/routes`, { at });
  const query = `?at=${encodeURIComponent(at).replaceAll("%3A", ":")}`;
  return (
    <section class="hoster-moment" aria-label="The routes at the marked moment" aria-busy={routes.asking && !routes.data}>
      <header>
        <h3>
          The routes at <Time at={at} />
        </h3>
        <span class="hoster-steps">
          <button type="button" disabled={!routes.data?.previous} onClick={() => set(routes.data!.previous!)}>
            ◀ change before
          </button>
          <button type="button" disabled={!routes.data?.next} onClick={() => set(routes.data!.next!)}>
            next change ▶
          </button>
          <button type="button" onClick={() => set(undefined)}>
            Forget the moment
          </button>
        </span>
      </header>
      <Answer of={routes} height={140}>
        {(r) => {
          const held = heldAt(many(r.routes));
          return (
            <>
              <p>
                {held.some((h) => h.peers > 0)
                  ? `${count(r.peers, "peer")} ${r.peers === 1 ? "was" : "were"} heard then.`
                  : r.peers > 0
                    ? `Nobody held a route to any of its prefixes: ${count(r.peers, "peer")} ${r.peers === 1 ? "was" : "were"} heard then.`
                    : "Nobody was heard then: what the routes were is not known."}
                {r.previous && <span class="quiet"> The last change was {lasting(Date.parse(at) - Date.parse(r.previous))} before.</span>}
              </p>
              {held.length > 0 && (
                <Table label="Routes at the moment" head={["Prefix", "Held by", "Through", "From"]}>
                  {held.slice(0, most).map((h) => (
                    <tr key={h.prefix}>
                      <td>
                        <Prefix prefix={h.prefix} query={query} />
                      </td>
                      <td>
                        {count(h.peers, "peer")}
                        {h.unheard > 0 && <span class="quiet">, and {h.unheard} not heard then</span>}
                      </td>
                      <td>
                        {h.through.length === 0 && <span class="quiet">nobody</span>}
                        {h.through.map((u, i) => (
                          <span key={u.asn}>
                            {i > 0 && ", "}
                            {u.asn ? <As asn={u.asn} upstream /> : "no upstream"} <span class="quiet">({count(u.peers, "peer")})</span>
                          </span>
                        ))}
                      </td>
                      <td>
                        {h.origins.map((asn) => (
                          <As key={asn} asn={asn} />
                        ))}
                      </td>
                    </tr>
                  ))}
                </Table>
              )}
              {held.length > most && <p class="quiet">and {count(held.length - most, "more prefix", "more prefixes")}</p>}
              <Missing sentences={r.missing} />
            </>
          );
        }}
      </Answer>
    </section>
  );
}

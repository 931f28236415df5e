import type { Asked, Trouble } from "../../api/ask";
import { now } from "../../api/board";
import { many, type Dossier, type List, type Migration, type Standing, type Timeline } from "../../api/types";
import { Flow } from "../../chart/flow";
import { Answer, As, Badge, Empty, Missing, Panel, Prefix, Share, Skeleton, Table, Time, TroubleBox } from "../../parts/parts";
import { as, count, lasting, percent } from "../../words";
import { course, fateWords, type About } from "./words";

export function Upstreams({ standing }: { standing: Standing | undefined }) {
  const list = many(standing?.upstreams);
  const both = new Set(list.map((u) => u.family)).size > 1;
  return (
    <Panel title="Upstreams now" aside="bar: share now; pale: usual">
      {!standing ? (
        <Skeleton lines={4} />
      ) : list.length === 0 ? (
        <Empty>{standing.state === "not valid now" ? "Nothing is judged while its entry is not valid." : "No network carries it, and none did within the baseline, as far as is heard."}</Empty>
      ) : (
        <Table label="Upstreams" head={["Network", "Share of the routes", "It", "Since"]}>
          {list.map((u) => (
            <tr key={`${u.asn} ${u.family}`} class={u.lost ? "hoster-lost" : ""}>
              <td>
                <As asn={u.asn} upstream />
                {both && <span class="quiet"> IPv{u.family}</span>}
              </td>
              <td>
                <Share value={u.share} ghost={u.baseline} />
                <span class="quiet hoster-ago">usually {percent(u.baseline)}</span>
              </td>
              <td>
                {u.lost ? <Badge is="critical">lost</Badge> : course(u)}
                {u.peers > 0 && <span class="quiet"> {count(u.peers, "peer")}</span>}
                {u.hold_ends && <span class="quiet"> as low as a loss, judged at <Time at={u.hold_ends} /></span>}
              </td>
              <td>
                <Time at={u.since} />
                {u.since && <span class="quiet hoster-ago">{lasting(now() - Date.parse(u.since))} ago</span>}
              </td>
            </tr>
          ))}
        </Table>
      )}
    </Panel>
  );
}

export function Incidents({ timeline, trouble }: { timeline: Timeline | undefined; trouble: Trouble | undefined }) {
  const list = [...many(timeline?.incidents)].sort((a, b) => Date.parse(b.opened) - Date.parse(a.opened));
  return (
    <Panel title="Incidents" aside={timeline && list.length > 0 ? <a href={`/incidents?hoster=${encodeURIComponent(timeline.hoster ?? "")}`}>{count(list.length, "incident")}</a> : undefined}>
      {!timeline ? (
        trouble ? <Empty>Incidents are remembered with the timeline: see above.</Empty> : <Skeleton lines={4} />
      ) : list.length === 0 ? (
        <Empty>None is remembered: nothing of it was lost while it was watched.</Empty>
      ) : (
        <ul class="hoster-list">
          {list.slice(0, 12).map((i) => {
            const end = i.resolved ? Date.parse(i.resolved) : now();
            return (
              <li key={i.id}>
                <div class="hoster-line">
                  <a href={`/incidents/${i.id}`}>{i.class.replaceAll("-", " ")}</a>
                  <Badge is={i.severity} />
                  <span>{i.phase}</span>
                  <span class="quiet">
                    <Time at={i.opened} />, {i.resolved ? `lasted ${lasting(end - Date.parse(i.opened))}` : `for ${lasting(end - Date.parse(i.opened))} now`}
                  </span>
                </div>
                <p>{i.summary}</p>
              </li>
            );
          })}
        </ul>
      )}
    </Panel>
  );
}

export function Families({ of }: { of: Asked<Dossier> }) {
  return (
    <Panel title="C&C families" busy={of.asking && !of.data} aside={of.data?.since ? <>seen there since <Time at={of.data.since} /></> : undefined}>
      <Answer of={of} lines={5}>
        {(d) =>
          many(d.families).length === 0 ? (
            <Empty>
              No sighting puts a C&C server there. Feeds of sightings are configured under <code>sightings</code>; <code>depeer sightings import</code> takes in files.
            </Empty>
          ) : (
            <Table label="C&C families" head={["Family", "Hosts", "First seen there", "Last seen there", "What became of it"]}>
              {many(d.families).map((f) => (
                <tr key={f.family}>
                  <td>
                    <a href={`/families/${encodeURIComponent(f.family)}`}>{f.family}</a>
                  </td>
                  <td class="number">{f.hosts}</td>
                  <td>
                    <Time at={f.since} />
                  </td>
                  <td>
                    <Time at={f.last} />
                  </td>
                  <td>
                    {fateWords(f.fate)}
                    {many(f.moves).filter((m) => m.to.asn > 0).slice(0, 4).map((m) => (
                      <div key={m.id} class="quiet">
                        {m.kind === "cnc.no-gap" ? "also in" : "to"} <As asn={m.to.asn} /> {m.to.name} {m.kind !== "cnc.no-gap" && m.lag !== null && `${lasting(m.lag * 1000)} ${m.lag < 0 ? "before" : "after"} the first loss (score ${m.score})`}
                      </div>
                    ))}
                  </td>
                </tr>
              ))}
            </Table>
          )
        }
      </Answer>
    </Panel>
  );
}

export function Moves({ of, dossier }: { of: Asked<List<Migration>>; dossier: Dossier | undefined }) {
  return (
    <Panel title="Where they went" busy={of.asking && !of.data}>
      {of.data === undefined ? (
        of.trouble ? <TroubleBox trouble={of.trouble} again={of.again} /> : <Skeleton height={260} />
      ) : many(of.data.items).length === 0 && many(dossier?.families).length === 0 ? (
        <Empty>No family was seen leaving it. A move is found by sightings of a family elsewhere, after routes were lost here.</Empty>
      ) : (
        <Flow migrations={many(of.data.items)} fated={many(dossier?.families).map((f) => ({ hoster: dossier!.hoster, family: f.family, fate: f.fate }))} />
      )}
    </Panel>
  );
}

const mostPrefixes = 100;

export function Prefixes({ of, at }: { of: Asked<About>; at: string | undefined }) {
  const query = at ? `?at=${encodeURIComponent(at).replaceAll("%3A", ":")}` : "";
  return (
    <Panel title="Prefixes" busy={of.asking && !of.data} aside={of.data && many(of.data.prefixes).length > 0 ? <>as of <Time at={of.data.at} /></> : undefined}>
      <Answer of={of} lines={4}>
        {(a) =>
          many(a.prefixes).length === 0 ? (
            <Empty>No prefix of it is remembered: none was announced while depeer listened.</Empty>
          ) : (
            <>
              <Table label="Prefixes" head={["Prefix", "Held by", "Through", "From", "First seen", "Last change"]}>
                {many(a.prefixes).slice(0, mostPrefixes).map((p) => (
                  <tr key={p.prefix}>
                    <td>
                      <Prefix prefix={p.prefix} query={query} />
                    </td>
                    <td>{p.eligible > 0 ? <Share value={p.peers / p.eligible} label={`${p.peers} of ${count(p.eligible, "peer")}`} /> : <span class="quiet">nobody for at least a week</span>}</td>
                    <td>{many(p.upstreams).map(as).join(", ")}</td>
                    <td>
                      {many(p.origins).map((asn) => (
                        <As key={asn} asn={asn} />
                      ))}
                    </td>
                    <td>
                      <Time at={p.first} />
                    </td>
                    <td>
                      <Time at={p.last} />
                    </td>
                  </tr>
                ))}
              </Table>
              {many(a.prefixes).length > mostPrefixes && <p class="quiet">and {count(many(a.prefixes).length - mostPrefixes, "more prefix", "more prefixes")}: see the ASes above</p>}
            </>
          )
        }
      </Answer>
      {of.data && <Missing sentences={of.data.missing} />}
    </Panel>
  );
}

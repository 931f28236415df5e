// One finding about a family: what was seen, what speaks for it, what against.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { nameOf } from "../api/board";
import { many, type Migration } from "../api/types";
import { briefWords, familyHref, familyWords, lagWords } from "../chart/flows";
import { As, Badge, Prefix, Table, Time } from "../parts/parts";
import { howWords, kindOf, sumWords, tidy } from "./migrations";

/** opened says whether it is expanded; toggle is told when that changes. */
export function Move({ m, opened, toggle }: { m: Migration; opened: boolean; toggle: (open: boolean) => void }) {
  const kind = kindOf(m.kind);
  const place = useRef<HTMLDetailsElement>(null);
  // Whoever was sent this one sees it.
  useEffect(() => {
    if (opened) place.current?.scrollIntoView({ block: "nearest" });
  }, []);
  return (
    <details class="move" ref={place} id={m.id} open={opened} onToggle={(e) => e.currentTarget.open !== opened && toggle(e.currentTarget.open)}>
      <summary>
        <Badge is={kind.is}>{kind.word}</Badge> <span class="move-summary">{m.summary}</span>
        <span class="move-score" title="the sum of the points of the evidence">
          {m.score > 0 && `score ${tidy(m.score)}`}
        </span>
      </summary>
      {opened && <Evidence m={m} />}
    </details>
  );
}

function Evidence({ m }: { m: Migration }) {
  const how = howWords(m.how);
  const evidence = many(m.evidence);
  const caveats = many(m.caveats);
  return (
    <div class="move-body">
      <dl class="move-facts">
        <Fact name="Family">{m.family ? <a href={familyHref(m.family)}>{m.family}</a> : familyWords("")}</Fact>
        <Fact name="From">
          <a href={`/hosters/${m.hoster}`}>{nameOf(m.hoster)}</a> <End end={m.from} />
        </Fact>
        {(m.to.asn > 0 || m.to.ip || m.to.prefix) && (
          <Fact name="Seen then at">
            <End end={m.to} /> {m.to.name}
          </Fact>
        )}
        <Fact name="First seen there">
          <Time at={m.first_seen} />
          {m.lag !== null && <span class="quiet"> {lagWords(m.lag)}{m.lag > 0 ? " than the first loss of a route" : m.lag < 0 ? " the first loss of a route" : ""}</span>}
        </Fact>
        {m.brief !== null && <Fact name="How long">{briefWords(m.brief)}</Fact>}
        {how && <Fact name="What changed">{how}</Fact>}
        <Fact name="Coincides with">{m.incident ? <a href={`/incidents/${m.incident}`}>the incident of {nameOf(m.hoster)}</a> : "no incident yet: it left before a route was lost"}</Fact>
      </dl>
      {evidence.length > 0 && (
        <Table label="Evidence" head={["Points", "Evidence", "What it says", "Records"]}>
          {evidence.map((e, i) => (
            <tr key={i}>
              <td class="number">{tidy(e.points)}</td>
              <td>{e.name}</td>
              <td>{e.text}</td>
              <td class="move-records" title={many(e.records).join("\n")}>
                {many(e.records).length === 0 ? "" : `${many(e.records)[0]!.slice(0, 8)}${many(e.records).length > 1 ? ` +${many(e.records).length - 1}` : ""}`}
              </td>
            </tr>
          ))}
          <tr class="move-sum">
            <td class="number">{tidy(m.score)}</td>
            <td colSpan={3}>{sumWords(m)}</td>
          </tr>
        </Table>
      )}
      {caveats.length > 0 && (
        <>
          <h3>What speaks against it</h3>
          <ul class="move-caveats">
            {caveats.map((c) => (
              <li key={c}>{c}</li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function End({ end }: { end: Migration["from"] }) {
  return (
    <>
      {end.asn > 0 && <As asn={end.asn} />} {end.ip ? <Prefix prefix={end.ip} /> : end.prefix ? <Prefix prefix={end.prefix} /> : null}
    </>
  );
}

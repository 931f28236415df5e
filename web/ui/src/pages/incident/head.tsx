// What an incident is, in a sentence; and the facts that one is asked for on the phone.
import { nameOf, now } from "../../api/board";
import { many, type Story } from "../../api/types";
import { As, Badge, Prefix, Time } from "../../parts/parts";
import { count, lasting } from "../../words";
import { carer } from "./story";
import { className, phases, resolutionName } from "./tell";

const mostPrefixes = 4;

export function Head({ story }: { story: Story }) {
  const i = story.incident;
  const end = i.resolved ? Date.parse(i.resolved) : now();
  const care = carer(many(story.notes));
  const prefixes = many(i.prefixes);
  return (
    <header class="incident-head">
      <p class="incident-kind">
        <Badge is={i.severity} /> <span class={`incident-phase incident-${i.phase}`}>{i.phase}</span> <a href={`/hosters/${i.hoster}`}>{nameOf(i.hoster)}</a>{" "}
        <span class="quiet">
          {className(i.class)}
          {(i.flaps ?? 0) > 0 && `; lost again ${i.flaps === 1 ? "once" : `${i.flaps} times`}`}
        </span>
      </p>
      <h1>{i.summary}</h1>
      <dl class="incident-facts">
        <Fact name={i.phase === "resolved" ? "Lasted" : "Since"}>
          {i.phase === "resolved" ? (
            <>
              {lasting(end - Date.parse(i.opened))}: <Time at={i.opened} /> – <Time at={i.resolved} />
            </>
          ) : (
            <>
              <Time at={i.opened} /> <span class="quiet">({lasting(end - Date.parse(i.opened))})</span>
            </>
          )}
          <span class="quiet">
            {" "}
            confirmed <Time at={i.confirmed} />
          </span>
        </Fact>
        <Fact name="Now">{i.resolution ? `over: ${resolutionName(i.resolution)}` : phases[i.phase] ?? i.phase}</Fact>
        <Fact name="Lost"><Upstreams of={i.lost} none="no upstream" /></Fact>
        <Fact name="Remaining"><Upstreams of={i.remaining} none="none of before" /></Fact>
        <Fact name="Gained"><Upstreams of={i.gained} none="none" /></Fact>
        {many(i.origins).length > 0 && <Fact name="Other origins"><Upstreams of={i.origins} none="" origin /></Fact>}
        <Fact name={count(prefixes.length, "prefix", "prefixes")}>
          {prefixes.slice(0, mostPrefixes).map((p) => (
            <span key={p}>
              <Prefix prefix={p} />{" "}
            </span>
          ))}
          {prefixes.length > mostPrefixes && (
            <details class="incident-more">
              <summary>{prefixes.length - mostPrefixes} more</summary>
              {prefixes.slice(mostPrefixes).map((p) => (
                <span key={p}>
                  <Prefix prefix={p} />{" "}
                </span>
              ))}
            </details>
          )}
        </Fact>
        <Fact name="Care">
          {care ? (
            <>
              {care.who} <span class="quiet">since <Time at={care.at} /></span>
            </>
          ) : i.phase === "resolved" ? (
            "nobody acknowledged it"
          ) : (
            <strong class="incident-uncared">nobody has acknowledged it</strong>
          )}
        </Fact>
      </dl>
    </header>
  );
}

function Fact({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Upstreams({ of, none, origin = false }: { of: readonly number[] | null | undefined; none: string; origin?: boolean }) {
  const all = many(of);
  if (all.length === 0) return <span class="quiet">{none}</span>;
  return (
    <>
      {all.map((a) => (
        <span key={a}>
          <As asn={a} upstream={!origin} />{" "}
        </span>
      ))}
    </>
  );
}

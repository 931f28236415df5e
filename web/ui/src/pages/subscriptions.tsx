import { useEffect } from "preact/hooks";
import { everythingAnew, send, useAsk } from "../api/ask";
import { nameOf } from "../api/board";
import { many, type Subscription } from "../api/types";
import { Do, MayNot } from "../parts/do";
import { Answer, Empty, Panel } from "../parts/parts";
import { useQuery } from "../place";
import { listed } from "../words";
import { Deliveries } from "./subscriptions/deliveries";
import { SubscriptionForm, takenNames, type Receiver } from "./subscriptions/form";
import { Rehearse } from "./subscriptions/rehearsal";
import { Silences } from "./subscriptions/silences";
import { about, limits, type Match } from "./subscriptions/words";
import "./subscriptions.css";

/** Who hears of what, what nobody hears of for a while, and what came of telling. */
export function Subscriptions() {
  const [query, setQuery] = useQuery();
  const all = useAsk<Subscription[]>("/subscriptions");
  const receivers = useAsk<Receiver[]>("/receivers");
  useEffect(() => {
    document.title = "Subscriptions – depeer";
  }, []);
  const making = query["edit"] === "new";
  const list = many(receivers.data);
  return (
    <div class="page subs">
      <header class="page-head">
        <h1>Subscriptions</h1>
        <span class="quiet">Who hears of what, where, and when not</span>
      </header>
      <MayNot need="operator" />
      <Panel
        title="Who hears of what"
        aside={
          all.data && (
            <button type="button" aria-expanded={making} onClick={() => setQuery({ edit: making ? undefined : "new", try: undefined })}>
              New subscription
            </button>
          )
        }
      >
        {making && all.data && receivers.data && (
          <SubscriptionForm
            before={undefined}
            taken={takenNames(all.data)}
            receivers={list}
            done={() => {
              setQuery({ edit: undefined });
              everythingAnew();
            }}
          />
        )}
        <Answer of={all} lines={6}>
          {(subs) =>
            many(subs).length === 0 ? (
              <Empty>
                Nobody subscribed: nobody is told anything. {list.length > 0 ? `Make a subscription to ${listed(list.map((r) => r.name))} here, or in the configuration (notify.subscriptions).` : ""}
              </Empty>
            ) : (
              <ul class="sub-list">
                {many(subs).map((s) => (
                  <One key={s.name} s={s} taken={takenNames(subs)} receivers={list} edit={query["edit"] === s.name} tried={query["try"] === s.name} />
                ))}
              </ul>
            )
          }
        </Answer>
      </Panel>
      {/* Not seen before the list above has its height: nothing jumps. */}
      <div class={all.data || all.trouble ? "subs-rest" : "subs-rest waits"}>
        {all.trouble?.status !== 501 && <Silences />}
        <Deliveries receivers={list} />
      </div>
    </div>
  );
}

function One({ s, taken, receivers, edit, tried }: { s: Subscription; taken: string[]; receivers: readonly Receiver[]; edit: boolean; tried: boolean }) {
  const [, setQuery] = useQuery();
  const lines = limits(s, nameOf);
  return (
    <li class="sub-one" id={`sub-${s.name}`}>
      <div>
        <h3>{s.name}</h3>
        <div>
          {listed(many(s.to))} {many(s.to).length === 1 ? "hears" : "hear"} of {about(s.match as Match | undefined, nameOf)}
          {many(s.mention).length > 0 && <span class="quiet"> (loud: {listed(many(s.mention))})</span>}
        </div>
        {lines.length > 0 && (
          <ul class="sub-limits">
            {lines.map((l) => (
              <li key={l}>{l}</li>
            ))}
          </ul>
        )}
        <div class="quiet">{s.by ? `Made by ${s.by}` : "Of the configuration: it is changed there (notify.subscriptions)"}</div>
      </div>
      <span class="sub-do">
        <button type="button" aria-expanded={tried} aria-label={`Try ${s.name}: what would it have told?`} onClick={() => setQuery({ try: tried ? undefined : s.name, edit: undefined })}>
          Try
        </button>
        {s.by && (
          <>
            <button type="button" aria-expanded={edit} aria-label={`Change ${s.name}`} onClick={() => setQuery({ edit: edit ? undefined : s.name, try: undefined })}>
              Change
            </button>
            <Do need="admin" label={`Delete ${s.name}`} confirm={`Delete ${s.name}? ${listed(many(s.to))} will hear nothing more by it.`} act={() => send("DELETE", `/subscriptions/${encodeURIComponent(s.name)}`).then(everythingAnew)}>
              Delete
            </Do>
          </>
        )}
      </span>
      {edit && (
        <SubscriptionForm
          before={s}
          taken={taken}
          receivers={receivers}
          done={() => {
            setQuery({ edit: undefined });
            everythingAnew();
          }}
        />
      )}
      {tried && <Rehearse what={{ names: [s.name] }} />}
    </li>
  );
}

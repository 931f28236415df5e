// Making a subscription, or changing one.
import { useId, useState } from "preact/hooks";
import { send, Trouble } from "../../api/ask";
import { nameOf, names } from "../../api/board";
import { many, type Subscription } from "../../api/types";
import { mayNot } from "../../api/who";
import { Pick, Wrong } from "../../parts/pick";
import { listed } from "../../words";
import { beyond, draftOf, subscriptionOf, wrong, type Draft } from "./draft";
import { Rehearse } from "./rehearsal";
import { about, faults, faultsOf, type Match } from "./words";

export interface Receiver {
  name: string;
  type: string;
}

const classes = ["depeered", "blackout", "rewired", "moved", "repeered", "upstream-failure", "hijack-suspect"];
const kinds = ["route.withdrawn", "route.restored", "upstream.lost", "upstream.restored", "upstream.gained", "transit.lost", "origin.new", "origin.gone", "prefix.new", "hoster.dark", "hoster.returned", "feed.lost", "feed.stale", "feed.restored", "feed.*", "cnc.moved", "cnc.watch"];
const days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

interface FormProps {
  before: Subscription | undefined; // the one that is changed
  taken: readonly string[]; // names there are
  receivers: readonly Receiver[];
  done: (name?: string) => void; // the name of what was made
}

/** The form; the API's complaints stand at their fields. */
export function SubscriptionForm({ before, taken, receivers, done }: FormProps) {
  const [d, setDraft] = useState<Draft>(() => draftOf(before));
  const [bad, setBad] = useState<Map<string, string>>(new Map());
  const [busy, setBusy] = useState(false);
  const [tried, setTried] = useState<Record<string, unknown> | undefined>();
  const set = (change: Partial<Draft>) => setDraft((x) => ({ ...x, ...change }));
  const at = (...keys: string[]) => faultsOf(bad, ...keys);
  const check = () => {
    const found = wrong(d);
    if (!before && taken.includes(d.name)) found.set("name", `there is a subscription called ${d.name}: change that one, or take another name`);
    setBad(found);
    return found.size === 0;
  };
  const save = async (e: Event) => {
    e.preventDefault();
    if (!check()) return;
    setBusy(true);
    try {
      await send("POST", "/subscriptions", subscriptionOf(d, before));
      done(d.name);
    } catch (x) {
      setBad(faults(x instanceof Trouble ? x.detail || x.title : String(x)));
      setBusy(false);
    }
  };
  const not = mayNot("operator");
  const kept = beyond(before);
  return (
    <form class="sub-form" onSubmit={(e) => void save(e)} noValidate aria-label={before ? `Change ${before.name}` : "New subscription"}>
      <p class="sub-sentence" aria-live="polite">
        {d.to.length > 0 ? listed(d.to) : "Nobody"} {d.to.length > 1 ? "hear" : "hears"} of <strong>{about(subscriptionOf(d, before)["match"] as Match | undefined, nameOf)}</strong>.
      </p>
      {bad.size > 0 && (
        <p class="trouble" role="alert">
          It cannot be made like this. {at("") || "What is wrong stands at the fields."}
        </p>
      )}
      <Who d={d} set={set} at={at} before={before} receivers={receivers} />
      <What d={d} set={set} at={at} />
      <How d={d} set={set} at={at} />
      {kept.length > 0 && <p class="quiet">Stays as it is, and is changed in the configuration or with depeer subscriptions: {listed(kept)}.</p>}
      {not && <p class="quiet">{not}.</p>}
      <p class="sub-do">
        <button type="submit" class="primary" disabled={busy || not !== ""} title={not || undefined}>
          {before ? "Save" : "Make it"}
        </button>
        <button type="button" disabled={not !== ""} onClick={() => check() && setTried(subscriptionOf(d, before))}>
          What would it have told?
        </button>
        <button type="button" class="plain" onClick={() => done()}>
          Cancel
        </button>
      </p>
      {tried && <Rehearse what={{ subscription: tried }} wrong={(detail) => setBad(faults(detail))} />}
    </form>
  );
}

interface PartProps {
  d: Draft;
  set: (change: Partial<Draft>) => void;
  at: (...keys: string[]) => string;
}

function Text({ label, value, change, wrong = "", hint, placeholder, fixed = false }: { label: string; value: string; change: (v: string) => void; wrong?: string; hint?: string; placeholder?: string; fixed?: boolean }) {
  const id = useId();
  return (
    <div class="pick">
      <label class="field" for={id}>
        {label}
      </label>
      <input id={id} value={value} placeholder={placeholder} readOnly={fixed} autocomplete="off" spellcheck={false} aria-invalid={wrong !== ""} aria-describedby={`${id}-hint ${id}-wrong`} onInput={(e) => change(e.currentTarget.value)} />
      {hint && (
        <span id={`${id}-hint`} class="quiet pick-hint">
          {hint}
        </span>
      )}
      <Wrong id={`${id}-wrong`} text={wrong} />
    </div>
  );
}

function Choose({ label, value, change, options, wrong = "" }: { label: string; value: string; change: (v: string) => void; options: readonly (readonly [string, string])[]; wrong?: string }) {
  const id = useId();
  return (
    <div class="pick">
      <label class="field" for={id}>
        {label}
      </label>
      <select id={id} value={value} aria-describedby={`${id}-wrong`} onChange={(e) => change(e.currentTarget.value)}>
        {options.map(([v, name]) => (
          <option key={v} value={v}>
            {name}
          </option>
        ))}
      </select>
      <Wrong id={`${id}-wrong`} text={wrong} />
    </div>
  );
}

function Boxes({ label, options, chosen, change, wrong = "" }: { label: string; options: readonly Receiver[]; chosen: readonly string[]; change: (v: string[]) => void; wrong?: string }) {
  const id = useId();
  return (
    <fieldset class="sub-boxes" aria-describedby={`${id}-wrong`}>
      <legend>{label}</legend>
      {options.map((o) => (
        <label key={o.name}>
          <input type="checkbox" checked={chosen.includes(o.name)} onChange={(e) => change(e.currentTarget.checked ? [...chosen, o.name] : chosen.filter((x) => x !== o.name))} />
          <span>
            {o.name} {o.type && o.type !== o.name && <span class="quiet">{o.type}</span>}
          </span>
        </label>
      ))}
      <Wrong id={`${id}-wrong`} text={wrong} />
    </fieldset>
  );
}

function Who({ d, set, at, before, receivers }: PartProps & { before: Subscription | undefined; receivers: readonly Receiver[] }) {
  const gone = d.to.filter((t) => !receivers.some((r) => r.name === t)).map((name) => ({ name, type: "no receiver any more" }));
  return (
    <fieldset class="sub-part">
      <legend>Who, and where to</legend>
      <Text label="Name" value={d.name} fixed={before !== undefined} change={(name) => set({ name })} wrong={at("name")} hint={before ? "A subscription keeps its name" : "Small letters, digits and dashes: noc, night-shift"} />
      <Boxes label="To" options={[...receivers, ...gone]} chosen={d.to} change={(to) => set({ to })} wrong={at("to")} />
      <Pick label="Mention" hint="Whom to wake where it is loud, in the receiver's own way: <!here>, @ann" chosen={d.mention} change={(mention) => set({ mention })} wrong={at("mention")} />
    </fieldset>
  );
}

function What({ d, set, at }: PartProps) {
  const hosters = [...names.value].map(([value, name]) => ({ value, name }));
  return (
    <fieldset class="sub-part">
      <legend>What about</legend>
      <Choose
        label="Severity"
        value={d.severity}
        change={(severity) => set({ severity })}
        wrong={at("match.severity")}
        options={[["", "warning and critical"], ["info", "everything, also information"], ["warning", "from warning on"], ["critical", "critical alone"]]}
      />
      <Pick label="Hosters" hint="None: all of them" chosen={d.hosters} options={hosters} change={(v) => set({ hosters: v })} wrong={at("match.hosters")} placeholder="Name or id" />
      <Pick label="Tags of hosters" chosen={d.tags} change={(tags) => set({ tags })} wrong={at("match.tags")} placeholder="bulletproof" />
      <Pick label="Upstreams" hint="That were lost or gained" chosen={d.upstreams} change={(upstreams) => set({ upstreams })} wrong={at("match.upstreams")} placeholder="AS6939" read={(t) => (/^\d+$/.test(t) ? `AS${t}` : t.toUpperCase())} />
      <Pick label="Prefixes" hint="Covering one that is concerned, or covered by it" chosen={d.prefixes} change={(prefixes) => set({ prefixes })} wrong={at("match.prefixes")} placeholder="208.66.192.0/22" />
      <Pick label="Kinds of events" hint="Names events themselves, also those without an incident" chosen={d.kinds} options={kinds.map((value) => ({ value }))} change={(v) => set({ kinds: v })} wrong={at("match.kinds")} placeholder="upstream.lost" />
      <Boxes label="Classes of incidents" options={classes.map((name) => ({ name, type: "" }))} chosen={d.classes} change={(v) => set({ classes: v })} wrong={at("match.classes")} />
    </fieldset>
  );
}

function How({ d, set, at }: PartProps) {
  return (
    <fieldset class="sub-part">
      <legend>When, and how often</legend>
      <Choose label="After the first message" value={d.updates} change={(updates) => set({ updates })} wrong={at("updates")} options={[["", "every change, and the end"], ["important", "what got worse, and the end"], ["none", "nothing"]]} />
      <Text label="Quiet hours" value={d.quietHours} change={(quietHours) => set({ quietHours })} wrong={at("quiet.windows")} placeholder="22:00-07:00" hint="What falls into them is told when they end" />
      <Pick label="Quiet days" hint="Every day where there are none" chosen={d.quietDays} options={days.map((value) => ({ value }))} change={(quietDays) => set({ quietDays })} placeholder="sat" />
      <Text label="Zone of the quiet hours" value={d.quietZone} change={(quietZone) => set({ quietZone })} placeholder="Europe/Paris" />
      <Choose label="Wake people nevertheless" value={d.quietUnless} change={(quietUnless) => set({ quietUnless })} wrong={at("quiet.unless")} options={[["", "never"], ["critical", "when it is critical"], ["warning", "from warning on"], ["info", "always"]]} />
      <Text label="Wait" value={d.wait} change={(wait) => set({ wait })} wrong={at("wait")} placeholder="15m" hint="What is over by then is never told" />
      <Text label="At most one change in" value={d.every} change={(every) => set({ every })} wrong={at("every")} placeholder="5m" />
      <Text label="Remind every" value={d.repeat} change={(repeat) => set({ repeat })} wrong={at("repeat")} placeholder="4h" hint="Until somebody acknowledges" />
      <Choose label="Several incidents in one message" value={d.group} change={(group) => set({ group })} wrong={at("group")} options={[["", "no"], ["upstream", "by upstream"], ["class", "by class"], ["all", "all together"]]} />
      <Choose label="Summary instead" value={d.digest} change={(digest) => set({ digest })} wrong={at("digest.every")} options={[["", "no: single messages"], ["daily", "one a day"], ["weekly", "one a week"]]} />
      {d.digest && <Text label="Summary at" value={d.digestAt} change={(digestAt) => set({ digestAt })} wrong={at("digest.at", "digest.zone")} placeholder="08:00" />}
      {d.digest === "weekly" && <Choose label="Summary on" value={d.digestDay} change={(digestDay) => set({ digestDay })} wrong={at("digest.day")} options={[["", "mon"], ...days.slice(1).map((x) => [x, x] as const)]} />}
    </fieldset>
  );
}

/** Names that are taken. */
export function takenNames(all: readonly Subscription[] | null | undefined): string[] {
  return many(all).map((s) => s.name);
}

// What nobody is told for a while.
import { useState } from "preact/hooks";
import { everythingAnew, send, Trouble, useAsk } from "../../api/ask";
import { nameOf, names, now } from "../../api/board";
import { many, type Silence } from "../../api/types";
import { mayNot } from "../../api/who";
import { Do } from "../../parts/do";
import { Answer, Empty, Panel, Time } from "../../parts/parts";
import { Pick, Wrong } from "../../parts/pick";
import { useQuery } from "../../place";
import { utc } from "../../words";
import { asnOf } from "./draft";
import { covered, ends, faults, faultsOf, type Match } from "./words";

export function Silences() {
  const [query, setQuery] = useQuery();
  const all = useAsk<Silence[]>("/silences", {}, 60_000);
  const open = query["silence"] === "new";
  return (
    <Panel
      title="Silences"
      id="silences"
      aside={
        <button type="button" aria-expanded={open} onClick={() => setQuery({ silence: open ? undefined : "new" })}>
          New silence
        </button>
      }
    >
      {open && <SilenceForm done={() => setQuery({ silence: undefined, hoster: undefined, upstream: undefined, incident: undefined })} query={query} />}
      <Answer of={all} lines={2}>
        {(list) =>
          many(list).length === 0 ? (
            <Empty>Nothing is silenced: whoever subscribed is told. Make a silence before planned work, with an end and a reason.</Empty>
          ) : (
            <ul class="sub-list">
              {many(list).map((s) => (
                <One key={s.id ?? s.until} s={s} />
              ))}
            </ul>
          )
        }
      </Answer>
    </Panel>
  );
}

function One({ s }: { s: Silence }) {
  return (
    <li class="sub-one">
      <div>
        <strong>Nobody is told: {covered(s.match as Match | undefined, nameOf)}</strong>
        <div>
          {s.from && Date.parse(s.from) > now() && (
            <>
              from <Time at={s.from} />{" "}
            </>
          )}
          until <Time at={s.until} /> <span class="quiet">({ends(s, now())})</span>
        </div>
        <div class="quiet">
          {s.reason} – {s.by || "of the configuration"}
        </div>
      </div>
      <span class="sub-do">
        {s.by ? (
          <Do need="operator" label={`End the silence about ${covered(s.match as Match | undefined, nameOf)}`} confirm="End it now? What it held back and still lasts is told then." act={() => send("DELETE", `/silences/${encodeURIComponent(s.id ?? "")}`).then(everythingAnew)}>
            End
          </Do>
        ) : (
          <span class="quiet">Ended in the configuration</span>
        )}
      </span>
    </li>
  );
}

const spans = [["1", "1 hour"], ["4", "4 hours"], ["12", "12 hours"], ["24", "1 day"], ["168", "7 days"], ["", "until …"]] as const;

function SilenceForm({ done, query }: { done: () => void; query: Record<string, string> }) {
  const [hosters, setHosters] = useState<string[]>(query["hoster"]?.split(",").filter(Boolean) ?? []);
  const [upstreams, setUpstreams] = useState<string[]>(query["upstream"]?.split(",").filter(Boolean) ?? []);
  const [tags, setTags] = useState<string[]>([]);
  const [kinds, setKinds] = useState<string[]>([]);
  const [hours, setHours] = useState("4");
  const [until, setUntil] = useState("");
  const [reason, setReason] = useState("");
  const [bad, setBad] = useState<Map<string, string>>(new Map());
  const [busy, setBusy] = useState(false);
  const incident = query["incident"];
  const match: Match = Object.fromEntries(
    Object.entries({ incidents: incident ? [incident] : [], hosters, upstreams: upstreams.map((u) => asnOf(u) ?? 0), tags, kinds }).filter(([, v]) => v.length > 0),
  );
  const end = hours ? new Date(now() + Number(hours) * 3_600_000) : new Date(until ? `${until}Z` : NaN);
  const save = async (e: Event) => {
    e.preventDefault();
    const found = new Map<string, string>();
    for (const u of upstreams) if (asnOf(u) === undefined) found.set("match.upstreams", `${u} is no AS number`);
    if (Number.isNaN(end.getTime())) found.set("until", "a silence has an end");
    else if (end.getTime() <= now()) found.set("until", `${utc(end)} is over already`);
    if (!reason.trim()) found.set("reason", "others want to know why nobody is told");
    setBad(found);
    if (found.size > 0) return;
    setBusy(true);
    try {
      await send("POST", "/silences", { match: Object.keys(match).length ? match : undefined, until: end.toISOString().replace(/\.\d+Z$/, "Z"), reason: reason.trim() });
      everythingAnew();
      done();
    } catch (x) {
      setBad(faults(x instanceof Trouble ? x.detail || x.title : String(x)));
      setBusy(false);
    }
  };
  const not = mayNot("operator");
  const at = (...keys: string[]) => faultsOf(bad, ...keys);
  return (
    <form class="sub-form" onSubmit={(e) => void save(e)} noValidate aria-label="New silence">
      <p class="sub-sentence" aria-live="polite">
        Nobody is told: <strong>{covered(match, nameOf)}</strong>
        {!Number.isNaN(end.getTime()) && <>, until {utc(end)}</>}.
      </p>
      {at("") && (
        <p class="trouble" role="alert">
          {at("")}
        </p>
      )}
      <fieldset class="sub-part">
        <legend>What about</legend>
        <Pick label="Hosters" hint="None: all of them" chosen={hosters} options={[...names.value].map(([value, name]) => ({ value, name }))} change={setHosters} wrong={at("match.hosters")} placeholder="Name or id" />
        <Pick label="Upstreams" chosen={upstreams} change={setUpstreams} wrong={at("match.upstreams")} placeholder="AS6939" read={(t) => (/^\d+$/.test(t) ? `AS${t}` : t.toUpperCase())} />
        <Pick label="Tags of hosters" chosen={tags} change={setTags} wrong={at("match.tags")} />
        <Pick label="Kinds of events" chosen={kinds} options={["feed.*", "upstream.lost", "route.withdrawn", "origin.new"].map((value) => ({ value }))} change={setKinds} wrong={at("match.kinds")} />
      </fieldset>
      <fieldset class="sub-part">
        <legend>Until when, and why</legend>
        <div class="pick">
          <label class="field" for="silence-hours">
            For
          </label>
          <select id="silence-hours" value={hours} onChange={(e) => setHours(e.currentTarget.value)}>
            {spans.map(([v, name]) => (
              <option key={v} value={v}>
                {name}
              </option>
            ))}
          </select>
          {hours !== "" && <Wrong id="silence-hours-wrong" text={at("until")} />}
        </div>
        {hours === "" && (
          <div class="pick">
            <label class="field" for="silence-until">
              Until (UTC)
            </label>
            <input id="silence-until" type="datetime-local" value={until} aria-describedby="silence-until-wrong" onInput={(e) => setUntil(e.currentTarget.value)} />
            <Wrong id="silence-until-wrong" text={at("until")} />
          </div>
        )}
        <div class="pick sub-wide">
          <label class="field" for="silence-reason">
            Reason
          </label>
          <input id="silence-reason" value={reason} maxLength={500} placeholder="Planned work at the exchange" aria-invalid={at("reason") !== ""} aria-describedby="silence-reason-wrong" onInput={(e) => setReason(e.currentTarget.value)} />
          <Wrong id="silence-reason-wrong" text={at("reason")} />
        </div>
      </fieldset>
      {not && <p class="quiet">{not}.</p>}
      <p class="sub-do">
        <button type="submit" class="primary" disabled={busy || not !== ""} title={not || undefined}>
          Silence it
        </button>
        <button type="button" class="plain" onClick={done}>
          Cancel
        </button>
      </p>
    </form>
  );
}

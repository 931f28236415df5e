// Keeping something quiet for a while: what, how long, and why.
import { useRef, useState } from "preact/hooks";
import { send } from "../../api/ask";
import { nameOf, now } from "../../api/board";
import type { Incident } from "../../api/types";
import { utc } from "../../words";
import { perform, type Doing } from "./actions";

const spans = [
  { key: "1h", name: "1 hour" },
  { key: "8h", name: "8 hours" },
  { key: "tomorrow", name: "until tomorrow, 8:00 here" },
  { key: "own", name: "until another moment" },
] as const;

export type Span = (typeof spans)[number]["key"];

/** When a silence ends that is made at a moment; undefined where the own end is none. zone is that of the reader, in minutes behind UTC. */
export function endOf(span: Span, at: number, own: string, zone: number): Date | undefined {
  switch (span) {
    case "1h": return new Date(at + 3_600_000);
    case "8h": return new Date(at + 8 * 3_600_000);
    case "tomorrow": {
      const here = new Date(at - zone * 60_000);
      return new Date(Date.UTC(here.getUTCFullYear(), here.getUTCMonth(), here.getUTCDate() + 1, 8) + zone * 60_000);
    }
    case "own": {
      const d = new Date(`${own}Z`);
      return Number.isNaN(d.getTime()) ? undefined : d;
    }
  }
}

export function SilenceForm({ incident, close, changed, said }: { incident: Incident; close: () => void; changed: () => void; said: (d: Doing) => void }) {
  const [what, setWhat] = useState<"incident" | "hoster">("incident");
  const [span, setSpan] = useState<Span>("1h");
  const [own, setOwn] = useState("");
  const [reason, setReason] = useState("");
  const form = useRef<HTMLFormElement>(null);
  const end = endOf(span, now(), own, new Date(now()).getTimezoneOffset());
  const submit = async () => {
    const until = endOf(span, now(), own, new Date(now()).getTimezoneOffset());
    if (!until) return;
    const match = what === "incident" ? { incidents: [incident.id] } : { hosters: [incident.hoster] };
    const ok = await perform(said, "Silencing", `Silenced until ${utc(until)}`, () => send("POST", "/silences", { match, until: until.toISOString(), reason: reason.trim() }));
    changed();
    if (ok) close();
  };
  return (
    <form
      ref={form}
      class="incident-silence"
      aria-label="Silence"
      onSubmit={(e) => {
        e.preventDefault();
        void submit();
      }}
    >
      <fieldset>
        <legend>Tell nobody of</legend>
        <label>
          <input type="radio" name="what" checked={what === "incident"} onChange={() => setWhat("incident")} /> this incident
        </label>
        <label>
          <input type="radio" name="what" checked={what === "hoster"} onChange={() => setWhat("hoster")} /> anything of {nameOf(incident.hoster)}
        </label>
      </fieldset>
      <label class="field">
        For
        <select value={span} onChange={(e) => setSpan(e.currentTarget.value as Span)}>
          {spans.map((s) => (
            <option key={s.key} value={s.key}>
              {s.name}
            </option>
          ))}
        </select>
      </label>
      {span === "own" && (
        <label class="field">
          End (UTC)
          <input type="datetime-local" required value={own} onInput={(e) => setOwn(e.currentTarget.value)} />
        </label>
      )}
      <label class="field">
        Why (needed: others will ask)
        <input type="text" required maxLength={500} value={reason} onInput={(e) => setReason(e.currentTarget.value)} />
      </label>
      <div class="incident-buttons">
        <button type="submit" class="primary" disabled={reason.trim() === "" || !end}>
          Silence{end ? ` until ${utc(Math.floor(end.getTime() / 60_000) * 60_000)}` : ""}
        </button>
        <button type="button" onClick={close}>
          Do not
        </button>
      </div>
    </form>
  );
}

// Chooses the moments that are looked at: by typing, by stepping from change to change, or at an event.
import { useEffect, useId, useState } from "preact/hooks";
import { eventWords } from "../../chart/moment";
import type { Event } from "../../api/types";
import { utc } from "../../words";
import { around, lead, readMoment, written, type Loss } from "./grouping";

export interface FieldProps {
  label: string;
  value: string | undefined; // RFC 3339
  hint: string; // where there is no value
  choose: (at: string | undefined) => void;
  previous?: string | null | undefined; // changes: undefined: not known yet; null: there is none
  next?: string | null | undefined;
  steps: boolean;
}

/** A moment in UTC, with the way to the changes beside it. */
export function MomentField({ label, value, hint, choose, previous, next, steps }: FieldProps) {
  const id = useId();
  const [text, setText] = useState(value ? written(value) : "");
  const [wrong, setWrong] = useState(false);
  useEffect(() => {
    setText(value ? written(value) : "");
    setWrong(false);
  }, [value]);
  const submit = () => {
    const at = text.trim() === "" ? undefined : readMoment(text);
    if (text.trim() !== "" && at === undefined) return setWrong(true);
    setWrong(false);
    if (at !== value) choose(at);
  };
  return (
    <form
      class="prefix-moment"
      onSubmit={(e) => {
        e.preventDefault();
        submit();
      }}
    >
      <label class="field" for={id}>{label}</label>
      <div class="prefix-moment-row">
        <input
          id={id} type="text" value={text} placeholder={hint} autocomplete="off" spellcheck={false} inputMode="text"
          aria-invalid={wrong} aria-describedby={wrong ? `${id}-wrong` : undefined} onInput={(e) => setText(e.currentTarget.value)}
        />
        <button type="submit">Show</button>
        {steps && <Step to={previous} choose={choose} words="Previous change" sign="◀" />}
        {steps && <Step to={next} choose={choose} words="Next change" sign="▶" />}
      </div>
      {wrong && <p class="prefix-wrong" id={`${id}-wrong`} role="alert">This is no time. Write it like 2008-11-11 21:00:31; it is read as UTC.</p>}
    </form>
  );
}

/** A step that is none stays in its place: whoever is on it by keyboard must not be thrown off. */
function Step({ to, choose, words, sign }: { to: string | null | undefined; choose: (at: string) => void; words: string; sign: string }) {
  return (
    <button type="button" class="prefix-step" aria-disabled={!to} title={to ? `${words}: ${utc(to)}` : to === null ? `There is no ${words.toLowerCase()} that is known` : undefined} onClick={() => to && choose(to)}>
      {words === "Previous change" && <span aria-hidden="true">{sign}</span>}
      <span class="prefix-step-words">{words}</span>
      {words === "Next change" && <span aria-hidden="true">{sign}</span>}
    </button>
  );
}

export type Chosen = { at: string | undefined; and: string | undefined }; // at undefined: now; and undefined: as it is done by default; "none": with nothing

/** The moments that one mostly wants. */
export function Quick({ losses, events, is, set }: { losses: readonly Loss[]; events: readonly Event[]; is: Chosen; set: (c: Chosen) => void }) {
  const id = useId();
  const [chosen, choose] = useState<string | undefined>();
  const looked = losses.find((l) => l.after === is.at || l.before === is.at || l.before === is.and) ?? losses.find((l) => l.before === chosen) ?? losses[0];
  const button = (words: string, c: Chosen, title?: string) => (
    <button type="button" aria-pressed={c.at === is.at && c.and === is.and} title={title} onClick={() => set(c)}>
      {words}
    </button>
  );
  return (
    <div class="prefix-quick" role="group" aria-label="Moments that one mostly wants">
      {button("Now", { at: undefined, and: "none" })}
      {looked && (
        <>
          <label class="prefix-pick">
            <span>Loss of</span>
            <select
              value={looked.before}
              onChange={(e) => {
                const l = losses.find((x) => x.before === e.currentTarget.value);
                if (!l) return;
                choose(l.before);
                set({ at: l.after, and: l.before });
              }}
            >
              {losses.map((l) => <option key={l.before} value={l.before}>{utc(l.events[0]!.first_seen)}</option>)}
            </select>
          </label>
          {button("Before the loss", { at: looked.before, and: undefined }, `${utc(looked.before)}: ${lead / 60_000} minutes before its first sign`)}
          {button("After the loss", { at: looked.after, and: undefined }, `${utc(looked.after)}: once it was sure`)}
          {button("Before and after", { at: looked.after, and: looked.before }, `${utc(looked.before)} and ${utc(looked.after)}`)}
          {looked === losses[0] ? button("Before, and now", { at: undefined, and: undefined }, `${utc(looked.before)} and now`) : button("Before, and now", { at: undefined, and: looked.before }, `${utc(looked.before)} and now`)}
        </>
      )}
      {events.length > 0 && (
        <label class="prefix-pick" for={id}>
          <span>Around</span>
          <select
            id={id} value=""
            onChange={(e) => {
              const event = events.find((x) => x.id === e.currentTarget.value);
              if (!event) return;
              const { before, after } = around([event]);
              set({ at: after, and: before });
            }}
          >
            <option value="">an event …</option>
            {[...events].reverse().map((e) => (
              <option key={e.id} value={e.id}>{`${utc(e.first_seen)} ${eventWords(e)}`}</option>
            ))}
          </select>
        </label>
      )}
    </div>
  );
}

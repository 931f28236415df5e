// What one can do about an incident: take care of it, say something, keep it quiet. Nothing is shown as done before it is.
import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { send, Trouble, useAsk } from "../../api/ask";
import { nameOf } from "../../api/board";
import { many, type Silence, type Story, type Who } from "../../api/types";
import { Panel, Prefix, Time, TroubleBox } from "../../parts/parts";
import { carer } from "./story";
import { SilenceForm } from "./silence";
import { writing } from "./neighbours";

/** What became of the last thing that one did. */
export type Doing = { is: "nothing" } | { is: "pending"; text: string } | { is: "done"; text: string } | { is: "failed"; trouble: Trouble };

export const idle: Doing = { is: "nothing" };

/** Does something, and says what became of it. */
export async function perform(set: (d: Doing) => void, pending: string, done: string, work: () => Promise<unknown>): Promise<boolean> {
  set({ is: "pending", text: pending });
  try {
    await work();
    set({ is: "done", text: done });
    return true;
  } catch (e) {
    set({ is: "failed", trouble: e instanceof Trouble ? e : new Trouble(0, "Fault", String(e)) });
    return false;
  }
}

export function Feedback({ of }: { of: Doing }) {
  return (
    <div class="incident-feedback" role="status">
      {of.is === "pending" && <span class="quiet">{of.text}…</span>}
      {of.is === "done" && (
        <span class="incident-done">
          <span aria-hidden="true">✓ </span>
          {of.text}
        </span>
      )}
      {of.is === "failed" && <TroubleBox trouble={of.trouble} />}
    </div>
  );
}

const drafts = signal<Record<string, string>>({}); // by incident: what was begun is there again after a look elsewhere

export function Actions({ story, changed }: { story: Story; changed: () => void }) {
  const id = story.incident.id;
  const who = useAsk<Who>("/whoami");
  const possible = useAsk<Silence[]>("/silences", { limit: 1 });
  const [doing, set] = useState<Doing>(idle);
  const [silencing, setSilencing] = useState(false);
  const text = drafts.value[id] ?? "";
  const write = (t: string) => (drafts.value = { ...drafts.value, [id]: t });
  const field = useRef<HTMLTextAreaElement>(null);
  const busy = doing.is === "pending";
  const barrier = whyNot(who.data, possible.trouble);
  const care = carer(many(story.notes));
  const mine = !!care && care.who === who.data?.name;
  const say = async (ack: boolean) => {
    const path = `/incidents/${encodeURIComponent(id)}/${ack ? "ack" : "comments"}`;
    const ok = await perform(set, ack ? "Acknowledging" : "Sending the comment", ack ? "Acknowledged: reminders and escalation stop" : "The comment is kept", () => send("POST", path, { text: text.trim() }));
    if (ok) write("");
    changed();
  };
  const latest = useRef({ say, barrier, busy, mine });
  latest.current = { say, barrier, busy, mine };
  useEffect(() => {
    const keys = (e: KeyboardEvent) => {
      if (writing(e) || latest.current.barrier || latest.current.busy) return;
      if (e.key === "c") {
        e.preventDefault();
        field.current?.focus();
      } else if (e.key === "a" && !e.repeat) {
        e.preventDefault();
        if (latest.current.mine) set({ is: "done", text: "It is yours already" });
        else void latest.current.say(true);
      }
    };
    addEventListener("keydown", keys);
    return () => removeEventListener("keydown", keys);
  }, []);
  const off = busy || barrier !== "";
  return (
    <Panel title="What to do">
      {story.next && <Next text={story.next} />}
      <label class="field">
        Comment
        <textarea ref={field} rows={2} maxLength={4000} value={text} disabled={barrier !== ""} onInput={(e) => write(e.currentTarget.value)} placeholder="What you found or did; others see it here and in the messages" />
      </label>
      <div class="incident-buttons">
        <button type="button" class={care ? "" : "primary"} disabled={off} onClick={() => void say(true)} aria-keyshortcuts="a">
          {care ? (mine ? "Acknowledge again" : "Take over") : "Acknowledge"} <kbd>a</kbd>
        </button>
        <button type="button" disabled={off || text.trim() === ""} onClick={() => void say(false)} aria-keyshortcuts="c">
          Comment <kbd>c</kbd>
        </button>
        <button type="button" disabled={off} aria-expanded={silencing} onClick={() => setSilencing(!silencing)}>
          Silence…
        </button>
      </div>
      {barrier && <p class="incident-barrier">{barrier}</p>}
      <Feedback of={doing} />
      {silencing && !barrier && <SilenceForm incident={story.incident} close={() => setSilencing(false)} changed={changed} said={set} />}
      <Silences of={many(story.silences)} barrier={barrier} changed={changed} said={set} />
      <p class="quiet incident-keys">
        Keys: <kbd>a</kbd> acknowledge, <kbd>c</kbd> comment, <kbd>n</kbd> and <kbd>p</kbd> next and previous incident
      </p>
    </Panel>
  );
}

/** Why one cannot do anything here; "" where one can. */
function whyNot(who: Who | undefined, trouble: Trouble | undefined): string {
  if (trouble?.status === 501) return `Nobody is told anything here, so there is nothing to acknowledge or to silence: ${trouble.detail}`;
  if (who && who.scope !== "operator" && who.scope !== "admin") return `You may read, as ${who.name} (${who.scope}); to act one needs the scope operator. Sign in with another token, or ask an admin for one.`;
  return "";
}

/** The sentence of the messages: commands and prefixes in it are what they are. */
function Next({ text }: { text: string }) {
  const parts = text.split(/(depeer [a-z]+(?: [^;.]+)?|\b\d+\.\d+\.\d+\.\d+\/\d+|\b[0-9a-f]+:[0-9a-f:]*\/\d+)/);
  return (
    <p class="incident-next">
      <strong>Next: </strong>
      {parts.map((p, i) => (i % 2 === 0 ? p : p.startsWith("depeer ") ? <code key={i}>{p.trim()}</code> : <Prefix key={i} prefix={p} />))}
    </p>
  );
}

/** What keeps it quiet now. */
function Silences({ of, barrier, changed, said }: { of: readonly Silence[]; barrier: string; changed: () => void; said: (d: Doing) => void }) {
  if (of.length === 0) return null;
  const end = async (s: Silence) => {
    await perform(said, "Ending the silence", "The silence is over", () => send("DELETE", `/silences/${encodeURIComponent(s.id ?? "")}`));
    changed();
  };
  return (
    <ul class="incident-silences" aria-label="Silences in force">
      {of.map((s) => (
        <li key={s.id}>
          <strong>Silenced:</strong> nobody is told {about(s)} until <Time at={s.until} />: {s.reason}
          {s.by && <span class="quiet"> ({s.by})</span>}{" "}
          {s.id && (
            <button type="button" disabled={barrier !== ""} onClick={() => void end(s)}>
              End it now
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}

function about(s: Silence): string {
  const m = s.match;
  if (m && many(m.incidents).length) return "of this incident";
  if (m && many(m.hosters).length) return `of ${many(m.hosters).map(nameOf).join(", ")}`;
  return "of what a wider silence names";
}

// What is said before the story, and after it.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { useAsk } from "../api/ask";
import { many, type Incident, type List, type Migration, type Playing } from "../api/types";
import { Copy } from "../parts/parts";
import { local } from "../words";
import { clockOf } from "./story";

function Dialog({ title, close, children }: { title: string; close: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (!dialog.current?.open) dialog.current?.showModal();
    dialog.current?.scrollTo(0, 0); // its button has the focus, its beginning is what is to be read
  }, []);
  return (
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events -- Enter on a link is a click, too
    <dialog
      class="playback-dialog"
      ref={dialog}
      aria-labelledby="playback-title"
      onClose={close}
      onClick={(e) => {
        if ((e.target as HTMLElement).closest("a")) dialog.current?.close(); // whoever follows a link wants to see the page
      }}
    >
      <h2 id="playback-title">{title}</h2>
      {children}
    </dialog>
  );
}

/** What it is about, for who never heard of it. */
export function Intro({ p, waits, close }: { p: Playing; waits: boolean; close: () => void }) {
  return (
    <Dialog title={p.title} close={close}>
      <p>{p.about}</p>
      <p>
        <strong>depeer</strong> watches hosting companies like this one. It listens to the messages by which networks tell each other over whom they can
        be reached, and says within minutes <strong>who stopped carrying</strong> one, <strong>who took it in again</strong>, and{" "}
        <strong>where its botnets went</strong>.
      </p>
      <p>
        {p.over ? "You have" : "You will have"} two voices before you: <strong>what happened</strong>, as others published it, and what <strong>depeer says</strong>,
        which knows nothing of that: it hears routes, and reports of where botnets were seen.
      </p>
      <p class="quiet playback-small">{p.note} Four weeks pass in about two minutes.</p>
      <form method="dialog" class="playback-actions">
        <button type="submit" class="primary" autofocus>
          {waits && !p.over ? "Play the story" : "Back to the story"}
        </button>
      </form>
    </Dialog>
  );
}

/** What there was to see, and where it goes on. */
export function End({ p, close }: { p: Playing; close: () => void }) {
  const incidents = useAsk<List<Incident>>("/incidents", { order: "oldest" });
  const moves = useAsk<List<Migration>>("/migrations", { order: "oldest" });
  // All of it or nothing: what grows while it is read is hard to read.
  if (![incidents, moves].every((x) => x.data ?? x.trouble)) return null;
  const all = many(incidents.data?.items);
  const hoster = all[0]?.hoster;
  const went = latest(many(moves.data?.items)).filter((m) => m.kind === "cnc.moved");
  return (
    <Dialog title="What you have seen" close={close}>
      <ol class="playback-seen">
        {all.map((i) => (
          <li key={i.id}>
            <Day at={i.opened} /> <a href={`/incidents/${i.id}`}>{i.summary}</a>
          </li>
        ))}
        {went.map((m) => (
          <li key={m.id}>
            <Day at={m.first_seen} /> <a href="/migrations">{m.summary}</a>
          </li>
        ))}
      </ol>
      <p>depeer said all of this while it happened, and can show the messages that prove it.</p>
      <ul class="playback-links">
        {hoster && (
          <li>
            <a href={`/hosters/${hoster}?from=${p.from}&to=${p.to}`}>The whole story on one timeline</a>
          </li>
        )}
        <li>
          <a href="/migrations">Where the botnets went</a>
        </li>
        {hoster && (
          <li>
            <a href={`/explain?hoster=${hoster}`}>Why depeer said what it said, and who would have been told</a>
          </li>
        )}
      </ul>
      <p>
        Now for hosters of your own, with today's routes: <code>{p.watch}</code> <Copy text={p.watch}>Copy</Copy>
      </p>
      <form method="dialog" class="playback-actions">
        <button type="submit" class="primary" autofocus>
          Look around
        </button>
      </form>
    </Dialog>
  );
}

/** The last word on each move. */
function latest(all: readonly Migration[]): Migration[] {
  const by = new Map<string, Migration>();
  for (const m of all) if ((by.get(m.id)?.revision ?? 0) <= m.revision) by.set(m.id, m);
  return [...by.values()];
}

function Day({ at }: { at: string }) {
  return (
    <time class="quiet playback-day" dateTime={at} title={local(at)}>
      {clockOf(Date.parse(at)).day}
    </time>
  );
}

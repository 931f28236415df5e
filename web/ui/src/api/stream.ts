// The live stream (GET /api/v1/stream): one connection for the whole page.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { base, everythingAnew, stranger } from "./ask";
import type { Event, Feed, Gap, Incident, Note, Standing } from "./types";

/** What the board says when it changes: the hosters and feeds that stand otherwise than before. */
export interface Change {
  type: "status";
  now: string;
  judged: string;
  ready: boolean;
  reasons: string[] | null;
  hosters: Standing[] | null;
  gone: string[] | null;
  feeds: Feed[] | null;
}

export interface Told {
  event: Event;
  incident: Incident;
  gap: Gap;
  /** Somebody said something about an incident, here or elsewhere. */
  note: Note & { incident: string };
  status: Change;
  /** Not of the server: the connection is there again after it was lost, and changes of the board were missed. */
  back: null;
}

/** "connecting" at first, "live", "lost": what is shown may be old. */
export const line = signal<"connecting" | "live" | "lost">("connecting");

type Listener = (x: never) => void;
const listeners = new Map<keyof Told, Set<Listener>>();
let source: EventSource | undefined;

function tell<K extends keyof Told>(kind: K, x: Told[K]): void {
  for (const f of listeners.get(kind) ?? []) (f as (x: Told[K]) => void)(x);
}

/** Opens the connection. The browser comes again by itself, and says which id it read last. */
export function openStream(): void {
  if (source && source.readyState !== EventSource.CLOSED) return;
  source = new EventSource(`${base}/stream`);
  source.addEventListener("hello", () => {
    const was = line.value;
    line.value = "live";
    if (was !== "lost") return;
    tell("back", null);
    everythingAnew(); // what was asked meanwhile has failed, and what was told then is told to nobody who asks once
  });
  source.addEventListener("reset", everythingAnew);
  for (const kind of ["event", "incident", "gap", "note", "status"] as const) {
    source.addEventListener(kind, (m) => tell(kind, JSON.parse((m as MessageEvent<string>).data)));
  }
  source.onerror = () => {
    line.value = "lost";
    // A refusal (401, 503) ends an EventSource for good: try again, not too often.
    if (source?.readyState === EventSource.CLOSED && !stranger.value) setTimeout(openStream, 5000);
  };
}

export function closeStream(): void {
  source?.close();
  source = undefined;
  line.value = "connecting";
}

/** Hears one kind of message while the component is there. */
export function useStream<K extends keyof Told>(kind: K, hear: (x: Told[K]) => void, inputs: readonly unknown[] = []): void {
  useEffect(() => listen(kind, hear), [kind, ...inputs]);
}

/** Hears one kind of message until the returned function is called. */
export function listen<K extends keyof Told>(kind: K, hear: (x: Told[K]) => void): () => void {
  const all = listeners.get(kind) ?? new Set<Listener>();
  listeners.set(kind, all.add(hear as Listener));
  return () => all.delete(hear as Listener);
}

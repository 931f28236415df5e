// Questions to the API. An answer that was given before is shown at once, and asked for again.
import { signal } from "@preact/signals";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

export const base = "/api/v1";

/** What went wrong with a question: an RFC 9457 problem document, or no answer at all (status 0). */
export class Trouble extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly retryAfter = 0, // seconds
  ) {
    super(detail || title);
  }
}

export type Query = Record<string, string | number | boolean | readonly string[] | null | undefined>;

/** The path with its query; what is empty is left out. */
export function url(path: string, query: Query = {}): string {
  const q = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === "" || value === false) continue;
    q.set(name, Array.isArray(value) ? value.join(",") : String(value));
  }
  const text = q.toString();
  return text ? `${path}?${text}` : path;
}

/** True once the server wanted to know who we are: the shell then leads to where one signs in. */
export const stranger = signal(false);

let era = 0; // logins so far: what was asked before one may be refused after it

/** Somebody has logged in: everything is asked again. */
export function welcome(): void {
  era++;
  stranger.value = false;
  everythingAnew();
}

async function call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal, below = base): Promise<T> {
  const asked = era;
  const set: RequestInit = { method, credentials: "same-origin", headers: { Accept: "application/json" } };
  if (signal) set.signal = signal;
  if (body !== undefined) {
    set.body = JSON.stringify(body);
    set.headers = { ...set.headers, "Content-Type": "application/json" };
  }
  let answer: Response;
  try {
    answer = await fetch(below + path, set);
  } catch (e) {
    if (signal?.aborted) throw e;
    throw new Trouble(0, "No answer", "depeer does not answer: it may be starting again, or the network between is down.");
  }
  if (answer.status === 204) return undefined as T;
  const text = await answer.text();
  if (answer.ok) return JSON.parse(text) as T;
  if (answer.status === 401 && asked === era) stranger.value = true;
  let problem: { title?: string; detail?: string } = {};
  try {
    problem = JSON.parse(text) as typeof problem;
  } catch {
    problem = { detail: text.slice(0, 300) };
  }
  throw new Trouble(answer.status, problem.title ?? answer.statusText, problem.detail ?? "", Number(answer.headers.get("Retry-After") ?? 0));
}

/** Asks once. */
export function ask<T>(path: string, query?: Query, signal?: AbortSignal, below = base): Promise<T> {
  return call<T>("GET", url(path, query), undefined, signal, below);
}

/** Changes something. */
export function send<T>(method: "POST" | "DELETE", path: string, body?: unknown, below = base): Promise<T> {
  return call<T>(method, path, body, undefined, below);
}

/** Everything that was asked is asked again: the log began anew, somebody signed in, something was changed. */
export const generation = signal(0);

export function everythingAnew(): void {
  generation.value++;
}

const answers = new Map<string, unknown>(); // by URL, oldest first
const mostAnswers = 60;

/** What somebody has seen is not for who comes next. */
export function forgetAnswers(): void {
  answers.clear();
}

function remember(key: string, answer: unknown): void {
  answers.delete(key);
  answers.set(key, answer);
  for (const oldest of answers.keys()) {
    if (answers.size <= mostAnswers) break;
    answers.delete(oldest);
  }
}

export interface Asked<T> {
  data: T | undefined; // the last answer, perhaps of before
  trouble: Trouble | undefined; // of the last question; data may be there nevertheless
  asking: boolean;
  again: () => void;
}

/**
 * Asks, and shows the answer. A path of null asks nothing. every asks again after so many milliseconds,
 * while the page is looked at.
 */
export function useAsk<T>(path: string | null, query?: Query, every = 0): Asked<T> {
  const key = path === null ? null : url(path, query);
  const [tries, setTries] = useState(0);
  const [, show] = useState({});
  const state = useRef<{ key: string | null; data: T | undefined; trouble: Trouble | undefined; asking: boolean }>({ key: null, data: undefined, trouble: undefined, asking: false });
  if (state.current.key !== key) {
    state.current = { key, data: key === null ? undefined : (answers.get(key) as T | undefined), trouble: undefined, asking: key !== null };
  }
  const born = generation.value;
  useEffect(() => {
    if (key === null) return;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const once = async () => {
      state.current.asking = true;
      try {
        const data = await call<T>("GET", key, undefined, stop.signal);
        remember(key, data);
        state.current = { key, data, trouble: undefined, asking: false };
      } catch (e) {
        if (stop.signal.aborted) return;
        state.current = { ...state.current, trouble: e instanceof Trouble ? e : new Trouble(0, "Fault", String(e)), asking: false };
      }
      show({});
      // Who asks again and again stops for who does not look, and comes back slower where there is trouble.
      if (every > 0) timer = setTimeout(wait, state.current.trouble ? Math.max(every, 5000) : every);
    };
    const wait = () => {
      if (document.visibilityState === "visible") void once();
      else timer = setTimeout(wait, 1000);
    };
    void once();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [key, tries, born, every]);
  const again = useCallback(() => setTries((n) => n + 1), []);
  return { data: state.current.data, trouble: state.current.trouble, asking: state.current.asking, again };
}

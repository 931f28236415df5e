// A list of the API that grows at its end when it is wanted, and says at its head what is new.
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ask, Trouble, url, useAsk, type Query } from "../../api/ask";
import { useStream } from "../../api/stream";
import { many, type Gap, type List } from "../../api/types";

interface Thing {
  id: string;
  revision?: number;
}

export interface Growing<T> {
  items: readonly T[] | undefined; // undefined: nothing is known yet
  gaps: readonly Gap[];
  trouble: Trouble | undefined;
  fresh: number; // how many have come that are not shown
  more: (() => void) | undefined; // undefined: that was all
  fetching: boolean; // more is on its way
  again: () => void; // shows what is new
}

const calm = 1000; // milliseconds between two looks at what is new, however much happens

/** What is shown: the pages, each thing in its latest revision, none twice. */
export function joined<T extends Thing>(pages: readonly (readonly T[])[], latest: ReadonlyMap<string, T>): T[] {
  const seen = new Map<string, T>();
  for (const page of pages) for (const x of page) if (!seen.has(x.id)) seen.set(x.id, x);
  return [...seen.values()].map((x) => {
    const l = latest.get(x.id);
    return l && (l.revision ?? 0) > (x.revision ?? 0) ? l : x;
  });
}

/** How many things of a new first page are not shown. */
export function unseen<T extends Thing>(fresh: readonly T[], shown: readonly T[]): number {
  const ids = new Set(shown.map((x) => x.id));
  return fresh.filter((x) => !ids.has(x.id)).length;
}

/** Asks for a list. A path of null asks nothing. What is shown stays where it is until one wants to see what is new. */
export function useList<T extends Thing>(path: string | null, query: Query, kind: "incident" | "event"): Growing<T> {
  const first = useAsk<List<T>>(path, query);
  const key = path === null ? "" : url(path, query);
  const [rest, setRest] = useState<{ of: List<T> | undefined; pages: List<T>[]; trouble?: Trouble; fetching: boolean }>({ of: undefined, pages: [], fetching: false });
  const [fresh, setFresh] = useState<{ of: List<T> | undefined; items: readonly T[] }>({ of: undefined, items: [] });
  const [latest, setLatest] = useState<ReadonlyMap<string, T>>(new Map());
  const mine = first.data !== undefined && rest.of === first.data;
  const pages = mine ? rest.pages : [];
  const items = useMemo(() => (first.data ? joined([many(first.data.items), ...pages.map((p) => many(p.items))], latest) : undefined), [first.data, rest, latest]);

  const now = useRef({ path, query, data: first.data });
  now.current = { path, query, data: first.data };
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const look = useCallback(() => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      const { path, query, data } = now.current;
      if (path === null || !data) return;
      // What cannot be had now is had with the next thing that happens.
      ask<List<T>>(path, query).then((l) => now.current.data === data && setFresh({ of: data, items: many(l.items) }), () => {});
    }, calm);
  }, []);
  useStream(kind, (x) => {
    const thing = x as unknown as T;
    if (thing.revision !== undefined) setLatest((m) => new Map([...m].slice(-500)).set(thing.id, thing));
    look();
  });
  useStream("back", look);

  const last = pages[pages.length - 1] ?? first.data;
  const more = last?.next && path !== null ? async () => {
    const of = first.data;
    setRest({ of, pages, fetching: true });
    try {
      const page = await ask<List<T>>(path, { ...query, cursor: last.next });
      setRest({ of, pages: [...pages, page], fetching: false });
    } catch (e) {
      setRest({ of, pages, fetching: false, trouble: e instanceof Trouble ? e : new Trouble(0, "Fault", String(e)) });
    }
  } : undefined;
  return {
    items,
    gaps: many(first.data?.gaps),
    trouble: first.trouble ?? (mine ? rest.trouble : undefined),
    fresh: items && fresh.of === first.data ? unseen(fresh.items, items) : 0,
    more: more && (() => void more()),
    fetching: mine && rest.fetching,
    again: first.again,
    ...(key ? {} : { items: [] }),
  };
}

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
  return new Set(fresh.map((x) => x.id).filter((id) => !ids.has(id))).size;
}

/** What is shown of a list: its first page as it was when one began to read, and those behind it. */
interface Reading<T> {
  key: string;
  first: List<T> | undefined;
  settled: boolean; // first is no memory of before: it stays
  pages: readonly List<T>[];
  past?: List<T>; // an answer that was seen enough of
}

/** Asks for a list. A path of null asks nothing. What is shown stays where it is until one wants to see what is new. */
export function useList<T extends Thing>(path: string | null, query: Query, kind: "incident" | "event"): Growing<T> {
  const asked = useAsk<List<T>>(path, query);
  const key = path === null ? "" : url(path, query);
  const [, show] = useState({});
  const reading = useRef<Reading<T>>({ key: "", first: undefined, settled: false, pages: [] });
  let r = reading.current;
  if (r.key !== key) r = reading.current = { key, first: undefined, settled: false, pages: [] };
  // What comes later, by whatever way, is compared with what is shown, and replaces it only when that is wanted.
  if (!r.settled && asked.data && asked.data !== r.past) r = reading.current = { ...r, first: asked.data, settled: !asked.asking };
  const [growing, setGrowing] = useState<{ key: string; trouble?: Trouble; fetching: boolean }>({ key, fetching: false });
  const [looked, setLooked] = useState<{ key: string; items: readonly T[] }>({ key, items: [] });
  const [latest, setLatest] = useState<ReadonlyMap<string, T>>(new Map());
  const items = useMemo(() => (r.first ? joined([many(r.first.items), ...r.pages.map((p) => many(p.items))], latest) : undefined), [r, latest]);

  const now = useRef({ path, query, key });
  now.current = { path, query, key };
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const look = useCallback(() => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      const { path, query, key } = now.current;
      if (path === null) return;
      // What cannot be had now is had with the next thing that happens.
      ask<List<T>>(path, query).then((l) => now.current.key === key && setLooked({ key, items: many(l.items) }), () => {});
    }, calm);
  }, []);
  useStream(kind, (x) => {
    const thing = x as unknown as T;
    if (thing.revision !== undefined) setLatest((m) => new Map([...m].slice(-500)).set(thing.id, thing));
    look();
  });
  useStream("back", look);

  const last = r.pages[r.pages.length - 1] ?? r.first;
  const more = async () => {
    setGrowing({ key, fetching: true });
    try {
      const page = await ask<List<T>>(path!, { ...query, cursor: last!.next });
      if (reading.current.key === key) reading.current = { ...reading.current, pages: [...reading.current.pages, page] };
      setGrowing({ key, fetching: false });
    } catch (e) {
      setGrowing({ key, fetching: false, trouble: e instanceof Trouble ? e : new Trouble(0, "Fault", String(e)) });
    }
  };
  const again = () => {
    reading.current = { ...reading.current, settled: false, pages: [], ...(asked.data ? { past: asked.data } : {}) };
    setLooked({ key, items: [] });
    asked.again();
    show({});
  };
  const mine = growing.key === key ? growing : undefined;
  const fresh = [...(looked.key === key ? looked.items : []), ...(r.settled && asked.data !== r.first ? many(asked.data?.items) : [])];
  return {
    items: path === null ? [] : items,
    gaps: many(r.first?.gaps),
    trouble: asked.trouble ?? mine?.trouble,
    fresh: items ? unseen(fresh, items) : 0,
    more: last?.next && path !== null ? () => void more() : undefined,
    fetching: mine?.fetching ?? false,
    again,
  };
}

// What a name, AS number, prefix, address, family or incident leads to.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { useAsk } from "../api/ask";
import { many, type Found, type Result } from "../api/types";
import { Answer, Empty } from "../parts/parts";
import { useQuery } from "../place";
import { count } from "../words";
import { examples, kindWords, nextOf } from "./found";
import "./search.css";

export function Search() {
  const [query] = useQuery();
  const q = (query["q"] ?? "").trim();
  const found = useAsk<Found>(q ? "/search" : null, { q });
  useEffect(() => {
    document.title = q ? `Search: ${q} – depeer` : "Search – depeer";
  }, [q]);
  return (
    <div class="page search-page">
      <h1>{q ? <>Search: {q}</> : "Search"}</h1>
      {!q && <Hints>Look for something in the field above (key <kbd>/</kbd>).</Hints>}
      {q && (
        <div role="status" aria-busy={found.data === undefined && !found.trouble}>
          <Answer of={found} height={240}>
            {(x) => <Results found={x} />}
          </Answer>
        </div>
      )}
    </div>
  );
}

function Results({ found }: { found: Found }) {
  const list = many(found.results);
  const place = useRef<HTMLUListElement>(null);
  // Enter opens the best; who is somewhere else by now stays there.
  useEffect(() => {
    const at = document.activeElement;
    if (!at || at === document.body || at.id === "main" || at.getAttribute("type") === "search") links(place.current)[0]?.focus({ preventScroll: true });
  }, [found]);
  if (list.length === 0) return <Hints>Nothing was found; it was understood as {found.understood}. {found.hint}</Hints>;
  return (
    <>
      <p class="quiet">
        {count(list.length + found.more, "result")}; understood as {found.understood}.
      </p>
      <ul class="search-results" ref={place} onKeyDown={(e) => between(e, place.current)}>
        {list.map((r) => (
          <li key={r.url}>
            <One r={r} />
          </li>
        ))}
      </ul>
      {found.more > 0 && <p class="quiet">{found.more.toLocaleString("en")} more: say it more precisely.</p>}
    </>
  );
}

function One({ r }: { r: Result }) {
  return (
    <>
      <span class="search-kind">{kindWords(r.kind)}</span>
      <span>
        <a href={r.url}>{r.label}</a>
        {r.detail && <span class="search-detail">{r.detail}</span>}
      </span>
    </>
  );
}

function Hints({ children }: { children: ComponentChildren }) {
  return (
    <>
      <Empty>{children}</Empty>
      <ul class="search-hints">
        {examples.map(([text, what]) => (
          <li key={text}>
            <a href={`/search?q=${encodeURIComponent(text)}`}>{text}</a> <span class="quiet">{what}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

function links(list: HTMLElement | null): HTMLElement[] {
  return [...(list?.querySelectorAll<HTMLElement>("a") ?? [])];
}

function between(e: KeyboardEvent, list: HTMLElement | null): void {
  const all = links(list);
  const next = nextOf(e.key, all.indexOf(document.activeElement as HTMLElement), all.length);
  if (next === undefined) return;
  e.preventDefault();
  all[next]?.focus();
}

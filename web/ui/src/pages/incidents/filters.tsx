// What of a list is shown. All of it is in the URL, under the names of the API.
import { useState } from "preact/hooks";
import { board } from "../../api/board";
import { many } from "../../api/types";
import { useQuery } from "../../place";

export interface Word {
  value: string;
  name: string;
}

const names = ["hoster", "class", "kind", "phase", "severity", "upstream", "prefix", "incident", "from", "to"] as const;
type Name = (typeof names)[number];

/** What the API is asked for: those filters of the URL that the list knows. */
export function asked(query: Record<string, string>, known: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.filter((n) => known.includes(n) && query[n]).map((n) => [n, query[n]!]));
}

/** A moment as people write it, as the API reads it: 2008-11-11, 2008-11-11 21:00, with or without Z. What is none the API refuses, and says so. */
export function moment(text: string): string | undefined {
  const t = text.trim();
  const m = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d)(:\d\d(?:\.\d+)?)?Z?$/.exec(t);
  return m ? `${m[1]}T${m[2]}${m[3] ?? ":00"}Z` : t || undefined;
}

export function Filters({ word, words, phases }: { word: { name: "class" | "kind"; label: string }; words: readonly Word[]; phases?: readonly Word[] }) {
  const [query, set] = useQuery();
  const put = (name: Name, value: string | undefined) => set({ [name]: value });
  const hosters = many(board.value?.hosters).map((h) => ({ value: h.hoster, name: h.name }));
  const h = query["hoster"];
  if (h && !hosters.some((x) => x.value === h)) hosters.push({ value: h, name: h });
  const any = names.some((n) => query[n]);
  const form = (
    <form class="incidents-filters" aria-label="Filters" onSubmit={(e) => e.preventDefault()}>
      <Choice label="Hoster" value={h} of={hosters} put={(v) => put("hoster", v)} />
      <Choice label={word.label} value={query[word.name]} of={words} put={(v) => put(word.name, v)} />
      {phases && <Choice label="Phase" value={query["phase"]} of={phases} put={(v) => put("phase", v)} />}
      <Choice
        label="Severity, at least"
        value={query["severity"]}
        of={[
          { value: "warning", name: "warning" },
          { value: "critical", name: "critical" },
        ]}
        put={(v) => put("severity", v)}
      />
      <Text label="Upstream" value={query["upstream"]} hint="AS6939" put={(v) => put("upstream", v)} />
      <Text label="Prefix" value={query["prefix"]} hint="208.66.192.0/22" put={(v) => put("prefix", v)} />
      <Text label="From (UTC)" value={query["from"]} hint="2008-11-11 21:00" put={(v) => put("from", moment(v ?? ""))} />
      <Text label="To (UTC)" value={query["to"]} hint="2008-11-12" put={(v) => put("to", moment(v ?? ""))} />
      <button type="button" disabled={!any} onClick={() => set(Object.fromEntries(names.map((n) => [n, undefined])))}>
        Show all
      </button>
    </form>
  );
  // On a phone the list comes first: the filters are a touch away, unless one is set.
  const [narrow] = useState(() => matchMedia("(max-width: 40rem)").matches);
  if (!narrow) return form;
  return (
    <details open={any}>
      <summary>Filters</summary>
      {form}
    </details>
  );
}

function Choice({ label, value, of, put }: { label: string; value: string | undefined; of: readonly Word[]; put: (v: string | undefined) => void }) {
  return (
    <label class="field">
      {label}
      <select value={value ?? ""} onChange={(e) => put(e.currentTarget.value || undefined)}>
        <option value="">any</option>
        {of.map((o) => (
          <option key={o.value} value={o.value}>
            {o.name}
          </option>
        ))}
      </select>
    </label>
  );
}

function Text({ label, value, hint, put }: { label: string; value: string | undefined; hint: string; put: (v: string | undefined) => void }) {
  return (
    <label class="field">
      {label}
      <input type="text" value={value ?? ""} placeholder={hint} autocomplete="off" spellcheck={false} size={Math.max(8, hint.length)} onChange={(e) => put(e.currentTarget.value.trim() || undefined)} />
    </label>
  );
}

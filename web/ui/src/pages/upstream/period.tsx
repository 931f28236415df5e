// The period of a league: the last day, week, month, year, all that is known, or from one day to another.
import { useEffect, useState } from "preact/hooks";
import { useQuery } from "../../place";
import { utc } from "../../words";
import { readMoment, written } from "../prefix/grouping";
import type { Asked, PeriodName } from "./steps";

const names: readonly (readonly [PeriodName, string])[] = [["day", "Day"], ["week", "Week"], ["month", "30 days"], ["year", "Year"], ["all", "All that is known"]];

export function Period({ name, shown }: { name: PeriodName; shown: Asked | undefined }) {
  const [query, set] = useQuery();
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const [wrong, setWrong] = useState("");
  useEffect(() => {
    setFrom(shown?.from ? written(shown.from) : "");
    setTo(shown?.to ? written(shown.to) : "");
    setWrong("");
  }, [name, query["from"], query["to"], shown === undefined]);
  const own = () => {
    const a = from.trim() ? readMoment(from) : "";
    const b = to.trim() ? readMoment(to) : "";
    if (a === undefined || b === undefined) return setWrong(`${a === undefined ? from : to} is no time: write it like 2008-11-11 or 2008-11-11 21:00.`);
    if (a && b && Date.parse(b) < Date.parse(a)) return setWrong(`The period ends (${utc(b)}) before it begins (${utc(a)}).`);
    set({ period: a || b ? "own" : "all", from: a || undefined, to: b || undefined });
  };
  return (
    <div class="upstream-period">
      <div role="group" aria-label="Period" class="upstream-show">
        {names.map(([n, words]) => (
          <button type="button" key={n} aria-pressed={name === n} onClick={() => set({ period: n, from: undefined, to: undefined })}>{words}</button>
        ))}
      </div>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          own();
        }}
      >
        <label>From <input type="text" value={from} autocomplete="off" spellcheck={false} aria-invalid={wrong !== ""} placeholder="the beginning" onInput={(e) => setFrom(e.currentTarget.value)} /></label>
        <label>to <input type="text" value={to} autocomplete="off" spellcheck={false} aria-invalid={wrong !== ""} placeholder="the end" onInput={(e) => setTo(e.currentTarget.value)} /></label>
        <button type="submit">Show</button>
      </form>
      {wrong && <p class="upstream-wrong" role="alert">{wrong}</p>}
    </div>
  );
}

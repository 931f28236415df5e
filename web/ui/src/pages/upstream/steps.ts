// What a league asks for, and the steps of its course. Pure.
import type { Load } from "../../api/types";
import { moment, readMoment } from "../prefix/grouping";

export type PeriodName = "day" | "week" | "month" | "year" | "all" | "own";

const days: Record<string, number> = { day: 1, week: 7, month: 30, year: 365 };

export type Asked = { from?: string; to?: string };

/** What is asked for: from and to, in RFC 3339; end is the end of the present minute, in milliseconds. */
export function periodOf(name: PeriodName, end: number, from?: string, to?: string): Asked {
  if (name === "all") return {};
  const n = days[name];
  if (n) return { from: moment(end - n * 86_400_000), to: moment(end) };
  const out: Asked = {};
  const begin = from && readMoment(from);
  const until = to && readMoment(to);
  if (begin) out.from = begin;
  if (until && (!begin || Date.parse(begin) <= Date.parse(until))) out.to = until;
  return out;
}

export type Step = readonly [from: number, to: number, n: number];

/** The steps of one of the numbers: where it stays, the step goes on. */
export function stepsOf(course: readonly Load[], of: "hosters" | "prefixes", to: number): Step[] {
  const kept = course.filter((p, i) => i === 0 || p[of] !== course[i - 1]![of]);
  return kept.map((p, i) => [Date.parse(p.at), i + 1 < kept.length ? Date.parse(kept[i + 1]!.at) : Math.max(to, Date.parse(p.at)), p[of]]);
}

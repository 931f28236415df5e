// Where a story is: what the bar shows is reckoned here.
import { many, type Playing } from "../api/types";

/** The number of the chapter that a moment belongs to; the first one before it began. */
export function chapterAt(p: Pick<Playing, "chapters">, now: number): number {
  const all = many(p.chapters);
  let here = 0;
  for (const [i, c] of all.entries()) if (Date.parse(c.at) <= now) here = i;
  return here;
}

/** Milliseconds of the story until a chapter, by its number; 0 where it has begun, or there is none. */
export function untilChapter(p: Pick<Playing, "chapters">, now: number, chapter: number): number {
  const c = many(p.chapters)[chapter];
  return c ? Math.max(0, Date.parse(c.at) - now) : 0;
}

/** The part of the present chapter that is over. */
export function progress(p: Pick<Playing, "chapters" | "from" | "to">, now: number): number {
  const all = many(p.chapters);
  const here = chapterAt(p, now);
  const from = Date.parse(all[here]?.at ?? p.from);
  const to = Date.parse(all[here + 1]?.at ?? p.to);
  if (to <= from) return 1;
  return Math.min(1, Math.max(0, (now - from) / (to - from)));
}

const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Tue 11 Nov, 2008 and 21:31:50, in UTC. */
export function clockOf(at: number): { day: string; year: string; time: string } {
  const d = new Date(at);
  const two = (n: number) => String(n).padStart(2, "0");
  return {
    day: `${days[d.getUTCDay()]} ${d.getUTCDate()} ${months[d.getUTCMonth()]}`,
    year: String(d.getUTCFullYear()),
    time: `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`,
  };
}

const usual = 3600;

/** Speeds by how much faster than usual they are: an hour a second is 1×. */
export function speedName(speed: number): string {
  if (speed <= 0) return "at once";
  const x = speed / usual;
  const parts: Record<string, string> = { "0.25": "¼", "0.5": "½" };
  return `${parts[String(x)] ?? Number(x.toPrecision(2))}×`;
}

// The moments that an incident can be compared at, and what a timeline says of them.
import { many, type Incident, type Timeline } from "../../api/types";
import { courseOf, valueAt } from "../../chart/course";
import { utc } from "../../words";

export interface Moment {
  at: string; // RFC 3339, or "now"
  name: string; // for the list
  short: string; // for a head of a column
  first?: boolean; // it is shown unless another is chosen
}

const longest = 70;

/** Now or the end, and each revision. What lasts is compared with now; what is over, with how it stood when it last was open. */
export function moments(i: Incident, revisions: readonly Incident[]): Moment[] {
  const over = i.resolved !== null && i.resolved !== undefined;
  const end: Moment = over ? { at: i.resolved!, name: `${utc(i.resolved!)}: its end`, short: `At its end ${utc(i.resolved!)}` } : { at: "now", name: "now", short: "Now" };
  const out: Moment[] = [];
  for (const r of revisions) {
    if (r.phase === "resolved" || out.some((m) => m.at === r.at)) continue;
    const text = r.summary.length > longest ? `${r.summary.slice(0, longest - 1)}…` : r.summary;
    out.push({ at: r.at, name: `${utc(r.at)}: ${text}`, short: `At ${utc(r.at)}` });
  }
  const worst = revisions.findLast((r) => r.phase === "open");
  const first = over ? out.find((m) => m.at === worst?.at) : undefined;
  return [end, ...out].map((m) => (m === (first ?? end) ? { ...m, first: true } : m));
}

export interface SharesRow {
  key: string;
  what: "visibility" | "upstream";
  asn: number; // of an upstream
  name: string;
  family: number;
  before: number | undefined; // undefined: nobody was there to see, or nothing is known
  after: number | undefined;
}

const mostRows = 12;

/** What the lanes of a timeline say at two moments (milliseconds); who carries nothing at both is left out. */
export function sharesOf(t: Timeline, before: number, after: number): SharesRow[] {
  const rows = [
    ...many(t.visibility).map((l) => ({ what: "visibility" as const, l })),
    ...many(t.upstreams).map((l) => ({ what: "upstream" as const, l })),
  ].map(({ what, l }): SharesRow => {
    const course = courseOf(l.points);
    const at = (ms: number) => {
      const v = valueAt(course, ms);
      return v && v.eligible > 0 ? v.value : undefined;
    };
    return { key: `${what} ${l.asn ?? 0} ${l.family}`, what, asn: l.asn ?? 0, name: l.name ?? "", family: l.family, before: at(before), after: at(Math.min(after, Date.parse(t.to))) };
  });
  const visible = rows.filter((r) => r.what === "visibility");
  const upstreams = rows.filter((r) => r.what === "upstream" && ((r.before ?? 0) > 0 || (r.after ?? 0) > 0));
  upstreams.sort((a, b) => Math.max(b.before ?? 0, b.after ?? 0) - Math.max(a.before ?? 0, a.after ?? 0));
  return [...visible, ...upstreams.slice(0, mostRows)];
}

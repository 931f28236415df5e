// The moments that an incident can be compared at, and what a timeline says of them.
import { many, type Incident, type Lane, type Timeline } from "../../api/types";
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

/** What timelines say at their ends, one before and one after; who carries nothing at both is left out. */
export function sharesOf(before: Timeline, after: Timeline): SharesRow[] {
  const rows = new Map<string, SharesRow>();
  for (const [side, t] of [["before", before], ["after", after]] as const) {
    const put = (what: SharesRow["what"], l: Lane) => {
      const key = `${what} ${l.asn ?? 0} ${l.family}`;
      const row = rows.get(key) ?? { key, what, asn: l.asn ?? 0, name: l.name ?? "", family: l.family, before: undefined, after: undefined };
      const v = valueAt(courseOf(l.points), Date.parse(t.to));
      row[side] = v && v.eligible > 0 ? v.value : undefined;
      rows.set(key, row);
    };
    for (const l of many(t.visibility)) put("visibility", l);
    for (const l of many(t.upstreams)) put("upstream", l);
  }
  // Who has no lane at a moment carried nothing then, where others were seen to carry something, or nothing.
  const seen = (side: "before" | "after", family: number) => [...rows.values()].some((r) => r.what === "visibility" && r.family === family && r[side] !== undefined);
  for (const r of rows.values()) {
    for (const side of ["before", "after"] as const) if (r[side] === undefined && r.what === "upstream" && seen(side, r.family)) r[side] = 0;
  }
  const all = [...rows.values()];
  const upstreams = all.filter((r) => r.what === "upstream" && ((r.before ?? 0) > 0 || (r.after ?? 0) > 0));
  upstreams.sort((a, b) => Math.max(b.before ?? 0, b.after ?? 0) - Math.max(a.before ?? 0, a.after ?? 0) || a.asn - b.asn);
  return [...all.filter((r) => r.what === "visibility"), ...upstreams.slice(0, mostRows)];
}

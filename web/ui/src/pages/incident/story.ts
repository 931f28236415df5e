// The story of an incident in the order in which it happened: everything that belongs to it, as one list.
import { many, type Event, type Gap, type Incident, type Migration, type Note, type Story, type Told } from "../../api/types";
import { as, listed } from "../../words";

/** One thing of the story. at is RFC 3339; what happened at the same moment stands in the order of causes. */
export type Line =
  | { what: "events"; at: string; key: string; events: Event[] } // one, or several of the same kind and upstream within a minute
  | { what: "became"; at: string; key: string; incident: Incident; changes: string[] }
  | { what: "moved"; at: string; key: string; migration: Migration }
  | { what: "note"; at: string; key: string; note: Note }
  | { what: "told"; at: string; key: string; told: Told[] } // of one moment, or the same outcome again and again
  | { what: "gap"; at: string; key: string; gap: Gap; ends: boolean };

const order: Record<Line["what"], number> = { gap: 0, events: 1, moved: 2, became: 3, note: 4, told: 5 };

/** How near confirmations of one kind must be to be one line: many prefixes fall together, but not at the same microsecond. */
const together = 60_000;

/** Merges what belongs to an incident into one list, oldest first. */
export function storyLines(s: Story): Line[] {
  const lines: Line[] = [...eventLines(many(s.events)), ...revisionLines(many(s.revisions)), ...toldLines(many(s.deliveries))];
  for (const m of many(s.migrations)) lines.push({ what: "moved", at: m.at, key: `moved ${m.id}`, migration: m });
  many(s.notes).forEach((n, i) => lines.push({ what: "note", at: n.at, key: `note ${n.at} ${i}`, note: n }));
  for (const g of many(s.gaps)) {
    lines.push({ what: "gap", at: g.from, key: `gap ${g.id} ${g.from}`, gap: g, ends: false });
    if (g.to && moment(g.to) !== moment(g.from)) lines.push({ what: "gap", at: g.to, key: `gap end ${g.id} ${g.to}`, gap: g, ends: true });
  }
  return lines.sort((a, b) => compare(a.at, b.at) || order[a.what] - order[b.what] || (a.key < b.key ? -1 : 1));
}

/** RFC 3339 in UTC: its text orders it once the parts of the second are equally long. */
export function compare(a: string, b: string): number {
  const x = moment(a);
  const y = moment(b);
  return x < y ? -1 : x > y ? 1 : 0;
}

function moment(at: string): string {
  const [whole, part = ""] = at.replace("Z", "").split(".");
  return `${whole}.${part.padEnd(9, "0")}`;
}

/** What makes events of many prefixes one line. */
function alike(e: Event): string {
  return [e.kind, e.upstream ?? 0, e.via ?? 0, e.origin ?? 0, e.family ?? 0, e.severity].join(" ");
}

function eventLines(events: readonly Event[]): Line[] {
  const out: Extract<Line, { what: "events" }>[] = [];
  const open = new Map<string, Extract<Line, { what: "events" }>>();
  for (const e of [...events].sort((a, b) => compare(a.at, b.at))) {
    const line = open.get(alike(e));
    const last = line?.events[line.events.length - 1];
    if (line && last && Date.parse(e.at) - Date.parse(last.at) <= together) {
      line.events.push(e);
      continue;
    }
    const fresh: Extract<Line, { what: "events" }> = { what: "events", at: e.at, key: `event ${e.id}`, events: [e] };
    open.set(alike(e), fresh);
    out.push(fresh);
  }
  return out;
}

function revisionLines(revisions: readonly Incident[]): Line[] {
  return revisions.map((r, i) => ({ what: "became", at: r.at, key: `revision ${r.revision}`, incident: r, changes: differences(revisions[i - 1], r) }));
}

/** What a revision says otherwise than the one before. */
export function differences(before: Incident | undefined, after: Incident): string[] {
  if (!before) return [];
  const out: string[] = [];
  const say = (list: number[], text: string) => {
    if (list.length) out.push(`${listed(list.map(as))} ${text}`);
  };
  const fresh = (now: readonly number[] | null, was: readonly number[] | null) => many(now).filter((a) => !many(was).includes(a));
  say(fresh(after.lost, before.lost), "lost");
  say(fresh(before.lost, after.lost), "not lost any more");
  say(fresh(after.gained, before.gained), "gained");
  if (before.class !== after.class) out.push(`class ${after.class}, before ${before.class}`);
  if (before.severity !== after.severity) out.push(`severity ${after.severity}, before ${before.severity}`);
  if (before.phase !== after.phase) out.push(`phase ${after.phase}, before ${before.phase}`);
  if ((after.flaps ?? 0) > (before.flaps ?? 0)) out.push(`something was lost again (${after.flaps})`);
  const prefixes = many(after.prefixes).length - many(before.prefixes).length;
  if (prefixes > 0) out.push(`${prefixes} more prefixes concerned`);
  return out;
}

/** The same outcome at the same receiver again and again is one line: what is held says so often, what fails is tried often. */
function toldLines(all: readonly Told[]): Line[] {
  const out: Extract<Line, { what: "told" }>[] = [];
  const open = new Map<string, Extract<Line, { what: "told" }>>();
  for (const t of [...all].sort((a, b) => compare(a.at, b.at))) {
    const line = open.get(t.receiver);
    const last = line?.told[line.told.length - 1];
    if (line && last && t.outcome !== "sent" && last.outcome === t.outcome && last.why === t.why) {
      line.told.push(t);
      continue;
    }
    const fresh: Extract<Line, { what: "told" }> = { what: "told", at: t.at, key: `told ${t.id ?? ""} ${t.at} ${t.receiver} ${t.outcome}`, told: [t] };
    open.set(t.receiver, fresh);
    out.push(fresh);
  }
  return out;
}

/** Who takes care of it: the last who acknowledged. */
export function carer(notes: readonly Note[]): Note | undefined {
  return notes.findLast((n) => n.ack);
}

/** Receivers as they stand: the last of each, by name. */
export function receivers(all: readonly Told[]): Told[] {
  const last = new Map<string, Told>();
  for (const t of [...all].sort((a, b) => compare(a.at, b.at))) last.set(t.receiver, t);
  return [...last.values()].sort((a, b) => (a.receiver < b.receiver ? -1 : 1));
}

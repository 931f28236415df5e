// How the board is arranged: who comes first, and in what words. Nothing is judged here.
import { many, type Housed, type Incident, type Standing, type Status, type Still, type UpstreamShare } from "../api/types";
import { as, count, listed, percent } from "../words";

export type Group = "dark" | "partly" | "open" | "unknown" | "visible" | "invalid";

/** The groups, worst first. */
export const groups: readonly { is: Group; title: string; sign: string; word: string }[] = [
  { is: "dark", title: "Dark", sign: "■", word: "dark" },
  { is: "partly", title: "Partly visible", sign: "◐", word: "partly visible" },
  { is: "open", title: "Visible, with an open incident", sign: "▲", word: "with an open incident" },
  { is: "unknown", title: "Not known", sign: "?", word: "not known" },
  { is: "visible", title: "Visible", sign: "●", word: "visible" },
  { is: "invalid", title: "Not valid now", sign: "–", word: "not valid now" },
];

/** The groups that somebody should look at. */
export const worrying: readonly Group[] = ["dark", "partly", "open", "unknown"];

export function groupOf(h: Standing): Group {
  switch (h.state) {
    case "dark": return "dark";
    case "partly": return "partly";
    case "not valid now": return "invalid";
    case "visible": return h.incident ? "open" : "visible";
  }
  return h.incident ? "open" : "unknown";
}

const severities = ["critical", "warning", "info"];
export const severityRank = (s: string | undefined) => (severities.indexOf(s ?? "") + severities.length + 1) % (severities.length + 1);

/** Incidents by what matters: severity, then the newest. */
export function worstFirst(incidents: readonly Incident[]): Incident[] {
  return [...incidents].sort((a, b) => severityRank(a.severity) - severityRank(b.severity) || b.opened.localeCompare(a.opened) || a.id.localeCompare(b.id));
}

/** Hosters by group, within it by the severity of their incident and by name; names compare as people read them. */
export function arranged(hosters: readonly Standing[], incidents: readonly Incident[]): Map<Group, Standing[]> {
  const severity = new Map(incidents.map((i) => [i.id, severityRank(i.severity)]));
  const out = new Map<Group, Standing[]>(groups.map((g) => [g.is, []]));
  for (const h of hosters) out.get(groupOf(h))!.push(h);
  const rank = (h: Standing) => (h.incident ? severity.get(h.incident) ?? severities.length : severities.length);
  for (const list of out.values()) list.sort((a, b) => rank(a) - rank(b) || names.compare(a.name, b.name) || a.hoster.localeCompare(b.hoster));
  return out;
}

const names = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/** How everything stands, in one sentence, and the worst of it. */
export function standsWords(b: Status): { worst: Group; text: string } {
  const hosters = many(b.hosters);
  if (hosters.length === 0) return { worst: "unknown", text: "No hoster is watched" };
  const by = arranged(hosters, []);
  const n = (g: Group) => by.get(g)!.length;
  const pending = many(b.incidents).filter((i) => i.phase === "pending").length; // not confirmed: perhaps nothing
  const open = many(b.incidents).length - pending;
  const worst = groups.find((g) => n(g.is) > 0)!.is;
  const openWords = (open === 0 ? "nothing is open" : `${count(open, "incident")} ${open === 1 ? "is" : "are"} open`) + (pending > 0 ? `, ${pending} pending` : "");
  const judged = hosters.length - n("invalid");
  if (n("dark") + n("partly") + n("unknown") === 0) {
    if (judged === 0) return { worst, text: `No hoster is valid now; ${openWords}` };
    const all = judged === 1 ? by.get("visible")!.concat(by.get("open")!)[0]!.name + " is visible" : judged === 2 ? "Both hosters are visible" : `All ${judged.toLocaleString("en")} hosters are visible`;
    return { worst, text: `${all}; ${openWords}` };
  }
  const parts: string[] = [];
  const say = (g: Group, is: string, are: string) => {
    const list = by.get(g)!;
    if (list.length === 0) return;
    // Who it is, where there is room for it.
    const who = list.length <= 3 ? `: ${listed(list.map((h) => h.name))}` : "";
    if (hosters.length === 1) parts.push(`${list[0]!.name} ${is}`);
    else parts.push(`${list.length.toLocaleString("en")} ${parts.length === 0 ? `of ${hosters.length.toLocaleString("en")} ` : ""}${list.length === 1 ? is : are}${who}`);
  };
  say("dark", "is dark", "are dark");
  say("partly", "is partly visible", "are partly visible");
  say("unknown", "is not known", "are not known");
  return { worst, text: [...parts, openWords].join("; ") };
}

/** A word that is looked for in name, id, AS numbers, upstreams and families. */
export function found(h: Standing, q: string, housed: readonly Housed[] = []): boolean {
  const low = q.trim().toLowerCase();
  if (!low) return true;
  const number = /^as ?(\d+)$/.exec(low)?.[1] ?? (/^\d+$/.test(low) ? low : "");
  if (number && (many(h.asns).some((a) => String(a) === number) || many(h.upstreams).some((u) => String(u.asn) === number))) return true;
  return h.name.toLowerCase().includes(low) || h.hoster.includes(low) || housed.some((f) => f.family.toLowerCase().includes(low));
}

/** Upstreams as they are looked at: the largest of now or of before first, per address family. */
export function upstreamsOf(h: Standing): UpstreamShare[] {
  return [...many(h.upstreams)].sort((a, b) => a.family - b.family || Math.max(b.share, b.baseline) - Math.max(a.share, a.baseline) || a.asn - b.asn);
}

/** Where both address families are there, each upstream needs to say which it is of. */
export const bothFamilies = (h: Standing) => new Set(many(h.upstreams).map((u) => u.family)).size > 1;

const mostBy = 3;

/** By whom it is still routed: "still routed by AS6939 (62 %) and AS3549 (38 %)". What nobody hears may be there nevertheless. */
export function routedWords(h: Standing): string {
  if (h.state === "not valid now") return "not this hoster's at this time: not judged";
  if (h.state === "unknown") return "by whom it is routed is not known: nobody who would see it is heard";
  const by = [4, 6].map((family) => {
    const list = many(h.upstreams).filter((u) => u.family === family && u.share > 0).sort((a, b) => b.share - a.share || a.asn - b.asn);
    const words = list.slice(0, mostBy).map((u) => `${as(u.asn)} (${percent(u.share)})`);
    if (list.length > mostBy) words.push(`${list.length - mostBy} more`);
    return listed(words);
  });
  if (!by[0] && !by[1]) return h.state === "dark" ? "routed by nobody that we hear" : "routed, with no upstream that two peers agree on";
  const text = !by[0] ? `over IPv6 by ${by[1]}` : !by[1] ? `by ${by[0]}` : `by ${by[0]}; over IPv6 by ${by[1]}`;
  return h.state === "dark" ? `dark, and a remnant is routed ${text}` : `still routed ${text}`;
}

/** For how long it has been known what it is: "27 days since first reported". */
export function knownWords(s: Still | undefined): string {
  if (!s?.reported) return "";
  return s.days === 0 ? "first reported today" : `${count(s.days, "day")} since first reported`;
}

/** How that is known, for the hover. */
export function knownHow(s: Still | undefined): string {
  if (!s?.reported) return "";
  const by: Record<string, string> = { given: "as the watchlist says", sighting: "the first sighting of a C&C server there" };
  return `${s.reported.slice(0, 10)}: ${by[s.reported_by ?? ""] ?? `the first ${s.reported_by} of it that is remembered`}`;
}

/** What became of a family: "moved to AS64999", "never paused"; "" while it is there. */
export function fateWords(f: Housed): string {
  if (f.fate === "there") return "";
  if (f.fate !== "moved") return f.fate;
  const to = many(f.moved_to).map((n) => as(n.asn));
  if (to.length === 0) return "moved";
  return `moved to ${to.length > 2 ? `${to.slice(0, 2).join(", ")} and ${to.length - 2} more` : listed(to)}`;
}

/** What is there now comes before what was. */
export function familiesOf(list: readonly Housed[]): Housed[] {
  const order = ["there", "moved", "never paused", "gone", "not known"];
  return [...list].sort((a, b) => order.indexOf(a.fate) - order.indexOf(b.fate) || a.family.localeCompare(b.family));
}

export function byHoster<T extends { hoster: string }>(list: readonly T[] | null | undefined): Map<string, T[]> {
  const out = new Map<string, T[]>();
  for (const x of many(list)) {
    const was = out.get(x.hoster);
    if (was) was.push(x);
    else out.set(x.hoster, [x]);
  }
  return out;
}

/** What of a hoster is worth a look when it changes: not every percent. */
export function mark(h: Standing): string {
  return [h.state, h.incident ?? "", ...upstreamsOf(h).map((u) => `${u.asn}/${u.family}${u.lost ? " lost" : ""}`)].join(" ");
}

/** The hosters of which the mark is another than before. */
export function changedSince(before: ReadonlyMap<string, string>, hosters: readonly Standing[]): string[] {
  return hosters.filter((h) => before.has(h.hoster) && before.get(h.hoster) !== mark(h)).map((h) => h.hoster);
}

/** Gaps that are open now. */
export const openGaps = (b: Status) => many(b.gaps).filter((g) => !g.to);

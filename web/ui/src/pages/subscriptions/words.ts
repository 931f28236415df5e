// Subscriptions, silences and what came of telling, in sentences.
import type { components } from "../../api/schema";
import { many, type Silence, type Subscription, type Told } from "../../api/types";
import { as, lasting, listed } from "../../words";

type Schemas = components["schemas"];

/** A match as it is written: what is not given is missing. */
export type Match = { [K in keyof Schemas["Match"]]?: Schemas["Match"][K] | undefined };
export type Window = { [K in keyof Schemas["Window"]]?: Schemas["Window"][K] | undefined };

type NameOf = (id: string) => string;

/** A or B; A, B or C. */
export function either(words: readonly string[]): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} or ${words[words.length - 1]}`;
}

/** The conditions that a match has, each as a part of a sentence; what it is about comes first. */
function conditions(m: Match, nameOf: NameOf): string[] {
  const out: string[] = [];
  const some = <T>(list: readonly T[] | null | undefined, say: (words: readonly T[]) => string) => {
    if (many(list).length > 0) out.push(say(many(list)));
  };
  some(m.incidents, (x) => `with the id ${either(x)}`);
  some(m.classes, (x) => `of class ${either(x)}`);
  some(m.hosters, (x) => `of ${either(x.map(nameOf))}`);
  some(m.tags, (x) => `of hosters tagged ${either(x)}`);
  some(m.asns, (x) => `about ${either(x.map(as))}`);
  some(m.upstreams, (x) => `in which ${either(x.map(as))} is lost or gained`);
  some(m.prefixes, (x) => `that touch ${either(x)}`);
  some(m.sources, (x) => `seen by ${either(x)}`);
  if (m.score) out.push(`with a score of ${m.score} or more`);
  return out;
}

/**
 * What a subscription is about. Whoever names neither a severity, a kind nor a class hears of
 * nothing that is only information (package notify, Match).
 */
export function about(match: Match | undefined, nameOf: NameOf): string {
  const m = match ?? {};
  const kinds = many(m.kinds);
  const what = kinds.length > 0 ? `events of kind ${either(kinds)}` : m.score ? "migrations" : "incidents";
  const parts = conditions(m, nameOf);
  if (m.severity) parts.push(m.severity === "info" ? "of any severity" : `from severity ${m.severity} on`);
  else if (kinds.length === 0 && many(m.classes).length === 0) parts.push("from severity warning on");
  return [what, ...parts].join(" ");
}

/** What a silence or an exception is about: everything that it does not exclude. */
export function covered(match: Match | undefined, nameOf: NameOf): string {
  const m = match ?? {};
  const kinds = many(m.kinds);
  const parts = conditions(m, nameOf);
  if (m.severity && m.severity !== "info") parts.push(`from severity ${m.severity} on`);
  if (kinds.length === 0 && parts.length === 0) return "everything";
  return [kinds.length > 0 ? `events of kind ${either(kinds)}` : "everything", ...parts].join(" ");
}

const dayNames: Record<string, string> = { mon: "Monday", tue: "Tuesday", wed: "Wednesday", thu: "Thursday", fri: "Friday", sat: "Saturday", sun: "Sunday" };

/** mon-fri is Monday to Friday. */
function days(d: string): string {
  const [from, to] = d.split("-");
  return to ? `${dayNames[from!] ?? from} to ${dayNames[to] ?? to}` : (dayNames[d] ?? d);
}

/** 22:00-07:00 on Saturday and Sunday (Europe/Paris). */
export function window(w: Window): string {
  const parts: string[] = [];
  if (many(w.hours).length > 0) parts.push(listed(many(w.hours)));
  if (many(w.days).length > 0) parts.push(`${parts.length ? "on " : ""}${listed(many(w.days).map(days))}`);
  if (many(w.month_days).length > 0) parts.push(`on day ${either(many(w.month_days))} of the month`);
  const said = parts.join(" ") || "always";
  return w.zone ? `${said} (${w.zone})` : said;
}

/** What a subscription does not send, or sends later, in sentences without a full stop. */
export function limits(s: Subscription, nameOf: NameOf): string[] {
  const out: string[] = [];
  const windows = (list: readonly Window[] | null | undefined) => many(list).map(window).join("; ");
  for (const e of many(s.except)) out.push(`Not: ${covered(e, nameOf)}`);
  if (many(s.hours).length) out.push(`Only ${windows(s.hours)}`);
  if (many(s.quiet?.windows).length) out.push(`Quiet ${windows(s.quiet?.windows)}${s.quiet?.unless ? `, unless ${s.quiet.unless}` : ""}: told when that ends`);
  if (many(s.maintenance).length) out.push(`Maintenance ${windows(s.maintenance)}: told afterwards if it still lasts`);
  if (s.wait) out.push(`Waits ${s.wait}: what is over by then is never told`);
  if (s.group?.by) out.push(`Several incidents in one message, ${s.group.by === "all" ? "all together" : `by ${s.group.by}`}`);
  if (s.updates === "important") out.push("Afterwards only what got worse, and the end");
  if (s.updates === "none") out.push("Nothing after the first message");
  if (s.every) out.push(`At most one change in ${s.every}`);
  if (s.repeat) out.push(`Reminds every ${s.repeat} until somebody acknowledges`);
  for (const e of many(s.escalate)) out.push(`Not acknowledged after ${e.after}: ${listed(many(e.to))} too`);
  if (s.digest?.every) {
    const day = s.digest.every === "weekly" ? ` on ${dayNames[s.digest.day || "mon"] ?? s.digest.day}` : "";
    out.push(`One summary ${s.digest.every === "weekly" ? "a week" : "a day"}${day} at ${s.digest.at || "08:00"}${s.digest.zone ? ` (${s.digest.zone})` : ""}, no single messages`);
  }
  return out;
}

/** How long a silence still holds. */
export function ends(s: Pick<Silence, "from" | "until">, now: number): string {
  const left = Date.parse(s.until) - now;
  if (left <= 0) return "over";
  const from = s.from ? Date.parse(s.from) : 0;
  if (from > now) return `begins in ${lasting(from - now)}, for ${lasting(Date.parse(s.until) - from)}`;
  return `${lasting(left)} more`;
}

/** What came of one message. */
export function outcome(t: Told): string {
  switch (t.outcome) {
    case "sent": return `was told${t.loud ? ", loudly" : ""}`;
    case "failed": return `could not be told (attempt ${t.attempt ?? 1}), tried again`;
    case "dead": return "could not be told, given up";
    case "held": return "is not told now";
    case "unwanted": return "is told: no subscription matches"; // the receiver is nobody
    default: return t.outcome;
  }
}

/** The faults that the API found, by the key of the field; what belongs to none is under "". */
export function faults(detail: string): Map<string, string> {
  const out = new Map<string, string>();
  const add = (key: string, text: string) => out.set(key, out.has(key) ? `${out.get(key)}; ${text}` : text);
  // The checks of shapes are joined by "; " and begin with "body."; those of the desk are lines.
  const shapes = /^validation failed: (.*)$/s.exec(detail);
  for (const part of shapes ? shapes[1]!.split(/; (?=body\b)/) : detail.split("\n")) {
    const m = /^(?:body\.)?(?:subscription\.)?([a-z_]+(?:\[\d+\]|\.[a-z_]+)*): (.*)$/s.exec(part.trim());
    if (m) add(m[1]!, m[2]!);
    else if (part.trim()) add("", part.trim());
  }
  return out;
}

/** The faults of a field and of what is below it: match.severity, to[0]. */
export function faultsOf(all: ReadonlyMap<string, string>, ...keys: readonly string[]): string {
  return [...all].filter(([k]) => keys.some((key) => k === key || k.startsWith(`${key}.`) || k.startsWith(`${key}[`))).map(([, text]) => text).join("; ");
}

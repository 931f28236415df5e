// A subscription as a form has it: texts, and lists of words. What the form has no field for
// is kept as it was.
import { many, type Subscription } from "../../api/types";
import type { Match } from "./words";

export interface Draft {
  name: string;
  hosters: string[];
  tags: string[];
  upstreams: string[];
  prefixes: string[];
  kinds: string[];
  classes: string[];
  severity: string;
  to: string[];
  mention: string[];
  updates: string;
  quietHours: string; // 22:00-07:00
  quietDays: string[];
  quietZone: string;
  quietUnless: string;
  wait: string;
  every: string;
  repeat: string;
  group: string;
  digest: string;
  digestAt: string;
  digestDay: string;
}

export function draftOf(s: Subscription | undefined): Draft {
  const m = (s?.match ?? {}) as Match;
  const q = many(s?.quiet?.windows)[0];
  return {
    name: s?.name ?? "",
    hosters: [...many(m.hosters)],
    tags: [...many(m.tags)],
    upstreams: many(m.upstreams).map((a) => `AS${a}`),
    prefixes: [...many(m.prefixes)],
    kinds: [...many(m.kinds)],
    classes: [...many(m.classes)],
    severity: m.severity ?? "",
    to: [...many(s?.to)],
    mention: [...many(s?.mention)],
    updates: s?.updates ?? "",
    quietHours: many(q?.hours)[0] ?? "",
    quietDays: [...many(q?.days)],
    quietZone: q?.zone ?? "",
    quietUnless: s?.quiet?.unless ?? "",
    wait: s?.wait ?? "",
    every: s?.every ?? "",
    repeat: s?.repeat ?? "",
    group: s?.group?.by ?? "",
    digest: s?.digest?.every ?? "",
    digestAt: s?.digest?.at ?? "",
    digestDay: s?.digest?.day ?? "",
  };
}

/** AS6939, as6939 and 6939; undefined where it is none. */
export function asnOf(text: string): number | undefined {
  const m = /^(?:as)?(\d{1,10})$/i.exec(text.trim());
  const n = m ? Number(m[1]) : 0;
  return n > 0 && n < 2 ** 32 ? n : undefined;
}

/** What is wrong before anything is asked: the rest the API says. */
export function wrong(d: Draft): Map<string, string> {
  const out = new Map<string, string>();
  if (!/^[a-z0-9-]{1,64}$/.test(d.name)) out.set("name", d.name ? `${d.name} is no name: small letters, digits and dashes, at most 64` : "it needs a name");
  if (d.to.length === 0) out.set("to", "nobody would be told: choose a receiver");
  for (const u of d.upstreams) if (asnOf(u) === undefined) out.set("match.upstreams", `${u} is no AS number`);
  return out;
}

function orNothing<T>(list: readonly T[]): T[] | undefined {
  return list.length > 0 ? [...list] : undefined;
}

/** Takes away what is undefined, "" or empty. */
function given<T extends object>(x: T): T | undefined {
  const out = Object.fromEntries(Object.entries(x).filter(([, v]) => v !== undefined && v !== "" && v !== null));
  return Object.keys(out).length > 0 ? (out as T) : undefined;
}

/** The subscription that the form describes; before is the one that is changed. */
export function subscriptionOf(d: Draft, before?: Subscription): Record<string, unknown> {
  const match = given({
    ...(before?.match as Match | undefined),
    hosters: orNothing(d.hosters),
    tags: orNothing(d.tags),
    upstreams: orNothing(d.upstreams.map((u) => asnOf(u) ?? 0)),
    prefixes: orNothing(d.prefixes),
    kinds: orNothing(d.kinds),
    classes: orNothing(d.classes),
    severity: d.severity,
  });
  const [first, ...others] = many(before?.quiet?.windows);
  const quiet = given({ ...(first ?? {}), hours: d.quietHours ? [d.quietHours, ...many(first?.hours).slice(1)] : undefined, days: orNothing(d.quietDays), zone: d.quietZone });
  const windows = orNothing([...(quiet && (d.quietHours || d.quietDays.length > 0) ? [quiet] : []), ...others]);
  const { by: _, ...rest } = before ?? {};
  return (
    given({
      ...rest,
      name: d.name,
      match,
      to: d.to,
      mention: orNothing(d.mention),
      updates: d.updates,
      quiet: windows ? given({ windows, unless: d.quietUnless }) : undefined,
      wait: d.wait,
      every: d.every,
      repeat: d.repeat,
      group: d.group ? given({ ...before?.group, by: d.group }) : undefined,
      digest: d.digest ? given({ ...before?.digest, every: d.digest, at: d.digestAt, day: d.digest === "weekly" ? d.digestDay : undefined }) : undefined,
    }) ?? {}
  );
}

/** The parts of a subscription that the form does not show, in the words of the configuration. */
export function beyond(s: Subscription | undefined): string[] {
  if (!s) return [];
  const m = (s.match ?? {}) as Match;
  const out: string[] = [];
  for (const key of ["incidents", "asns", "sources"] as const) if (many(m[key] as string[] | null | undefined).length) out.push(`match.${key}`);
  if (m.score) out.push("match.score");
  if (many(s.except).length) out.push("except");
  if (many(s.hours).length) out.push("hours");
  if (many(s.maintenance).length) out.push("maintenance");
  if (many(s.escalate).length) out.push("escalate");
  if (many(s.quiet?.windows).length > 1) out.push("the other quiet windows");
  return out;
}

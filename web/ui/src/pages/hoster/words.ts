// How a hoster stands, in sentences. Pure.
import type { components } from "../../api/schema";
import type { Standing, Still, UpstreamShare } from "../../api/types";
import { many } from "../../api/types";
import { as, count, listed, percent } from "../../words";

/** The prefixes of a hoster at a moment. */
export type About = components["schemas"]["TimelineAbout"];

interface By {
  asn: number;
  family: number;
  share: number;
}

const most = 4;

/** AS6939 (62 %) and AS3549 (38 %); the family where there are both. */
export function carriers(list: readonly By[]): string {
  const both = new Set(list.map((u) => u.family)).size > 1;
  const words = list.slice(0, most).map((u) => `${as(u.asn)} (${percent(u.share)}${both ? ` of IPv${u.family}` : ""})`);
  if (list.length > most) words.push(`${list.length - most} more`);
  return listed(words);
}

/** How it stands now: one or two sentences, true whatever the state is. */
export function howItStands(s: Standing): string {
  const carrying = many(s.upstreams).filter((u) => u.share > 0);
  const through = carrying.length > 0 ? `, through ${carriers(carrying)}` : "";
  const eyes = count(s.eligible, "peer");
  switch (s.state) {
    case "visible":
      return `Routed: ${percent(s.visibility)} of what ${eyes} could see of ${itsPrefixes(s)}${through}.`;
    case "partly":
      return `Partly routed: ${percent(s.visibility)} of what ${eyes} could see of ${itsPrefixes(s)}${through}.${s.withdrawn > 0 ? ` ${count(s.withdrawn, "prefix is", "prefixes are")} withdrawn.` : ""}`;
    case "dark":
      return `Dark: of ${eyes} that could see it, ${carrying.length > 0 ? `hardly any holds a route to ${itsPrefixes(s)}${through}` : `none holds a route to ${itsPrefixes(s)}`}.`;
    case "not valid now":
      return "Not watched now: its entry in the watchlist is not valid at this time. Below is what is remembered of it; nothing new is judged.";
    default:
      return "Not known: no peer that is heard could see it. Whether it is routed cannot be said from here.";
  }
}

function itsPrefixes(s: Standing): string {
  return s.prefixes === 1 ? "its one prefix" : `its ${s.prefixes.toLocaleString("en")} prefixes`;
}

const how: Record<string, string> = { given: "it was first reported", sighting: "its first C&C server was seen" };

/**
 * Still routed by AS6939 (62 %), 27 days after it was first reported. Empty where nothing was reported of it. The memory counts
 * other pairs than the judgement: where that has said who carries it (carried), it is not said twice.
 */
export function stillRouted(s: Still, carried = false): string {
  if (!s.reported) return "";
  const since = `${count(s.days, "day")} after ${how[s.reported_by ?? ""] ?? "depeer first knew of it"}`;
  const by = many(s.by);
  if (!s.routed) return `No longer routed, as far as is heard, ${since}.`;
  return by.length > 0 && !carried ? `Still routed by ${carriers(by)}, ${since}.` : `Still routed, ${since}.`;
}

/** What became of a share: "lost", "fallen", "as usual", "more than usual", "new". */
export function course(u: UpstreamShare): string {
  if (u.lost) return "lost";
  if (u.baseline === 0 && u.share > 0) return "new";
  if (u.share < u.baseline * 0.5) return "fallen";
  return "carries it";
}

const fates: Record<string, string> = {
  there: "still there", moved: "moved", "never paused": "never paused: it was elsewhere too", gone: "gone, and nowhere new", "not known": "not known: who saw it there says nothing any more",
};

export function fateWords(fate: string): string {
  return fates[fate] ?? fate;
}

/** The formats of a list, by what they are for. */
export const formats = ["csv", "json", "ndjson", "stix", "misp"] as const;

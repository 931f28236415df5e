// The story as plain text, for a ticket or a mail: times in UTC, no line that needs the page.
import { many, type Story } from "../../api/types";
import { as, count, listed, utc } from "../../words";
import { carer, storyLines, type Line } from "./story";
import { eventSubject, exact, kindName, messageName, pathText, phases, resolutionName, toldText } from "./tell";

const mostEvidence = 3; // of each event: a ticket is read, and the page has all

export interface TicketOptions {
  name: string; // of the hoster
  link: string; // to the page
}

/** The whole story. Every line stands for itself. */
export function ticket(s: Story, o: TicketOptions): string {
  const i = s.incident;
  const asns = (list: readonly number[] | null) => (many(list).length ? listed(many(list).map(as)) : "none");
  const head = [
    i.summary,
    "",
    `Incident:  ${i.id} (revision ${i.revision})`,
    `Hoster:    ${o.name} (${i.hoster})`,
    `Class:     ${i.class}, severity ${i.severity}`,
    `Phase:     ${i.phase}, ${i.resolution ? resolutionName(i.resolution) : phases[i.phase] ?? ""}`,
    `Began:     ${utc(i.opened)}, confirmed ${utc(i.confirmed)}${i.resolved ? `, over ${utc(i.resolved)}` : ""}`,
    `Upstreams: lost ${asns(i.lost)}; remaining ${asns(i.remaining)}; gained ${asns(i.gained)}`,
    `Prefixes:  ${many(i.prefixes).join(" ") || "none"}`,
    `Care:      ${carer(many(s.notes))?.who ?? "nobody has acknowledged it"}`,
    ...(s.next ? [`Next:      ${s.next}`] : []),
    `Page:      ${o.link}`,
    "",
    "In order (UTC):",
  ];
  const lines = storyLines(s).flatMap(said);
  const missing = many(s.missing).map((m) => `Missing: ${m}`);
  return [...head, ...lines, ...(missing.length ? ["", ...missing] : []), ""].join("\n");
}

function said(l: Line): string[] {
  const at = utc(l.at);
  switch (l.what) {
    case "events": {
      const first = l.events[0]!;
      const rest = l.events.length > 1 ? ` (and ${count(l.events.length - 1, "more like it", "more like it")}, until ${utc(l.events[l.events.length - 1]!.at)})` : "";
      const out = [`${at}  ${kindName(first.kind)}: ${eventSubject(first)}; since ${utc(first.first_seen)}${rest}`];
      for (const e of many(first.evidence).slice(0, mostEvidence)) {
        const path = pathText(e.path);
        out.push(`    ${exact(e.at)} ${e.collector} ${as(e.peer_asn)} ${e.peer} ${messageName(e.type)}${e.prefix ? ` ${e.prefix}` : ""}${path ? ` path ${path}` : ""}`);
      }
      const more = many(first.evidence).length - mostEvidence;
      if (more > 0) out.push(`    and ${count(more, "more message")}`);
      return out;
    }
    case "became": return [`${at}  Revision ${l.incident.revision}: ${l.incident.summary}`];
    case "moved": return [`${at}  C&C: ${l.migration.summary} (score ${l.migration.score})`];
    case "note": return [`${at}  ${l.note.who} ${l.note.ack ? "acknowledged" : "commented"}${l.note.text ? `: ${l.note.text}` : ""}`];
    case "told": return [`${at}  ${l.told[0]!.receiver === "nobody" ? "" : `${l.told[0]!.receiver} `}${toldText(l.told[l.told.length - 1]!)}${l.told.length > 1 ? ` (${l.told.length} times)` : ""}`];
    case "gap": return [`${at}  ${l.ends ? "Seen again" : "Not seen from here on"}: ${l.gap.collector || l.gap.source || "everything"}, ${l.gap.reason}`];
  }
}

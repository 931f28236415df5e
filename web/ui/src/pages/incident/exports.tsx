// What leaves the page: the story as text, the records as files, the picture.
import { url } from "../../api/ask";
import { nameOf, now } from "../../api/board";
import { many, type Story } from "../../api/types";
import { Copy, Panel } from "../../parts/parts";
import { ticket } from "./ticket";

const formats = [
  { key: "csv", name: "CSV" },
  { key: "json", name: "JSON" },
  { key: "ndjson", name: "NDJSON" },
  { key: "stix", name: "STIX 2.1" },
  { key: "misp", name: "MISP" },
] as const;

const api = "/api/v1";

export function Exports({ story }: { story: Story }) {
  const i = story.incident;
  const link = `${location.origin}/incidents/${encodeURIComponent(i.id)}`;
  const span = around(story);
  const hoster = `${api}/hosters/${encodeURIComponent(i.hoster)}/timeline`;
  const records = (list: string, of: readonly { key: string; name: string }[]) =>
    of.map((f) => (
      <a key={f.key} href={url(`${api}/${list}`, { incident: i.id, format: f.key, limit: f.key === "json" ? 1000 : undefined })} download={`depeer-${list}-${i.id}.${f.key}`}>
        {f.name}
      </a>
    ));
  return (
    <Panel title="Take it with you" aside={<Copy text={link}>Copy the link</Copy>}>
      <Copy text={ticket(story, { name: nameOf(i.hoster), link })}>Copy as text, for a ticket</Copy>
      <dl class="incident-exports">
        <dt>Events</dt>
        <dd>{records("events", formats)}</dd>
        {many(story.migrations).length > 0 && (
          <>
            <dt>C&amp;C</dt>
            <dd>{records("migrations", formats)}</dd>
          </>
        )}
        <dt>Messages</dt>
        <dd>
          {formats.slice(0, 3).map((f) => (
            <a key={f.key} href={url(`${api}/incidents/${encodeURIComponent(i.id)}/evidence`, { format: f.key })} download={`depeer-evidence-${i.id}.${f.key}`}>
              {f.name}
            </a>
          ))}
        </dd>
        <dt>Picture</dt>
        <dd>
          <a href={url(`${hoster}.svg`, span)} target="_blank" rel="noopener">
            SVG
          </a>
          <a href={url(`${hoster}.png`, { ...span, width: 1400, scale: 2 })} target="_blank" rel="noopener">
            PNG
          </a>
        </dd>
        <dt>Routes</dt>
        <dd>
          <a href={url(`${api}/bgplay`, { resource: i.hoster, ...span })} download={`depeer-bgplay-${i.id}.json`}>
            BGPlay
          </a>
        </dd>
        <dt>Everything</dt>
        <dd>
          <a href={`${api}/incidents/${encodeURIComponent(i.id)}`}>the story as JSON</a>
        </dd>
      </dl>
    </Panel>
  );
}

/** An hour before it began, to its end or now. */
function around(s: Story): { from: string; to: string | undefined } {
  const from = new Date(Date.parse(s.incident.opened) - 3_600_000).toISOString();
  const end = s.incident.resolved ? Math.min(now(), Date.parse(s.incident.resolved) + 1_800_000) : undefined;
  return { from, to: end === undefined ? undefined : new Date(end).toISOString() };
}

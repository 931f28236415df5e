import { base, url } from "../../api/ask";
import type { Timeline } from "../../api/types";
import { formats } from "./words";

/** The same to take away: the picture, the routes for BGPlay, and what was concluded. */
export function Exports({ id, timeline, from, to }: { id: string; timeline: Timeline; from: string | undefined; to: string | undefined }) {
  const period = { from, to: to ?? (from ? timeline.to : undefined), since: from ? timeline.from : undefined };
  const at = `${base}/hosters/${encodeURIComponent(id)}`;
  return (
    <details class="hoster-exports">
      <summary>Take away</summary>
      <ul>
        <li>
          This period as a picture: <a href={url(`${at}/timeline.svg`, period)} download={`${id}.svg`}>SVG</a>, <a href={url(`${at}/timeline.png`, { ...period, scale: 2 })} download={`${id}.png`}>PNG</a>
        </li>
        <li>
          Its answer: <a href={url(`${at}/timeline`, period)} download={`${id}.json`}>JSON</a>; its routes for <a href={url(`${base}/bgplay`, { resource: id, from: period.from, to: period.to })} download={`${id}-bgplay.json`}>BGPlay</a>
        </li>
        {(["events", "migrations"] as const).map((list) => (
          <li key={list}>
            All {list}:{" "}
            {formats.map((f, i) => (
              <span key={f}>
                {i > 0 && ", "}
                <a href={url(`${base}/${list}`, { hoster: id, format: f })} download>
                  {f === "csv" || f === "json" || f === "ndjson" ? f.toUpperCase() : f === "stix" ? "STIX" : "MISP"}
                </a>
              </span>
            ))}
          </li>
        ))}
      </ul>
    </details>
  );
}

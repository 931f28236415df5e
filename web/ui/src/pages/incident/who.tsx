// Who was told, when, and why not.
import { many, type Story, type Told } from "../../api/types";
import { Badge, Empty, Panel, Time } from "../../parts/parts";
import { listed } from "../../words";
import { receivers } from "./story";
import { toldSeverity, toldText } from "./tell";

export function WhoWasTold({ story }: { story: Story }) {
  const all = many(story.deliveries);
  const last = receivers(all);
  const times = (r: string) => all.filter((t) => t.receiver === r && t.outcome === "sent").length;
  return (
    <Panel title="Who was told" aside={all.length > 0 && <a href={`/incidents/${encodeURIComponent(story.incident.id)}?show=people`}>all, in order</a>}>
      {last.length === 0 ? (
        <Empty>
          Nobody, as far as is remembered. <a href="/subscriptions">Subscriptions</a> say who hears of what.
        </Empty>
      ) : (
        <ul class="incident-told">
          {last.map((t) => (
            <li key={t.receiver}>
              <Badge is={toldSeverity(t)}>{t.outcome}</Badge> <ToldLine t={t} />
              {times(t.receiver) > 1 && <span class="quiet"> ({times(t.receiver)} messages)</span>}
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

/** One delivery in a line. */
export function ToldLine({ t, timed = true }: { t: Told; timed?: boolean }) {
  return (
    <span>
      {t.receiver !== "nobody" && <strong>{t.receiver}</strong>} {toldText(t)}
      <span class="quiet">
        {timed && (
          <>
            {" "}
            <Time at={t.at} />
          </>
        )}
        {t.reason && `, because ${reason(t.reason)}`}
        {t.loud && ", loud"}
        {many(t.for).length > 0 && `; asked for by ${listed(many(t.for))}`}
      </span>
    </span>
  );
}

const reasons: Record<string, string> = {
  opened: "it began", changed: "the story moved on", resolved: "it is over", reminder: "it still lasts", escalation: "nobody acknowledged it",
  acked: "somebody said something", digest: "the digest was due", test: "somebody tested it",
};

function reason(r: string): string {
  return reasons[r] ?? r;
}

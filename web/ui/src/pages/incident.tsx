// One incident: whether it is true, whether one knows enough, and what to do next.
import { useRoute } from "preact-iso";
import { useEffect, useMemo } from "preact/hooks";
import { useAsk, type Trouble } from "../api/ask";
import { nameOf } from "../api/board";
import { useStream } from "../api/stream";
import { many, type Story } from "../api/types";
import { Empty, Gaps, Missing, Panel, Skeleton, TroubleBox } from "../parts/parts";
import { useQuery } from "../place";
import { Actions } from "./incident/actions";
import { BeforeAndAfter } from "./incident/before";
import { Exports } from "./incident/exports";
import { Head } from "./incident/head";
import { Lines } from "./incident/lines";
import { useNeighbours } from "./incident/neighbours";
import { storyLines } from "./incident/story";
import { WhoWasTold } from "./incident/who";
import "./incident.css";

const asksAgain = 15_000; // what no message of the stream tells: deliveries, silences

export function Incident() {
  const id = useRoute().params["id"]!;
  const story = useAsk<Story>(`/incidents/${encodeURIComponent(id)}`, undefined, asksAgain);
  const mine = (incident: string | null | undefined) => {
    if (incident === id) story.again();
  };
  useStream("incident", (i) => mine(i.id), [id]);
  useStream("event", (e) => mine(e.incident), [id]);
  useStream("note", (n) => mine(n.incident), [id]);
  useStream("back", () => story.again(), [id]);
  const s = story.data;
  useEffect(() => {
    document.title = s ? `${nameOf(s.incident.hoster)}: ${s.incident.class} – depeer` : "Incident – depeer";
  }, [s, s && nameOf(s.incident.hoster)]);
  useNeighbours(id);
  if (!s) return <Nothing id={id} trouble={story.trouble} again={story.again} />;
  return (
    <div class="page incident">
      {story.trouble && <TroubleBox trouble={story.trouble} again={story.again} />}
      <Head story={s} />
      <div class="incident-body">
        <div class="incident-do">
          <Actions key={id} story={s} changed={story.again} />
        </div>
        <div class="incident-tale">
          <BeforeAndAfter key={id} incident={s.incident} revisions={many(s.revisions)} />
          <Tale story={s} />
        </div>
        <div class="incident-beside">
          <WhoWasTold story={s} />
          <Exports story={s} />
        </div>
      </div>
    </div>
  );
}

/** No story: on its way, unknown, or nothing is remembered here. */
function Nothing({ id, trouble, again }: { id: string; trouble: Trouble | undefined; again: () => void }) {
  return (
    <div class="page incident">
      <h1>Incident</h1>
      {trouble ? (
        <>
          <TroubleBox trouble={trouble} again={again} />
          <p>
            {trouble.status === 404 ? (
              <>
                The id <code>{id}</code> may be cut off, or of another depeer. <a href="/incidents">All incidents</a>
              </>
            ) : (
              <a href="/">To the board</a>
            )}
          </p>
        </>
      ) : (
        <>
          <Skeleton height={150} />
          <div class="incident-body">
            <div class="incident-do">
              <Skeleton height={420} />
            </div>
            <div class="incident-tale">
              <Skeleton height={700} />
            </div>
          </div>
        </>
      )}
    </div>
  );
}

const chapters = [
  { key: "events", name: "Events", of: ["events"] },
  { key: "revisions", name: "What it became", of: ["became"] },
  { key: "cnc", name: "C&C", of: ["moved"] },
  { key: "people", name: "People", of: ["note", "told"] },
] as const;

/** Everything in order; show leaves out what is not wanted. */
function Tale({ story }: { story: Story }) {
  const [query, set] = useQuery();
  const lines = useMemo(() => storyLines(story), [story]);
  const shown = (query["show"] ?? "").split(",").filter(Boolean);
  const wanted = shown.length ? lines.filter((l) => l.what === "gap" || chapters.some((c) => shown.includes(c.key) && (c.of as readonly string[]).includes(l.what))) : lines;
  const toggle = (key: string) => set({ show: (shown.includes(key) ? shown.filter((k) => k !== key) : [...shown, key]).join(",") }, true);
  return (
    <Panel
      title="What happened, in order"
      aside={
        <span class="incident-chapters" role="group" aria-label="Show only">
          {chapters.map((c) => {
            const n = lines.reduce((n, l) => n + ((c.of as readonly string[]).includes(l.what) ? (l.what === "events" ? l.events.length : 1) : 0), 0);
            return (
              <button key={c.key} type="button" aria-pressed={shown.includes(c.key)} disabled={n === 0} onClick={() => toggle(c.key)}>
                {c.name} <span class="quiet">{n}</span>
              </button>
            );
          })}
        </span>
      }
    >
      <Missing sentences={story.missing} />
      <Gaps gaps={story.gaps} />
      {wanted.length === 0 ? <Empty>Nothing of this kind belongs to the incident. Choose another above, or none for everything.</Empty> : <Lines lines={wanted} story={story} />}
    </Panel>
  );
}


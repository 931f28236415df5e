import { useRoute } from "preact-iso";
import { useEffect } from "preact/hooks";
import { TimelineChart, useTimeline } from "../chart/timeline";
import { Answer, Panel } from "../parts/parts";
import { useQuery } from "../place";

export function Hoster() {
  const { params } = useRoute();
  const id = params["id"]!;
  const [query, set] = useQuery();
  const t = useTimeline(`/hosters/${encodeURIComponent(id)}`, query["from"], query["to"]);
  useEffect(() => {
    document.title = `${t.data?.title ?? id} – depeer`;
  }, [t.data?.title, id]);
  return (
    <div class="page">
      <h1>{t.data?.title ?? id}</h1>
      <Panel title="Timeline" busy={t.asking}>
        <Answer of={t} height={500}>
          {(data) => <TimelineChart timeline={data} fine={t.fine} from={query["from"]} to={query["to"]} onZoom={(from, to) => set({ from, to })} at={query["at"]} onMoment={(at) => set({ at }, true)} />}
        </Answer>
      </Panel>
    </div>
  );
}

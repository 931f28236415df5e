// From a hoster through its families to the networks where they were seen next.
import { useLocation } from "preact-iso";
import { useCallback, useMemo } from "preact/hooks";
import { nameOf } from "../api/board";
import type { Migration } from "../api/types";
import { As, Empty } from "../parts/parts";
import { Chart, type Colours } from "./chart";
import type { EChartsType } from "./echarts";
import { familyHref, familyWords, type Fated, flowHeight, flowSentence, flowsOf, type Flows, type Stop } from "./flows";
import "./flow.css";

export interface FlowProps {
  migrations: readonly Migration[]; // of one hoster or of many; latest revisions
  fated?: readonly Fated[]; // families that did not move are drawn too, as ends
  height?: number; // CSS pixels; as high as the names need it where it is missing
}

const mostDrawn = 80;

/** The picture, and the same as a list. */
export function Flow({ migrations, fated = [], height }: FlowProps) {
  const { route } = useLocation();
  const flows = useMemo(() => flowsOf(migrations, fated, nameOf), [migrations, fated]);
  const option = useCallback((c: Colours) => drawing(flows, c), [flows]);
  const ready = useCallback(
    (chart: EChartsType) => {
      const click = (e: { data?: unknown }) => {
        const href = (e.data as { href?: string } | undefined)?.href;
        if (href) route(href);
      };
      chart.on("click", click as never);
      return () => void chart.off("click", click as never);
    },
    [route],
  );
  if (flows.lines.length === 0) return <Empty>No family was seen leaving, and none is known to have stayed.</Empty>;
  if (flows.lines.length > mostDrawn) {
    return (
      <>
        <Empty>{flows.lines.length.toLocaleString("en")} are too many for one picture: ask for one hoster or one family.</Empty>
        <FlowList flows={flows} />
      </>
    );
  }
  const tall = height ?? flowHeight(flows);
  return (
    <figure class="flow">
      {/* Another height is another drawing. */}
      <Chart key={tall} option={option} height={tall} label={flowSentence(flows)} ready={ready} />
      <figcaption class="quiet">
        A move is as wide as its score; a paler one has too few points to be called a move. It coincides with what happened to the routes: nothing here says why.
      </figcaption>
      <FlowList flows={flows} />
    </figure>
  );
}

function FlowList({ flows }: { flows: Flows }) {
  const several = new Set(flows.lines.map((l) => l.hoster)).size > 1;
  return (
    <details class="flow-list">
      <summary>The same as a list</summary>
      <ul>
        {flows.lines.map((l, i) => (
          <li key={i}>
            {l.family ? <a href={familyHref(l.family)}>{l.family}</a> : familyWords(l.family)}
            {several && <> of {nameOf(l.hoster)}</>}: {l.what}
            {l.to > 0 && (
              <>
                , to <As asn={l.to} /> {l.toName}
              </>
            )}
            {l.migration && <span class="quiet"> (score {l.migration.score})</span>}
          </li>
        ))}
      </ul>
    </details>
  );
}

function drawing(flows: Flows, c: Colours) {
  const narrow = matchMedia("(max-width: 40rem)").matches;
  const families = flows.stops.filter((s) => s.layer === 1);
  const colour = (s: Stop) => {
    if (s.layer === 1) return c.series[families.indexOf(s) % c.series.length]!;
    return s.layer === 0 ? c.accent : s.id.startsWith("end") ? c.quiet : c.warn;
  };
  const find = new Map(flows.stops.map((s) => [s.id, s]));
  const name = (id: unknown) => find.get(String(id))?.name ?? "";
  return {
    // Plain text: no markup, and so no style in it.
    tooltip: {
      renderMode: "richText", confine: true, backgroundColor: c.surface, borderColor: c.line, textStyle: { color: c.text, fontSize: 12 },
      formatter: (p: { dataType?: string; data: { source?: string; target?: string; said?: string; name?: string } }) =>
        p.dataType === "edge" ? `${name(p.data.source)} → ${name(p.data.target)}${p.data.said ? `\n${p.data.said}` : ""}` : name(p.data.name),
    },
    series: [
      {
        type: "sankey",
        left: 2, right: narrow ? 110 : 190, top: 8, bottom: 8,
        nodeWidth: 10, nodeGap: 14, draggable: false, layoutIterations: 32,
        emphasis: { focus: "adjacency" },
        label: { color: c.text, fontSize: narrow ? 11 : 13, formatter: (p: { name: string }) => clip(name(p.name), narrow ? 16 : 26), textBorderColor: c.surface, textBorderWidth: 3 },
        edgeLabel: { show: !narrow, color: c.text, fontSize: 11, formatter: (p: { data: { said?: string } }) => p.data.said ?? "", textBorderColor: c.surface, textBorderWidth: 3 },
        data: flows.stops.map((s) => ({ name: s.id, depth: s.layer, href: s.href, itemStyle: { color: colour(s), borderWidth: 0 } })),
        links: flows.streams.map((l) => {
          const family = find.get(l.kind === "home" ? l.to : l.from)!;
          return {
            source: l.from, target: l.to, value: l.width, said: l.label,
            lineStyle: { color: l.kind === "end" ? c.gap : colour(family), opacity: l.kind === "watch" ? 0.18 : 0.4, curveness: 0.5 },
          };
        }),
      },
    ],
  };
}

function clip(s: string, most: number): string {
  return s.length > most ? `${s.slice(0, most - 1)}…` : s;
}

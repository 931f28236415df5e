// How many hosters, and prefixes of theirs, an upstream carried through time.
import type { EChartsCoreOption } from "echarts/core";
import { useCallback } from "preact/hooks";
import { many, type Carried } from "../../api/types";
import { Chart, type Colours } from "../../chart/chart";
import { Table, Time } from "../../parts/parts";
import { count, utc } from "../../words";
import { stepsOf, type Step } from "./steps";

const height = 260;
const rows = 200;

export function Course({ carried, name }: { carried: Carried; name: string }) {
  const course = many(carried.course);
  const first = course[0]!;
  const last = course[course.length - 1]!;
  const option = useCallback((c: Colours) => drawn(carried, c), [carried]);
  const said = `${name} carried ${count(first.hosters, "watched hoster")} with ${count(first.prefixes, "prefix", "prefixes")} on ${utc(first.at)}, and ${last.hosters} with ${last.prefixes} on ${utc(carried.to)}.`;
  return (
    <>
      <p class="quiet">{said}</p>
      <Chart option={option} height={height} label={said} />
      <details>
        <summary>Each step</summary>
        <Table label="How many it carried" head={["From", "Hosters", "Prefixes"]}>
          {course.slice(-rows).map((p) => (
            <tr key={p.at}>
              <td><Time at={p.at} /></td>
              <td>{p.hosters}</td>
              <td>{p.prefixes}</td>
            </tr>
          ))}
        </Table>
        {course.length > rows && <p class="quiet">The last {rows} of {course.length.toLocaleString("en")}.</p>}
      </details>
    </>
  );
}

function drawn(carried: Carried, c: Colours): EChartsCoreOption {
  const course = many(carried.course);
  const from = Date.parse(carried.from);
  const to = Math.max(Date.parse(carried.to), from + 1000);
  const text = { color: c.quiet, fontSize: 11 };
  const grids = [{ left: 44, right: 16, top: 22, height: 80 }, { left: 44, right: 16, top: 142, height: 80 }];
  const series = (["hosters", "prefixes"] as const).map((of, i) => ({
    type: "custom", xAxisIndex: i, yAxisIndex: i, encode: { x: [0, 1], y: 2 }, data: stepsOf(course, of, to), clip: true, renderItem: step(c.series[i]!),
  }));
  return {
    useUTC: true,
    grid: grids,
    xAxis: grids.map((_, i) => ({ type: "time", gridIndex: i, min: from, max: to, axisLabel: { ...text, show: i === 1, hideOverlap: true }, axisLine: { lineStyle: { color: c.line } }, splitLine: { show: false } })),
    yAxis: ["Hosters", "Prefixes"].map((name, i) => ({ type: "value", gridIndex: i, min: 0, minInterval: 1, splitNumber: 2, name, nameGap: 8, nameTextStyle: { ...text, align: "left" }, axisLabel: text, splitLine: { lineStyle: { color: c.line } } })),
    tooltip: {
      confine: true, backgroundColor: c.surface, borderColor: c.line, textStyle: { color: c.text },
      formatter: (x: { seriesIndex: number; value: Step }) => {
        const [from, until, n] = x.value;
        const box = document.createElement("div");
        box.textContent = `${utc(from)} – ${utc(until)}: ${x.seriesIndex === 0 ? count(n, "hoster") : count(n, "prefix", "prefixes")}`;
        return box;
      },
    },
    series,
  };
}

type Api = { value: (i: number) => number; coord: (p: readonly [number, number]) => [number, number] };

/** One step: as high as it is many, with a line on top. */
function step(colour: string) {
  return (_: unknown, api: Api) => {
    const [x0, y] = api.coord([api.value(0), api.value(2)]);
    const [x1, base] = api.coord([api.value(1), 0]);
    const width = Math.max(1.5, x1 - x0); // a short time is seen too
    return {
      type: "group",
      children: [
        { type: "rect", shape: { x: x0, y, width, height: base - y }, style: { fill: colour, opacity: 0.22 } },
        { type: "rect", shape: { x: x0, y: y - 1, width, height: 2 }, style: { fill: colour } },
      ],
    };
  };
}

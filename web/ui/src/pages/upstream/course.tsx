// How many hosters, and prefixes of theirs, an upstream carried through time.
import type { EChartsCoreOption } from "echarts/core";
import { useCallback } from "preact/hooks";
import { many, type Carried } from "../../api/types";
import { Chart, type Colours } from "../../chart/chart";
import { Table, Time } from "../../parts/parts";
import { count, utc } from "../../words";

const height = 260;
const rows = 200;

export function Course({ carried, name }: { carried: Carried; name: string }) {
  const course = many(carried.course);
  const first = course[0]!;
  const last = course[course.length - 1]!;
  const option = useCallback((c: Colours) => drawn(carried, c), [carried]);
  const said = `${name} carried ${count(first.hosters, "watched hoster")} with ${count(first.prefixes, "prefix", "prefixes")} on ${utc(carried.from)}, and ${last.hosters} with ${last.prefixes} on ${utc(carried.to)}.`;
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
              <td class="number">{p.hosters}</td>
              <td class="number">{p.prefixes}</td>
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
  const points = (of: "hosters" | "prefixes") => [...course.map((p) => [Math.max(from, Date.parse(p.at)), p[of]]), [to, course[course.length - 1]![of]]];
  const text = { color: c.quiet, fontSize: 11 };
  const grids = [{ left: 44, right: 16, top: 22, height: 80 }, { left: 44, right: 16, top: 142, height: 80 }];
  const series = (["hosters", "prefixes"] as const).map((of, i) => ({
    name: of === "hosters" ? "Hosters" : "Prefixes", type: "line", step: "end", symbol: course.length < 100 ? "circle" : "none", symbolSize: 4, xAxisIndex: i, yAxisIndex: i, data: points(of), lineStyle: { color: c.series[i], width: 2 }, itemStyle: { color: c.series[i] }, areaStyle: { color: c.series[i], opacity: 0.15 },
  }));
  return {
    useUTC: true,
    grid: grids,
    xAxis: grids.map((_, i) => ({ type: "time", gridIndex: i, min: from, max: to, axisLabel: { ...text, show: i === 1, hideOverlap: true }, axisLine: { lineStyle: { color: c.line } }, splitLine: { show: false } })),
    yAxis: ["Hosters", "Prefixes"].map((name, i) => ({ type: "value", gridIndex: i, min: 0, minInterval: 1, splitNumber: 2, name, nameGap: 8, nameTextStyle: { ...text, align: "left" }, axisLabel: text, splitLine: { lineStyle: { color: c.line } } })),
    tooltip: {
      trigger: "axis", confine: true, backgroundColor: c.surface, borderColor: c.line, textStyle: { color: c.text },
      formatter: (list: readonly { seriesName: string; value: readonly [number, number] }[]) => {
        const box = document.createElement("div");
        for (const [i, x] of list.entries()) {
          const line = document.createElement("div");
          line.textContent = `${i === 0 ? `${utc(x.value[0])} ` : ""}${x.seriesName}: ${x.value[1]}`;
          box.append(line);
        }
        return box;
      },
    },
    series,
  };
}

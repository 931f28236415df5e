// One drawing by ECharts: fetched when it is needed, as large as its place, in the colours of the page.
import type { EChartsCoreOption } from "echarts/core";
import { useEffect, useRef } from "preact/hooks";
import type { EChartsType } from "./echarts";

/** The colours of the page, as the style sheet has them now. */
export interface Colours {
  text: string;
  quiet: string;
  line: string;
  surface: string;
  accent: string;
  good: string;
  warn: string;
  bad: string;
  gap: string;
  series: readonly string[]; // eight that can be told apart, also by the colour blind; then again from the first
}

export function colours(): Colours {
  const style = getComputedStyle(document.documentElement);
  // light-dark() is resolved by the browser only where a colour is used.
  const probe = document.createElement("span");
  document.body.append(probe);
  const get = (name: string) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color || style.getPropertyValue(`--${name}`);
  };
  const out = {
    text: get("text"), quiet: get("quiet"), line: get("line"), surface: get("surface"), accent: get("accent"),
    good: get("good"), warn: get("warn"), bad: get("bad"), gap: get("gap"),
    series: Array.from({ length: 8 }, (_, i) => get(`series-${i + 1}`)),
  };
  probe.remove();
  return out;
}

export interface ChartProps {
  /** What is drawn; made anew when the colours change. Give a new function when the data are new. */
  option: (c: Colours) => EChartsCoreOption;
  height: number; // CSS pixels
  label: string; // what is seen, in a sentence: for whoever does not see it
  /** Called once the drawing is there, to hear its events. The returned function is called before it goes. */
  ready?: (chart: EChartsType) => (() => void) | void;
  keep?: boolean; // the new option is merged into the old one: the zoom stays
}

export function Chart({ option, height, label, ready, keep = false }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType | undefined>(undefined);
  const latest = useRef(option);
  latest.current = option;
  useEffect(() => {
    let gone = false;
    let end: (() => void) | void;
    const draw = () => chart.current?.setOption({ aria: { enabled: false }, animation: false, ...latest.current(colours()) }, { notMerge: true });
    const grow = new ResizeObserver(() => {
      const c = chart.current;
      // It is told once at the beginning, too: nothing is drawn twice for that.
      if (c && place.current && (c.getWidth() !== place.current.clientWidth || c.getHeight() !== place.current.clientHeight)) c.resize();
    });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    void import("./echarts").then(({ init }) => {
      if (gone || !place.current) return;
      chart.current = init(place.current, undefined, { renderer: "canvas" });
      draw();
      end = ready?.(chart.current);
      grow.observe(place.current);
      place.current.dataset["drawn"] = "true";
    });
    dark.addEventListener("change", draw);
    addEventListener("themechange", draw);
    return () => {
      gone = true;
      end?.();
      grow.disconnect();
      dark.removeEventListener("change", draw);
      removeEventListener("themechange", draw);
      chart.current?.dispose();
      chart.current = undefined;
    };
  }, []);
  useEffect(() => {
    chart.current?.setOption({ animation: false, ...option(colours()) }, { notMerge: !keep });
  }, [option]);
  return <div class="chart" ref={place} role="img" aria-label={label} style={{ height: `${height}px` }} />;
}

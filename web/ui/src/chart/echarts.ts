// The parts of ECharts that the pages draw with; nothing else of it is fetched. Whoever
// needs another kind adds it here.
import { use } from "echarts/core";
import { CustomChart, GraphChart, LineChart, SankeyChart, ScatterChart } from "echarts/charts";
import { DataZoomComponent, GridComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent } from "echarts/components";
import { CanvasRenderer } from "echarts/renderers";

use([CustomChart, GraphChart, LineChart, SankeyChart, ScatterChart, DataZoomComponent, GridComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent, CanvasRenderer]);

export { init } from "echarts/core";
export type { EChartsType } from "echarts/core";

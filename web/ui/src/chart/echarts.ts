// The parts of ECharts that the pages draw with; nothing else of it is fetched. Whoever
// needs another kind adds it here.
import { use } from "echarts/core";
import { CustomChart, SankeyChart } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import { CanvasRenderer } from "echarts/renderers";

use([CustomChart, SankeyChart, GridComponent, TooltipComponent, CanvasRenderer]);

export { init } from "echarts/core";
export type { EChartsType } from "echarts/core";

import { Chart } from "../chart/chart";
export function Hoster() {
  return <div class="page"><h1>Hoster</h1><Chart option={() => ({})} height={300} label="" /></div>;
}

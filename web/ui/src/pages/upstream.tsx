export function Upstream() {
  return <div class="page"><h1>Upstream</h1></div>;
}

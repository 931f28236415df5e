export function Incident() {
  return <div class="page"><h1>Incident</h1></div>;
}

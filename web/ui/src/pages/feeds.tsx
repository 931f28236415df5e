export function Feeds() {
  return <div class="page"><h1>Feeds</h1></div>;
}

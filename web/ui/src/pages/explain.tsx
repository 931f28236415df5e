export function Explain() {
  return <div class="page"><h1>Explain</h1></div>;
}

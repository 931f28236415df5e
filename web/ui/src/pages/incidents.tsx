export function Incidents() {
  return <div class="page"><h1>Incidents</h1></div>;
}
export function Events() {
  return <div class="page"><h1>Events</h1></div>;
}

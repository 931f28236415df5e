export function Family() {
  return <div class="page"><h1>Family</h1></div>;
}
export function Migrations() {
  return <div class="page"><h1>Migrations</h1></div>;
}

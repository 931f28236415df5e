export function Subscriptions() {
  return <div class="page"><h1>Subscriptions</h1></div>;
}

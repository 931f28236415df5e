export function Prefix() {
  return <div class="page"><h1>Prefix</h1></div>;
}
export function Asn() {
  return <div class="page"><h1>Asn</h1></div>;
}

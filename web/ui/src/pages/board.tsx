export function Board() {
  return <div class="page"><h1>Board</h1></div>;
}

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ask, generation, send, stranger, Trouble, url, welcome } from "./ask";
import { askBoard, board, boardTrouble, keepBoard, merged, nameOf } from "./board";
import { closeStream, line, listen, openStream } from "./stream";

/** An EventSource that says what the test lets it say. */
class Source {
  static readonly CLOSED = 2;
  static all: Source[] = [];
  readyState = 1;
  onerror: (() => void) | null = null;
  private readonly heard = new Map<string, ((m: { data: string }) => void)[]>();
  constructor(readonly url: string) {
    Source.all.push(this);
  }
  addEventListener(kind: string, f: (m: { data: string }) => void): void {
    this.heard.set(kind, [...(this.heard.get(kind) ?? []), f]);
  }
  say(kind: string, data: unknown = {}): void {
    for (const f of this.heard.get(kind) ?? []) f({ data: JSON.stringify(data) });
  }
  fail(for_good = false): void {
    this.readyState = for_good ? Source.CLOSED : 0;
    this.onerror?.();
  }
  close(): void {
    this.readyState = Source.CLOSED;
  }
}

const answer = (status: number, body: unknown, headers: Record<string, string> = {}) => new Response(status === 204 ? null : typeof body === "string" ? body : JSON.stringify(body), { status, headers });

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("EventSource", Source);
  vi.stubGlobal("document", { visibilityState: "visible" });
  Source.all = [];
});

afterEach(() => {
  closeStream();
  stranger.value = false;
  board.value = boardTrouble.value = undefined;
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test("a question leaves out what is empty", () => {
  expect(url("/events", { hoster: "mccolo", kind: ["upstream.lost", "withdrawn"], limit: 0, cursor: "", from: undefined, to: null, all: false, raw: true })).toBe("/events?hoster=mccolo&kind=upstream.lost%2Cwithdrawn&limit=0&raw=true");
  expect(url("/feeds")).toBe("/feeds");
});

test("an answer is what it is, or a trouble that says what to do", async () => {
  const said: [unknown, RequestInit][] = [];
  const answers = [answer(200, { x: 1 }), answer(204, ""), answer(501, { title: "Not Implemented", status: 501, detail: "configure timeline" }), answer(502, "<h1>a proxy</h1>"), answer(429, {}, { "Retry-After": "7" })];
  vi.stubGlobal("fetch", async (to: unknown, how: RequestInit) => {
    said.push([to, how]);
    return answers.shift()!;
  });
  expect(await ask("/status", { a: 1 })).toEqual({ x: 1 });
  expect(said[0]![0]).toBe("/api/v1/status?a=1");
  expect(await send("POST", "/incidents/i1/ack", { text: "seen" })).toBeUndefined();
  expect(said[1]![1]).toMatchObject({ method: "POST", body: '{"text":"seen"}', headers: { "Content-Type": "application/json" } });
  await expect(ask("/x")).rejects.toMatchObject({ status: 501, title: "Not Implemented", detail: "configure timeline" });
  await expect(ask("/x")).rejects.toMatchObject({ status: 502, detail: "<h1>a proxy</h1>" });
  await expect(ask("/x")).rejects.toMatchObject({ status: 429, retryAfter: 7 });
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")));
  await expect(ask("/x")).rejects.toMatchObject({ status: 0, title: "No answer" });
  const stop = new AbortController();
  stop.abort();
  await expect(ask("/x", {}, stop.signal)).rejects.not.toBeInstanceOf(Trouble); // nobody waits for it: no trouble
});

test("who is refused is a stranger, unless that was before they came in", async () => {
  let refuse: () => void = () => {};
  vi.stubGlobal("fetch", () => new Promise((go) => (refuse = () => go(answer(401, {})))));
  const early = ask("/status");
  welcome();
  refuse();
  await expect(early).rejects.toMatchObject({ status: 401 });
  expect(stranger.value).toBe(false);
  const late = ask("/status");
  refuse();
  await expect(late).rejects.toMatchObject({ status: 401 });
  expect(stranger.value).toBe(true);
});

test("what has changed takes the place of what was, and the order stays", () => {
  const key = (x: { id: string }) => x.id;
  const all = [{ id: "a", n: 1 }, { id: "b", n: 1 }, { id: "c", n: 1 }];
  expect(merged(all, [{ id: "d", n: 2 }, { id: "b", n: 2 }], ["a"], key)).toEqual([{ id: "b", n: 2 }, { id: "c", n: 1 }, { id: "d", n: 2 }]);
  expect(all[1]!.n).toBe(1);
});

test("a line that was lost is told, and all is asked again when it is back", () => {
  const back = vi.fn();
  const end = listen("back", back);
  openStream();
  openStream(); // one is enough
  expect(Source.all).toHaveLength(1);
  const s = Source.all[0]!;
  expect(line.value).toBe("connecting");
  const before = generation.value;
  s.say("hello");
  expect([line.value, back.mock.calls.length, generation.value]).toEqual(["live", 0, before]);
  s.fail();
  expect(line.value).toBe("lost");
  vi.advanceTimersByTime(60_000); // the browser comes again by itself
  expect(Source.all).toHaveLength(1);
  s.say("hello");
  expect([line.value, back.mock.calls.length, generation.value]).toEqual(["live", 1, before + 1]);
  s.say("reset");
  expect(generation.value).toBe(before + 2);
  end();
});

test("a line that was refused is opened again, but not by a stranger", () => {
  openStream();
  Source.all[0]!.fail(true);
  expect(Source.all).toHaveLength(1);
  vi.advanceTimersByTime(5000);
  expect(Source.all).toHaveLength(2);
  stranger.value = true;
  Source.all[1]!.fail(true);
  vi.advanceTimersByTime(60_000);
  expect(Source.all).toHaveLength(2);
});

test("the board is asked for once, and kept up by the stream", async () => {
  const status = { now: "2008-11-11T21:00:00Z", judged: "2008-11-11T21:00:00Z", ready: true, reasons: [], hosters: [{ hoster: "mccolo", name: "McColo Corp.", state: "visible" }], feeds: [], incidents: [], gaps: null };
  const asked = vi.fn(async () => answer(200, status));
  vi.stubGlobal("fetch", asked);
  openStream();
  const end = keepBoard();
  await vi.waitFor(() => expect(board.value?.hosters).toHaveLength(1));
  const s = Source.all[0]!;
  s.say("hello");
  s.say("status", { type: "status", now: "2008-11-11T21:31:00Z", judged: "2008-11-11T21:31:00Z", ready: false, reasons: ["one feed is silent"], hosters: [{ hoster: "mccolo", name: "McColo Corp.", state: "dark" }], gone: null, feeds: null });
  s.say("incident", { id: "i1", phase: "open" });
  s.say("gap", { id: "g1" });
  expect(board.value).toMatchObject({ now: "2008-11-11T21:31:00Z", ready: false, hosters: [{ state: "dark" }], incidents: [{ id: "i1" }], gaps: [{ id: "g1" }] });
  expect(nameOf("mccolo")).toBe("McColo Corp.");
  expect(nameOf("other")).toBe("other");
  s.say("incident", { id: "i1", phase: "resolved" });
  expect(board.value?.incidents).toEqual([]);
  const calls = asked.mock.calls.length;
  s.fail();
  s.say("hello");
  expect(asked.mock.calls.length).toBe(calls + 1);
  end();
  s.fail();
  s.say("hello");
  await vi.advanceTimersByTimeAsync(200_000);
  expect(asked.mock.calls.length).toBe(calls + 1); // nobody looks any more
  vi.stubGlobal("fetch", async () => answer(500, { title: "Fault", detail: "broken" }));
  await askBoard();
  expect(boardTrouble.value).toMatchObject({ status: 500, detail: "broken" });
  expect(board.value).toBeDefined(); // what was known stays
});

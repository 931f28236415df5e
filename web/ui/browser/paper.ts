// A depeer of paper: the pages of a real one, with answers that a test writes. For what no recording
// has: a thousand hosters, a blind eye, an incident that comes at the moment one looks.
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Event, Feed, Gap, Housed, Incident, Peer, Standing, Status, Still, UpstreamShare } from "../src/api/types";

/** 2008-11-11, 22:00: the moment of all that is on paper. */
export const paperNow = Date.parse("2008-11-11T22:00:00Z");

const iso = (ms: number) => new Date(ms).toISOString();

export function share(asn: number, share: number, change: Partial<UpstreamShare> = {}): UpstreamShare {
  return { asn, family: 4, share, baseline: share, peers: 20, lost: false, lost_at: 0.03, ...change };
}

export function standing(i: number, change: Partial<Standing> = {}): Standing {
  const id = `hoster-${i}`;
  return { hoster: id, name: `Hoster ${i} Ltd.`, asns: [64500 + i], state: "visible", prefixes: 4, withdrawn: 0, visibility: 1, eligible: 40, upstreams: [share(6939, 0.62), share(3549, 0.38)], ...change };
}

export function incident(hoster: string, change: Partial<Incident> = {}): Incident {
  return {
    type: "incident", id: `of-${hoster}`, revision: 1, at: iso(paperNow), hoster, phase: "open", class: "blackout", severity: "critical", opened: iso(paperNow - 3_600_000), confirmed: iso(paperNow - 3_500_000),
    resolved: null, resolution: null, lost: [6939, 3549], remaining: [], gained: [], prefixes: ["208.66.192.0/22"], events: ["e1"], summary: `${hoster} is dark: AS6939 and AS3549 dropped it within 30 minutes`, ...change,
  };
}

export function feed(change: Partial<Feed> = {}): Feed {
  return { name: "ris", type: "rislive", ready: true, heard: iso(paperNow - 2000), lag_seconds: 1.2, collectors: ["rrc00"], peers: 40, up: 40, sessions: [], ...change };
}

export function peer(i: number, state = "up"): Peer {
  return { collector: "rrc00", address: `192.0.2.${i}`, asn: 64000 + i, state, table: [true, false] };
}

export function status(hosters: Standing[], change: Partial<Status> = {}): Status {
  return {
    version: "paper", started: iso(paperNow - 86_400_000), now: iso(paperNow), judged: iso(paperNow), ready: true, reasons: [], hosters, feeds: [feed()], peers: Array.from({ length: 40 }, (_, i) => peer(i + 1)),
    incidents: [], gaps: [], ...change,
  };
}

/** McColo, the evening that it went dark, among so many others. */
export function evening(hosters: number): Status {
  const list = Array.from({ length: hosters - 1 }, (_, i) => standing(i + 1));
  const lost = { lost: true, since: iso(paperNow - 1_800_000) };
  list.push(standing(0, {
    hoster: "mccolo", name: "McColo Corp.", asns: [26780], state: "dark", visibility: 0, withdrawn: 4, incident: "of-mccolo",
    upstreams: [share(6939, 0, { baseline: 0.62, ...lost }), share(3549, 0, { baseline: 0.38, ...lost })],
  }));
  return status(list, { incidents: [incident("mccolo", { summary: "McColo Corp. is dark: AS6939 and AS3549 dropped it within 30 minutes" })] });
}

export function housedAt(list: readonly Standing[]): Housed[] {
  const one = (h: Standing, family: string, fate: string, to: number[] = []): Housed => ({
    hoster: h.hoster, name: h.name, family, since: "2008-02-01T00:00:00Z", last: "2008-11-11T20:00:00Z", hosts: 3, fate, moved_to: to.map((asn) => ({ asn, name: "SUCCESSOR" })),
  });
  return list.flatMap((h, i) =>
    h.hoster === "mccolo"
      ? [one(h, "Rustock", "moved", [64999]), one(h, "Srizbi", "moved", [64998, 64997]), one(h, "Cutwail", "never paused"), one(h, "Mega-D", "gone"), one(h, "Warezov", "not known")]
      : i % 3 === 0 ? [one(h, "Zeus", "there")] : [],
  );
}

export function stillOf(list: readonly Standing[]): Still[] {
  return list.map((h) => ({ hoster: h.hoster, name: h.name, at: iso(paperNow), routed: h.state !== "dark", by: [], reported: "2008-10-15T00:00:00Z", reported_by: "given", days: 27, gaps: [] }));
}

interface Said {
  event: Event;
  incident: Incident;
  gap: Gap;
  status: Partial<Status> & { hosters: Standing[] };
}

/** Answers on loopback. What has no answer on paper is answered 404. */
export class Paper {
  url = "";
  asked: string[] = []; // paths with their queries, in order
  private readonly readers = new Set<ServerResponse>();
  private readonly server: Server;
  private told = 0;

  /** pages is where the pages are from; answers are JSON by path under /api/v1, or problems. */
  constructor(
    private readonly pages: string,
    public board: Status,
    readonly answers: Record<string, unknown> = {},
  ) {
    this.server = createServer((q, a) => void this.answer(q.url ?? "/", a));
  }

  async start(port = 0): Promise<this> {
    await new Promise<void>((ready) => this.server.listen(port, "127.0.0.1", ready));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    return this;
  }

  async stop(): Promise<void> {
    for (const r of this.readers) r.end();
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  /** How many read the stream. */
  get reading(): number {
    return this.readers.size;
  }

  /** Tells all readers of the stream. */
  tell<K extends keyof Said>(kind: K, x: Said[K]): void {
    const body = kind === "status" ? { type: "status", now: this.board.now, judged: this.board.judged, ready: this.board.ready, reasons: this.board.reasons, gone: [], feeds: [], ...x } : x;
    for (const r of this.readers) r.write(`id: ${kind}.${++this.told}\nevent: ${kind}\ndata: ${JSON.stringify(body)}\n\n`);
  }

  /** Cuts the stream off. */
  cut(): void {
    for (const r of this.readers) r.destroy();
  }

  private async answer(at: string, a: ServerResponse): Promise<void> {
    const path = at.split("?")[0]!;
    if (!path.startsWith("/api/v1/")) return this.page(at, a);
    this.asked.push(at.slice("/api/v1".length));
    if (path === "/api/v1/stream") {
      a.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" });
      a.write("event: hello\ndata: {}\n\n");
      this.readers.add(a);
      a.on("close", () => this.readers.delete(a));
      return;
    }
    const known: Record<string, unknown> = { "/whoami": { name: "local", scope: "admin", via: "local" }, "/status": this.board, "/families": housedAt(this.board.hosters ?? []), "/still": stillOf(this.board.hosters ?? []), ...this.answers };
    const x = known[path.slice("/api/v1".length)] ?? { status: 404, title: "Not Found", detail: `${path} is not on paper` };
    const problem = typeof x === "object" && x !== null && "detail" in x && "status" in x ? (x as { status: number }).status : 0;
    a.writeHead(problem || 200, { "Content-Type": problem ? "application/problem+json" : "application/json" }).end(JSON.stringify(x));
  }

  private async page(at: string, a: ServerResponse): Promise<void> {
    try {
      const r = await fetch(this.pages + at);
      const headers: Record<string, string> = {};
      for (const name of ["content-type", "content-security-policy"]) if (r.headers.has(name)) headers[name] = r.headers.get(name)!;
      a.writeHead(r.status, headers).end(Buffer.from(await r.arrayBuffer()));
    } catch (e) {
      a.writeHead(502).end(String(e));
    }
  }
}

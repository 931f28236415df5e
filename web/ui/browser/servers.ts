// The programs that the browser tests start: each listens on loopback, and ends with the tests.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** Nothing may be missing, nothing may be skipped. */
export const strict = process.env["DEPEER_INTEROP"] === "1";

/** How long a test waits for what must come, in milliseconds. */
export const patience = Number(process.env["DEPEER_PATIENCE"] ?? 60_000);

export const root = fileURLToPath(new URL("../../..", import.meta.url));
export const program = process.env["DEPEER_BIN"] ?? join(root, "bin", "depeer");

/** The path of a program, or "". */
export function found(...names: string[]): string {
  for (const name of names) {
    for (const folder of name.includes("/") ? [""] : (process.env["PATH"] ?? "").split(delimiter)) {
      const path = folder ? join(folder, name) : name;
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // elsewhere, perhaps
      }
    }
  }
  return "";
}

export function chromiumPath(): string {
  return found(process.env["CHROMIUM"] || "chromium", "chromium-browser", "google-chrome");
}

/** Polls until f gives something other than undefined and false; throws with what() after the patience. */
export async function until<T>(what: string | (() => string), f: () => Promise<T | undefined | false> | T | undefined | false, limit = patience): Promise<T> {
  const end = performance.now() + limit;
  for (;;) {
    const x = await f();
    if (x !== undefined && x !== false) return x as T;
    if (performance.now() > end) throw new Error(`it never came to pass: ${typeof what === "string" ? what : what()}`);
    await new Promise((go) => setTimeout(go, 50));
  }
}

const children = new Set<ChildProcess>();

function killAll(): void {
  for (const c of children) c.kill("SIGKILL");
}

process.once("exit", killAll);
process.once("disconnect", killAll); // of whoever started this worker: it was killed
for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
  process.once(signal, () => {
    killAll();
    process.exit(code);
  });
}

/** A depeer in a process of its own. */
export class Server {
  url = ""; // http://127.0.0.1:21000
  private child: ChildProcess | undefined;
  private said = "";
  private over: Promise<void> = Promise.resolve();

  constructor(
    private readonly args: readonly string[],
    private readonly address: RegExp, // in what it prints: host and port of its pages
    readonly dir: string, // of its own, taken away at the end
  ) {}

  /** Starts it, and waits until it answers. */
  async start(): Promise<this> {
    this.said = "";
    const child = spawn(program, [...this.args], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, TMPDIR: this.dir } });
    this.child = child;
    children.add(child);
    let ended = false;
    this.over = new Promise((done) => {
      const gone = () => {
        ended = true;
        children.delete(child);
        done();
      };
      child.once("exit", gone);
      child.once("error", (e) => {
        this.said += String(e);
        gone();
      });
    });
    for (const pipe of [child.stdout, child.stderr]) pipe?.on("data", (b: Buffer) => (this.said += b.toString()));
    await until(
      () => `depeer ${this.args.join(" ")} answers\n${this.said}`,
      async () => {
        if (ended) throw new Error(`depeer ${this.args.join(" ")} ended:\n${this.said}`);
        const m = this.address.exec(this.said);
        if (!m) return false;
        this.url = `http://${m[1]}`;
        return fetch(`${this.url}/api/v1/status`).then((r) => r.status > 0, () => false);
      },
    );
    return this;
  }

  /** What it has printed since it was started. */
  get log(): string {
    return this.said;
  }

  /** Asks it to end, and waits for that. */
  async stop(): Promise<void> {
    const kill = setTimeout(() => this.child?.kill("SIGKILL"), patience / 2);
    this.child?.kill("SIGTERM");
    await this.over;
    clearTimeout(kill);
  }

  /** Ends it for good. */
  async remove(): Promise<void> {
    this.child?.kill("SIGKILL");
    await this.over;
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Changes its configuration, for when it is started again. */
  configure(change: Record<string, unknown>): void {
    const file = join(this.dir, "depeer.yaml");
    const all = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
    writeFileSync(file, JSON.stringify({ ...all, ...change }, null, 1));
  }

  /** Asks its API. */
  async get<T>(path: string): Promise<T> {
    const r = await fetch(`${this.url}/api/v1${path}`);
    if (!r.ok) throw new Error(`GET ${path}: ${r.status} ${await r.text()}`);
    return (await r.json()) as T;
  }

  /** Runs another command with the same configuration, and gives what it prints. */
  async command(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(program, [...args, "--config", join(this.dir, "depeer.yaml")]);
    return stdout.trim();
  }
}

function ownFolder(): string {
  return mkdtempSync(join(tmpdir(), "depeer-pages-"));
}

/** McColo's weeks, all of them at once; it stays until it is stopped. */
export function newDemo(...args: string[]): Server {
  return new Server(["demo", "--speed", "0", "--stay", "--no-open", "--web", "127.0.0.1:0", ...args], /http:\/\/(127\.0\.0\.1:\d+)/, ownFolder());
}

type Section = Record<string, unknown>;

/**
 * depeer run, which watches McColo and hears nobody, unless the configuration says otherwise.
 * Of web and run what is given is added; it listens at one port, also when it is started again.
 */
export async function newRun(configuration: Section = {}): Promise<Server> {
  const dir = ownFolder();
  const at = `127.0.0.1:${await freePort()}`;
  const { web, run, ...more } = configuration as { web?: Section; run?: Section };
  const all = {
    hosters: [{ id: "mccolo", name: "McColo Corp.", asns: [26780] }],
    sources: [{ type: "speaker", listen: "127.0.0.1:0", asn: 64512, router_id: "192.0.2.1", peers: [{ address: "127.0.1.1", asn: 64601 }] }],
    bus: { embedded: { dir: join(dir, "bus") } },
    ...more,
    web: { listen: at, ...web },
    run: { state: join(dir, "state"), ...run },
  };
  writeFileSync(join(dir, "depeer.yaml"), JSON.stringify(all, null, 1)); // JSON is YAML
  return new Server(["run", "--config", join(dir, "depeer.yaml")], / web=(127\.0\.0\.1:\d+)/, dir);
}

let lastPort = 0;

// Below those that the kernel gives to connections (from 32768 on): nobody takes one meanwhile,
// also not while the server is away.
async function freePort(): Promise<number> {
  lastPort ||= 12_000 + (process.pid % 500) * 40;
  for (let i = 0; i < 20_000; i++) {
    const port = 12_000 + ((++lastPort - 12_000) % 20_000);
    const free = await new Promise<boolean>((done) => {
      const s = createServer();
      s.once("error", () => done(false));
      s.listen(port, "127.0.0.1", () => s.close(() => done(true)));
    });
    if (free) return port;
  }
  throw new Error("no port is free");
}

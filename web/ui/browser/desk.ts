// What the tests of the desk share: a depeer that asks for tokens, and tells a receiver that is one of them.
import { writeFileSync } from "node:fs";
import { createServer, type Server as Receiver } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, run, visit, type Page, type Server } from "./harness";

export type Scope = "viewer" | "operator" | "admin";

export interface Desk {
  server: Server;
  token: (scope: Scope) => string;
  id: (scope: Scope) => string;
  heard: string[]; // bodies that the receiver had
  end: () => void;
}

/** A depeer run with tokens of every scope, and two receivers: soar hears, night does not answer. */
export async function desk(more: Record<string, unknown> = {}): Promise<Desk> {
  const heard: string[] = [];
  const receiver: Receiver = createServer((q, a) => {
    let text = "";
    q.on("data", (b: Buffer) => (text += b.toString()));
    q.on("end", () => {
      heard.push(text);
      a.end();
    });
  });
  await new Promise<void>((ready) => receiver.listen(0, "127.0.0.1", ready));
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
  const server = await run({
    hosters: [
      { id: "mccolo", name: "McColo Corp.", asns: [26780], tags: ["bulletproof"] },
      { id: "atrivo", name: "Atrivo", asns: [27595] },
    ],
    notify: {
      receivers: [
        { name: "night", type: "webhook", url: `${url}night`, source: "/depeer" },
        { name: "soar", type: "webhook", url, source: "/depeer" },
      ],
      subscriptions: [{ name: "fixed", to: ["soar"], match: { severity: "info" }, quiet: { windows: [{ hours: ["22:00-07:00"], zone: "Europe/Paris" }], unless: "critical" } }],
      http: { allow: ["127.0.0.0/8"] },
    },
    timeline: { sqlite: { path: "" } },
    web: { auth: { tokens: true } },
    ...more,
  });
  const made = new Map<Scope, { token: string; id: string }>();
  for (const scope of ["viewer", "operator", "admin"] as const) {
    made.set(scope, JSON.parse(await server.command("tokens", "create", `the ${scope}`, "--scope", scope, "--json")) as { token: string; id: string });
  }
  return { server, heard, token: (s) => made.get(s)!.token, id: (s) => made.get(s)!.id, end: () => void receiver.close() };
}

/** Strangers are refused what the shell asks for: that is as it should be. */
export const asStranger = [/\/api\/v1\/(status|whoami|stream|[a-z]+).*: 401$/, /EventSource/];

/** Signs in at a place, as a person does. */
export async function signedIn(d: Desk, scope: Scope, path = "/", look: Parameters<typeof visit>[1] = {}): Promise<Page> {
  const page = await visit(`${d.server.url}${path}`, { ...look, faults: [...(look.faults ?? []), ...asStranger] });
  const field = page.getByRole("textbox", { name: "Token" });
  await field.waitFor();
  await field.fill(d.token(scope));
  await page.keyboard.press("Enter");
  await page.getByLabel(new RegExp(`^Signed in as the ${scope}, ${scope}$`)).waitFor();
  expect(new URL(page.url()).pathname).toBe(path.split("?")[0]);
  return page;
}

/** Keeps a token where a command reads it. */
export function tokenFile(d: Desk, scope: Scope): string {
  const file = join(d.server.dir, `${scope}.token`);
  writeFileSync(file, d.token(scope), { mode: 0o600 });
  return file;
}

// What all browser tests share: one Chromium, and one depeer demo.
import { rmSync } from "node:fs";
import { chromium } from "playwright-core";
import type { TestProject } from "vitest/node";
import { chromiumPath, newDemo, strict } from "./servers";

declare module "vitest" {
  export interface ProvidedContext {
    browser: string; // where Chromium listens; "" where there is none
    demo: string; // http://127.0.0.1:PORT
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  rmSync(new URL("../shots", import.meta.url), { recursive: true, force: true });
  const executablePath = chromiumPath();
  if (!executablePath) {
    if (strict) throw new Error("chromium is not installed");
    console.warn("tests of the pages in a browser: skipped, chromium is not installed");
    project.provide("browser", "");
    project.provide("demo", "");
    return async () => {};
  }
  const ends: (() => Promise<void>)[] = [];
  const end = async () => {
    for (const e of ends.reverse()) await e();
  };
  try {
    // The sandbox needs what containers forbid; the pages are our own.
    const browser = await chromium.launchServer({
      executablePath,
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    });
    ends.push(() => browser.close());
    project.provide("browser", browser.wsEndpoint());
    // While one works on the pages: those of the dev server.
    const elsewhere = process.env["DEPEER_URL"];
    if (elsewhere) {
      project.provide("demo", elsewhere.replace(/\/$/, ""));
      return end;
    }
    const demo = newDemo();
    ends.push(() => demo.remove());
    await demo.start();
    project.provide("demo", demo.url);
  } catch (e) {
    await end();
    throw e;
  }
  return end;
}

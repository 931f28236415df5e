// The harness finds what it says it finds.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll } from "vitest";
import { axe, describe, expect, faults, mayFail, noJumps, noSideways, settled, test, until, visit } from "./harness";

const head = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>t</title><link rel="icon" href="data:,">`;
const pages: Record<string, string> = {
  "/good": `${head}</head><body><main><h1>Good</h1></main></body></html>`,
  "/console": `${head}</head><body><h1>Bad</h1><script>console.error("it is broken")</script></body></html>`,
  "/throws": `${head}</head><body><h1>Bad</h1><script>throw new Error("thrown")</script></body></html>`,
  "/asks": `${head}</head><body><h1>Bad</h1><script>fetch("/nothing")</script></body></html>`,
  "/elsewhere": `${head}</head><body><h1>Bad</h1><img alt="" src="http://127.0.0.2:9/x.png"></body></html>`,
  "/inline": `${head}<meta http-equiv="Content-Security-Policy" content="style-src 'none'"></head><body><h1>Bad</h1><style>h1 { color: red }</style></body></html>`,
  "/wide": `${head}</head><body><h1>Bad</h1><div style="width: 3000px">wide</div></body></html>`,
  "/pale": `${head}</head><body><h1>Bad</h1><p style="color: #bbb; background: #fff">pale</p><button></button></body></html>`,
  "/jumps": `${head}</head><body><h1>Bad</h1><div id="room"></div><p>This is a text that moves down, far.</p><p style="height: 300px">more</p>
<script>requestAnimationFrame(() => requestAnimationFrame(() => { document.getElementById("room").style.height = "400px" }))</script></body></html>`,
};

describe("the harness", () => {
  let server: Server;
  let url = "";
  beforeAll(async () => {
    server = createServer((q, a) => {
      const page = pages[q.url ?? ""];
      a.writeHead(page ? 200 : 404, { "Content-Type": "text/html" }).end(page ?? "nothing");
    });
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => server.close());

  test("likes a good page", async () => {
    const page = await visit(`${url}/good`);
    await axe(page);
    await noSideways(page);
    await noJumps(page);
    expect(faults(page)).toEqual([]);
  });

  test.each([
    ["/console", /console: it is broken/],
    ["/throws", /page error: Error: thrown/],
    ["/asks", /GET http.*\/nothing: 404/],
    ["/elsewhere", /it asks elsewhere: http:\/\/127\.0\.0\.2/],
    ["/inline", /Content Security Policy/],
  ])("hears what goes wrong on %s", async (path, fault) => {
    const page = await visit(url + path);
    await until("it is heard", () => faults(page).some((f) => fault.test(f)));
    mayFail(page, /./);
  });

  test.fails("fails for what went wrong and nobody expected", async () => {
    await visit(`${url}/console`).then(settled);
  });

  test.each([{}, { phone: true }])("sees what is too wide: %j", async (look) => {
    const page = await visit(`${url}/wide`, look);
    await expect(noSideways(page)).rejects.toThrow(/scrolls sideways: .*div/);
  });

  test("sees what cannot be read", async () => {
    const page = await visit(`${url}/pale`);
    await expect(axe(page)).rejects.toThrow(/color-contrast: p[\s\S]*button-name|button-name[\s\S]*color-contrast: p/);
  });

  test("sees what jumps", async () => {
    const page = await visit(`${url}/jumps`);
    await until("it is drawn as it stays", () => page.evaluate(() => document.getElementById("room")?.style.height === "400px"));
    await expect(noJumps(page)).rejects.toThrow(/jumps by/);
  });
});

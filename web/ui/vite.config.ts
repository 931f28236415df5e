import { defineConfig } from "vitest/config";

// npm run dev: the pages from here, the answers from a depeer that runs.
const depeer = process.env["DEPEER"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    sourcemap: false,
    // The Content-Security-Policy lets in files of our own and nothing inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  server: { proxy: Object.fromEntries(["/api", "/login", "/logout"].map((path) => [path, { target: depeer, changeOrigin: true, headers: { origin: depeer } }])) },
  test: { include: ["src/**/*.test.ts", "src/**/*.test.tsx"] },
});

import { defineConfig } from "vitest/config";

// The tests in a browser. Two files at a time: more would only wait for the processor.
export default defineConfig({
  test: {
    include: ["browser/**/*.test.ts"],
    globalSetup: ["browser/setup.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 180_000, // ends what hangs; each wait has its own limit
    hookTimeout: 180_000,
    teardownTimeout: 60_000,
    // A page that is wrong is wrong each time; a browser on a machine that has no time for it may not be. What passed later is told.
    retry: 2,
  },
});

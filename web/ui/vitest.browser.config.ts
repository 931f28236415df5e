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
    retry: 0,
  },
});

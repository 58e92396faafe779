import { defineConfig } from "vitest/config";

/** The tests that need something running: a browser (page), Cassandra (cassandra), a whole dashboard (e2e). */
export default defineConfig({
  test: { root: "tests", include: ["*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000, fileParallelism: false },
});

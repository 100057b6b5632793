import { defineConfig } from "vitest/config";

const minuteMs = 60_000;
const realProcesses = { testTimeout: 2 * minuteMs, hookTimeout: minuteMs, fileParallelism: false };

export default defineConfig({
  test: {
    // better-sqlite3 is native code and is happier in a process of its own; two workers leave the rest of the machine to servers under test.
    pool: "forks",
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: "unit",
          include: ["src/**/*.test.ts", "sdk/src/**/*.test.ts", "test/**/*.test.ts", "sim/**/*.test.ts", "examples/**/*.test.ts"],
          exclude: ["test/compat/**", "test/crash/**"],
          // Property tests take seconds, and a busy machine several times as many.
          testTimeout: minuteMs,
        },
      },
      // The published Temporal SDK against a built server.
      { test: { name: "compat", include: ["test/compat/**/*.test.ts"], ...realProcesses } },
      // Real processes that are killed and started again.
      { test: { name: "crash", include: ["test/crash/**/*.test.ts"], ...realProcesses } },
    ],
  },
});

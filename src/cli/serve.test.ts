import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Config, defaultConfig } from "../config/config.ts";
import { serve } from "./serve.ts";

const inMemory: Config = { ...defaultConfig, db: ":memory:" };
const never = new Promise<void>(() => {});

/** Runs `serve` on a server that is only its sequence of calls; `signal` is what a person sends to the process. */
function serving({
  config = inMemory,
  drain = Promise.resolve(),
  startError,
}: {
  config?: Config;
  drain?: Promise<void>;
  startError?: unknown;
} = {}) {
  const calls: string[] = [];
  let listener = (): void => {};
  let tellStarted = (): void => {};
  const started = new Promise<void>((resolve) => {
    tellStarted = resolve;
  });
  const exitCode = serve({
    config,
    start: async () => {
      if (startError !== undefined) throw startError;
      return {
        address: "127.0.0.1:7233",
        httpAddress: null,
        drain: () => {
          calls.push("drain");
          return drain;
        },
        stop: async () => {
          calls.push("stop");
        },
      };
    },
    started: ({ address }) => {
      calls.push(`started ${address}`);
      tellStarted();
    },
    complain: (text) => calls.push(text),
    onSignal: (called) => {
      listener = called;
    },
  });
  return { exitCode, started, calls, signal: () => listener() };
}

test("a signal drains, then stops, and the exit code is 0", async () => {
  const { exitCode, started, calls, signal } = serving();
  await started;
  signal();
  expect(await exitCode).toBe(0);
  expect(calls).toEqual(["started 127.0.0.1:7233", "drain", "stop"]);
});

test("a second signal does not wait for the drain", async () => {
  const { exitCode, started, calls, signal } = serving({ drain: never });
  await started;
  signal();
  signal();
  expect(await exitCode).toBe(1);
  expect(calls).not.toContain("stop");
});

test("the folder of the database is made", async () => {
  const folder = join(mkdtempSync(join(tmpdir(), "holdfast-serve-")), "new");
  const { exitCode, started, signal } = serving({ config: { ...inMemory, db: join(folder, "holdfast.db") } });
  await started;
  signal();
  await exitCode;
  expect(existsSync(folder)).toBe(true);
});

test.each<[unknown, string]>([
  [
    new Error("listen EADDRINUSE: address already in use 127.0.0.1:8081"),
    "holdfast: port 8081 on 127.0.0.1 is in use; stop what runs there, or choose another with --port or --http-port",
  ],
  [
    new Error("No address added out of total 1 resolved errors: [listen EADDRINUSE: address already in use 127.0.0.1:7233]"),
    "holdfast: port 7233 on 127.0.0.1 is in use; stop what runs there, or choose another with --port or --http-port",
  ],
  [
    new Error("listen EADDRNOTAVAIL: address not available 10.1.1.1:7233"),
    "holdfast: this machine has no address 10.1.1.1; choose another with --ip",
  ],
  [new Error("listen EACCES: permission denied 127.0.0.1:80"), "holdfast: this user may not open port 80; choose one above 1023"],
  [new Error("database is locked by another server"), "holdfast: cannot start: database is locked by another server"],
  ["odd", "holdfast: cannot start: odd"],
])("a failed start is one sentence and exit code 1: %s", async (startError, sentence) => {
  const { exitCode, calls } = serving({ startError });
  expect(await exitCode).toBe(1);
  expect(calls).toEqual([sentence]);
});

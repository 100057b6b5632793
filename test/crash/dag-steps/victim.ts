import { type ChildProcess, fork } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Plan, Said } from "./counting-sqlite.ts";

/** The server whose store counts, in a process of its own. */
export type Victim = {
  /** Resolves when the server knows where it is to die. */
  arm(plan: Plan): Promise<void>;
  /** Of the run that it was armed for. */
  readonly commits: number;
  /** Resolves when the process is gone. */
  readonly gone: Promise<void>;
  kill(): Promise<void>;
};

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const alive = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of alive) child.kill("SIGKILL");
});

/** The server as it is built, but for its store adapter. Answers with the file to run. */
export async function bundleServer(folder: string): Promise<string> {
  await build({
    entryPoints: [here("./server.ts")],
    outdir: folder,
    bundle: true,
    splitting: true,
    platform: "node",
    target: "node20.3",
    format: "esm",
    outExtension: { ".js": ".mjs" },
    logLevel: "warning",
    external: ["better-sqlite3"],
    banner: { js: 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);' },
    plugins: [
      {
        name: "counting-store",
        setup({ onResolve }) {
          onResolve({ filter: /\/store\/sqlite\/sqlite\.ts$/ }, ({ importer }) =>
            importer.endsWith("/src/main.ts") ? { path: here("./counting-sqlite.ts") } : undefined,
          );
        },
      },
    ],
  });
  return `${folder}/server.mjs`;
}

/** Starts the server; resolves when it answers. */
export async function startVictim(file: string, args: readonly string[], logFile: string): Promise<Victim> {
  const log = openSync(logFile, "a");
  const child = fork(file, args, { stdio: ["ignore", log, log, "ipc"], execArgv: [], env: { PATH: process.env.PATH } });
  closeSync(log);
  alive.add(child);
  let commits = 0;
  const waiting: { ready?: () => void; armed?: () => void } = {};
  const ready = new Promise<void>((resolve, reject) => {
    waiting.ready = resolve;
    child.once("exit", () => reject(new Error(`the server did not start; its log is ${logFile}`)));
  });
  child.on("message", (said: Said) => {
    if ("commits" in said) commits = said.commits;
    else if ("armed" in said) waiting.armed?.();
    else waiting.ready?.();
  });
  const gone = new Promise<void>((resolve) => {
    child.once("exit", () => {
      alive.delete(child);
      resolve();
    });
  });
  await ready;
  return {
    arm: (plan) =>
      new Promise((resolve) => {
        commits = 0;
        waiting.armed = resolve;
        child.send(plan);
      }),
    get commits() {
      return commits;
    },
    gone,
    kill: () => {
      child.kill("SIGKILL");
      return gone;
    },
  };
}

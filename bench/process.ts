// Processes of the bench: a server, a worker, a peer. What the system knows about them comes from /proc, so on Linux only.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export type Child = {
  readonly process: ChildProcess;
  readonly pid: number;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves when it is gone, which it must be by itself. */
  stop(): Promise<void>;
};

const alive = new Set<ChildProcess>();
// Exit handlers cannot wait, so this is SIGKILL.
process.on("exit", () => {
  for (const child of alive) child.kill("SIGKILL");
});

export type Command = {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: { readonly [name: string]: string };
  readonly cwd?: string;
  /** Where its output goes. */
  readonly log: string;
  /** Whether it gets a channel for messages, which only Node understands. */
  readonly channel?: boolean;
};

/** Starts a process that lives until it is stopped, at the latest with this one. */
export function startChild({ file, args, env, cwd, log, channel = false }: Command): Child {
  const output = openSync(log, "a");
  const child = spawn(file, args, {
    stdio: ["ignore", output, output, ...(channel ? (["ipc"] as const) : [])],
    env: { ...process.env, ...env },
    ...(cwd === undefined ? {} : { cwd }),
  });
  closeSync(output);
  alive.add(child);
  const gone = once(child, "exit").then(() => void alive.delete(child));
  const end = (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    return gone;
  };
  return { process: child, pid: child.pid ?? 0, kill: () => end("SIGKILL"), stop: () => end("SIGTERM") };
}

/** Starts a script of the bench, in TypeScript as this one and with a channel for messages. */
export const startScript = (script: URL, args: readonly string[], log: string): Child =>
  startChild({ file: process.execPath, args: [...process.execArgv, fileURLToPath(script), ...args], log, channel: true });

/** The next message from a child; rejects when it ends instead. */
export async function messageFrom<T>({ process: child }: Child): Promise<T> {
  const ended = new AbortController();
  try {
    const message: Promise<unknown[]> = once(child, "message", { signal: ended.signal });
    const exit = once(child, "exit", { signal: ended.signal }).then(([code]) => {
      throw new Error(`process ${child.pid} ended with ${code} before it said anything`);
    });
    const [first] = await Promise.race([message, exit]);
    return first as T;
  } finally {
    ended.abort();
  }
}

/** A port of 127.0.0.1 that is free now. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  if (address === null || typeof address === "string") throw new Error("the system gave no port");
  return address.port;
}

/** Asks until `ask` does not throw; rejects with its last error after `waitMs`. */
export async function until<T>(ask: () => Promise<T>, { everyMs, waitMs }: { everyMs: number; waitMs: number }): Promise<T> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await delay(everyMs);
  }
}

const onLinux = process.platform === "linux";
const ticksPerSecond = onLinux ? Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" })) : Number.NaN;

/** CPU time that the process has used so far, user and system, all threads, milliseconds; NaN where there is no /proc. Ticks of 10 ms. */
export function cpuMs(pid: number): number {
  if (!onLinux) return Number.NaN;
  // Fields 14 and 15, counted from after the name, which may contain spaces.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond;
}

/** Resident memory, MiB; NaN where there is no /proc. */
export const residentMib = (pid: number): number => statusMib(pid, /^VmRSS:\s+(\d+)/m);

/** The highest resident memory since the process began, MiB; NaN where there is no /proc. */
export const peakMib = (pid: number): number => statusMib(pid, /^VmHWM:\s+(\d+)/m);

function statusMib(pid: number, line: RegExp): number {
  if (!onLinux) return Number.NaN;
  const [, kib] = line.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) / 1024;
}

/** Resident memory once it no longer moves by more than 1 % a second, at most `waitMs` from now. */
export async function settledMib(pid: number, waitMs: number): Promise<number> {
  const deadline = performance.now() + waitMs;
  for (let former = residentMib(pid); ; ) {
    await delay(1000);
    const now = residentMib(pid);
    if (Math.abs(now - former) <= former / 100 || performance.now() > deadline) return now;
    former = now;
  }
}

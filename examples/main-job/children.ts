import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";

export type Child = {
  readonly pid: number;
  /** Resolves once the child has said that it is ready (a message over its channel). */
  readonly ready: Promise<void>;
  /** SIGKILL: the process gets no chance to say or save anything. Resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM, and SIGKILL for a child that takes too long. */
  stop(): Promise<void>;
};

/** A child ended that nobody ended. */
export class ChildEndedError extends Error {}

const graceMs = 3000;
const alive = new Set<ChildProcess>();
let unexpected: (error: Error) => void = () => {};

/** Rejects as soon as a child ends that nobody ended. */
export const childFailure: Promise<never> = new Promise((_, reject) => {
  unexpected = reject;
});
// Whoever races against it sees the rejection; before anyone does, it must not end the process.
childFailure.catch(() => {});

// Whatever way this process ends, its children end with it. Exit handlers cannot wait, so this is SIGKILL, by pid.
process.on("exit", () => {
  for (const child of alive) child.kill("SIGKILL");
});

/** Starts a Node process whose output is appended to `logFile`. */
export function startChild({ name, args, logFile }: { name: string; args: readonly string[]; logFile: string }): Child {
  const log = openSync(logFile, "a");
  // What is set for whoever starts it is not for the child: it would refuse variables that it does not know.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("HOLDFAST_")));
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", log, log, "ipc"] });
  closeSync(log);
  alive.add(child);

  let wanted = false;
  const gone = new Promise<void>((resolve) => {
    child.once("error", (cause) => {
      alive.delete(child);
      unexpected(new ChildEndedError(`the ${name} did not start: ${cause.message}`));
      resolve();
    });
    child.once("exit", (code, signal) => {
      alive.delete(child);
      if (!wanted)
        unexpected(
          new ChildEndedError(`the ${name} ended by itself (${signal ?? `exit code ${code}`}); the end of its log:\n${tail(logFile)}`),
        );
      resolve();
    });
  });
  const end = (signal: NodeJS.Signals): Promise<void> => {
    wanted = true;
    child.kill(signal);
    return gone;
  };

  return {
    pid: child.pid ?? 0,
    ready: new Promise((resolve) => void child.once("message", () => resolve())),
    kill: () => end("SIGKILL"),
    async stop() {
      const impatient = setTimeout(() => child.kill("SIGKILL"), graceMs);
      await end("SIGTERM");
      clearTimeout(impatient);
    },
  };
}

const tail = (file: string): string =>
  readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .slice(-12)
    .map((line) => `  ${line}`)
    .join("\n");

import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Child, startChild } from "../../examples/main-job/children.ts";
import { accepting } from "../../examples/main-job/ports.ts";
import type { Random } from "../../sim/random.ts";

/** What a process is started with, and where its output goes. */
export type Files = { readonly folder: string; readonly database: string; readonly bundle: string; readonly serverLog: string };

/** A process that is killed over and over. */
export type Victim = {
  readonly kills: number;
  /** SIGKILL, and started again. Resolves when it works again. */
  killAndRestart(): Promise<void>;
  /** Ends it in order. */
  stop(): Promise<void>;
  /** SIGKILL, and never started again, even if it is just being restarted. */
  end(): Promise<void>;
};

const readyMsMax = 15_000;
const beside = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export const startServer = (port: number, { database, serverLog }: Files, options: readonly string[] = ["--headless"]): Promise<Victim> =>
  startVictim(async () => {
    const server = startChild({
      name: "server",
      args: [
        ...[beside("../../bin/holdfast.js"), "dev", "--db", database, "--port", String(port)],
        ...["--log-level", "warn", "--log-format", "json"],
        ...options,
      ],
      logFile: serverLog,
    });
    await accepting(port, readyMsMax);
    return server;
  });

export const startWorker = (name: string, port: number, taskQueue: string, { bundle, folder }: Files): Promise<Victim> =>
  startVictim(async () => {
    const worker = startChild({
      name,
      args: ["--import", "tsx", beside("./collector/worker.ts"), `127.0.0.1:${port}`, taskQueue, bundle],
      logFile: join(folder, `${name}.log`),
    });
    await worker.ready;
    return worker;
  });

async function startVictim(start: () => Promise<Child>): Promise<Victim> {
  let child = start();
  let kills = 0;
  let ended = false;
  await child;
  return {
    get kills() {
      return kills;
    },
    async killAndRestart() {
      if (ended) throw new Error("this test is over");
      child = child.then((running) => running.kill()).then(start);
      kills += 1;
      await child;
    },
    stop: async () => (await child).stop(),
    async end() {
      ended = true;
      await (await child).kill();
    },
  };
}

/** Kills the server `kills` times: one time in four while it still reads what the former one left. */
export async function killServer(server: Victim, kills: number, random: Random): Promise<void> {
  while (server.kills < kills) {
    await delay(random.chance(0.25) ? random.between(0, 40) : random.between(60, 400));
    await server.killAndRestart();
  }
}

/** Kills the workers in turn until each has died as often as wanted, so that mostly one of them is there. */
export async function killWorkers(workers: readonly Victim[], killsEach: number, random: Random): Promise<void> {
  for (let round = 0; round < killsEach; round++)
    for (const worker of workers) {
      await delay(random.between(100, 1500));
      await worker.killAndRestart();
    }
}

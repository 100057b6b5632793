import { setTimeout as delay } from "node:timers/promises";
import { residentMib } from "../process.ts";
import type { Scenario } from "../scenario.ts";
import { startServer } from "../server.ts";

/** Collected garbage of the start is gone by then. */
const idleAfterMs = 3_000;

/** From exec to the first RPC answered, on a new file, and what an idle server holds in memory. */
export const startUp: Scenario = async ({ address, quick, folder, say }) => {
  if (address !== null) return [];
  const coldStarts: number[] = [];
  const idle: number[] = [];
  for (let round = 0; round < (quick ? 3 : 7); round++) {
    const { server, coldStartMs } = await startServer(folder("start-up"));
    coldStarts.push(coldStartMs);
    if (round < 3) {
      await delay(idleAfterMs);
      idle.push(residentMib(server.process?.pid ?? 0));
    }
    await server.stop();
    say(`cold start ${coldStartMs.toFixed(0)} ms`);
  }
  return [
    { name: "cold start to first RPC answered", unit: "ms", rounds: coldStarts, budget: { atMost: 400 } },
    { name: "resident memory, idle", unit: "MiB", rounds: idle, budget: { atMost: 90 } },
  ];
};

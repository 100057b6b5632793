import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { type Figure, median, percentile } from "../figure.ts";
import { connectRaw, inFlight } from "../grpc.ts";
import { cpuMs, messageFrom, startScript } from "../process.ts";
import { startRequest, startWorkflow } from "../rpcs.ts";
import { type Scenario, serverFor } from "../scenario.ts";
import type { Server } from "../server.ts";

const callsAtOnce = 256;

/** Starts of workflows that no worker takes: each is a run with its first two events, its first task and its row for lists, on disk. */
export const starts: Scenario = async (setting) => {
  const { quick, folder, say } = setting;
  const seconds = quick ? 1.5 : 4;
  const own = folder("starts");
  const ceiling = await clientCeiling(join(own, "bare.log"), seconds);
  say(`the client alone makes ${Math.round(ceiling)} calls/s`);

  const server = await serverFor(setting, own);
  await load(server, seconds / 2);
  const rounds: Round[] = [];
  for (let round = 0; round < (quick ? 2 : 5); round++) {
    const result = await load(server, seconds);
    rounds.push(result);
    say(`${Math.round(result.perSecond)} starts/s`);
  }
  await server.stop();

  const note = `${callsAtOnce} in flight; the client's own ceiling is ${Math.round(ceiling).toLocaleString("en")}/s`;
  const figures: Figure[] = [
    { name: "workflow starts accepted", unit: "/s", rounds: rounds.map(({ perSecond }) => perSecond), budget: { atLeast: 4_000 }, note },
    { name: "  p50 at that rate", unit: "ms", rounds: rounds.map(({ latencies }) => median(latencies)) },
    { name: "  p99 at that rate", unit: "ms", rounds: rounds.map(({ latencies }) => percentile(latencies, 0.99)) },
  ];
  const cpu = rounds.map(({ cpuMsEach }) => cpuMsEach);
  return server.process === null ? figures : [...figures, { name: "  server CPU each", unit: "ms", rounds: cpu }];
};

type Round = { readonly perSecond: number; readonly latencies: readonly number[]; readonly cpuMsEach: number };

async function load({ address, process: child }: Pick<Server, "address" | "process">, seconds: number): Promise<Round> {
  const client = connectRaw(address);
  const taskQueue = `nobody-${randomUUID()}`;
  const latencies: number[] = [];
  const cpuBefore = child === null ? Number.NaN : cpuMs(child.pid);
  const begin = performance.now();
  const count = await inFlight({
    count: Number.POSITIVE_INFINITY,
    atOnce: callsAtOnce,
    deadline: begin + seconds * 1000,
    work: async (index) => {
      const sentAt = performance.now();
      await client.call(startWorkflow, startRequest(`${taskQueue}-${index}`, taskQueue));
      latencies.push(performance.now() - sentAt);
    },
  });
  const elapsed = (performance.now() - begin) / 1000;
  client.close();
  return { perSecond: count / elapsed, latencies, cpuMsEach: child === null ? Number.NaN : (cpuMs(child.pid) - cpuBefore) / count };
}

/** Starts per second that the client reaches against a server that does nothing. */
async function clientCeiling(log: string, seconds: number): Promise<number> {
  const bare = startScript(new URL("../bare-server.ts", import.meta.url), [], log);
  const address = await messageFrom<string>(bare);
  await load({ address, process: null }, seconds / 4);
  const { perSecond } = await load({ address, process: null }, seconds / 2);
  await bare.stop();
  return perSecond;
}

import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Figure, median, percentile } from "../figure.ts";
import { type Flood, floods } from "../flood.ts";
import { connectRaw, type RawClient } from "../grpc.ts";
import { messageFrom, startScript } from "../process.ts";
import {
  completeActivityTask,
  completeRun,
  completeWorkflowTask,
  identity,
  pollActivityTask,
  pollWorkflowTask,
  queueNamed,
  scheduleStep,
  startRequest,
  startWorkflow,
} from "../rpcs.ts";
import type { Scenario } from "../scenario.ts";
import { startServer } from "../server.ts";
import { createIssuer } from "../tenant.ts";

const quiet = "quiet";
const noisy = "noisy";
/** Between two workflows of the quiet namespace. */
const pauseMs = 10;
const warmUpSeconds = 1;

/** What somebody with little to do notices of a namespace that asks for all it can get: the same work with and without it, in turn. */
export const isolation: Scenario = async ({ address, quick, cpuProf, folder, say }) => {
  if (address !== null) return [];
  const own = folder("isolation");
  const issuer = await createIssuer();
  const { server } = await startServer(own, { cpuProf, env: { ...issuer.env, HOLDFAST_NAMESPACES: `${quiet},${noisy}` } });
  const metadata = { authorization: `Bearer ${await issuer.token(quiet)}`, "temporal-namespace": quiet };
  const client = connectRaw(server.address, metadata);
  const flood = startScript(
    new URL("../flood.ts", import.meta.url),
    [server.address, noisy, await issuer.token(noisy)],
    join(own, "flood.log"),
  );
  await messageFrom(flood);
  const seconds = quick ? 2 : 5;
  const kinds: readonly (readonly Flood[])[] = [...floods.map((kind) => [kind]), floods];

  await work(client, warmUpSeconds);
  const figures: Figure[] = [];
  for (const flooded of kinds) {
    const alone: Round[] = [];
    const beside: Round[] = [];
    const rates: number[] = [];
    for (let round = 0; round < (quick ? 2 : 4); round++) {
      alone.push(await work(client, seconds));
      flood.process.send({ kinds: flooded, seconds: seconds + warmUpSeconds });
      const rate = messageFrom<number>(flood);
      await delay(warmUpSeconds * 500);
      beside.push(await work(client, seconds));
      rates.push(await rate);
    }
    const name = flooded.length === 1 ? flooded.join() : "all of these";
    const [p50, p99] = [0.5, 0.99].map((share) => ({
      alone: alone.map((latencies) => percentile(latencies, share)),
      beside: beside.map((latencies) => percentile(latencies, share)),
    }));
    const all = { alone: percentile(alone.flat(), 0.99), beside: percentile(beside.flat(), 0.99) };
    say(
      `${name}: p50 ${median(p50?.alone ?? []).toFixed(1)} → ${median(p50?.beside ?? []).toFixed(1)} ms, p99 ${all.alone.toFixed(1)} → ${all.beside.toFixed(1)} ms`,
    );
    figures.push(
      { name: `start and step, quiet, p50`, unit: "ms", rounds: p50?.alone ?? [] },
      { name: `  p99`, unit: "ms", rounds: p99?.alone ?? [] },
      {
        name: `  beside a flood of ${name}, p50`,
        unit: "ms",
        rounds: p50?.beside ?? [],
        note: `${Math.round(median(rates)).toLocaleString("en")} calls/s of the flood`,
      },
      { name: "  p99", unit: "ms", rounds: p99?.beside ?? [] },
      { name: "  p99, times the quiet one", unit: "×", rounds: [all.beside / all.alone], budget: { atMost: 2 } },
    );
  }
  client.close();
  await flood.kill();
  await server.stop();
  return figures;
};

/** Milliseconds of each workflow. */
type Round = readonly number[];

async function work(client: RawClient, seconds: number): Promise<Round> {
  const until = performance.now() + seconds * 1000;
  const took: number[] = [];
  while (performance.now() < until) {
    took.push(await oneWorkflow(client));
    await delay(pauseMs);
  }
  return took;
}

/** From sending the start until the step's answer is accepted; the worker polls already, as workers do. */
async function oneWorkflow(client: RawClient): Promise<number> {
  const workflowId = `quiet-${randomUUID()}`;
  const queue = { namespace: quiet, identity, taskQueue: queueNamed(workflowId) };
  const task = client.call(pollWorkflowTask, queue);
  const activity = client.call(pollActivityTask, queue);
  const began = performance.now();
  await client.call(startWorkflow, { ...startRequest(workflowId, workflowId), namespace: quiet });
  const { taskToken } = await task;
  await client.call(completeWorkflowTask, { namespace: quiet, identity, taskToken, commands: [scheduleStep("1", workflowId)] });
  await client.call(completeActivityTask, { namespace: quiet, identity, taskToken: (await activity).taskToken });
  const took = performance.now() - began;
  const last = await client.call(pollWorkflowTask, queue);
  await client.call(completeWorkflowTask, { namespace: quiet, identity, taskToken: last.taskToken, commands: [completeRun] });
  return took;
}

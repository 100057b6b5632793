import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { median, percentile } from "../figure.ts";
import { connectRaw, type RawClient } from "../grpc.ts";
import {
  completeActivityTask,
  completeRun,
  completeWorkflowTask,
  identity,
  namespace,
  pollActivityTask,
  pollWorkflowTask,
  queueNamed,
  scheduleStep,
  startRequest,
  startWorkflow,
} from "../rpcs.ts";
import { type Scenario, serverFor } from "../scenario.ts";

/** Between steps nothing is under way. */
const pauseMs = 5;

/** One activity at a time on a server that has nothing else to do, worker and client in this process with bare gRPC. */
export const receive: Scenario = async (setting) => {
  const { quick, folder } = setting;
  const server = await serverFor(setting, folder("receive"));
  const client = connectRaw(server.address);
  const taskQueue = `receive-${randomUUID()}`;
  const stepsPerRound = quick ? 100 : 200;
  await oneWorkflow(client, taskQueue, stepsPerRound);
  const rounds: (readonly Step[])[] = [];
  for (let round = 0; round < (quick ? 2 : 5); round++) rounds.push(await oneWorkflow(client, taskQueue, stepsPerRound));
  client.close();
  await server.stop();
  const sent = rounds.map((steps) => steps.map(({ sinceSent }) => sinceSent));
  const answered = rounds.map((steps) => steps.map(({ sinceAnswered }) => sinceAnswered));
  return [
    {
      name: "schedule → worker receives, p50",
      unit: "ms",
      rounds: sent.map(median),
      budget: { atMost: 2 },
      note: "from sending the command: request, commit and fsync included",
    },
    { name: "  p99", unit: "ms", rounds: sent.map((values) => percentile(values, 0.99)) },
    { name: "  after the command was answered, p50", unit: "ms", rounds: answered.map(median), note: "0 when both answers come together" },
  ];
};

type Step = { readonly sinceSent: number; readonly sinceAnswered: number };

async function oneWorkflow(client: RawClient, taskQueue: string, steps: number): Promise<readonly Step[]> {
  const queue = { namespace, identity, taskQueue: queueNamed(taskQueue) };
  await client.call(startWorkflow, startRequest(`${taskQueue}-${randomUUID()}`, taskQueue));
  const measured: Step[] = [];
  for (let step = 0; step < steps; step++) {
    const { taskToken } = await client.call(pollWorkflowTask, queue);
    const received = client.call(pollActivityTask, queue).then((task) => ({ task, at: performance.now() }));
    await delay(pauseMs);
    const sentAt = performance.now();
    await client.call(completeWorkflowTask, { namespace, identity, taskToken, commands: [scheduleStep(String(step), taskQueue)] });
    const answeredAt = performance.now();
    const { task, at } = await received;
    measured.push({ sinceSent: at - sentAt, sinceAnswered: Math.max(0, at - answeredAt) });
    await client.call(completeActivityTask, { namespace, identity, taskToken: task.taskToken });
  }
  const { taskToken } = await client.call(pollWorkflowTask, queue);
  await client.call(completeWorkflowTask, { namespace, identity, taskToken, commands: [completeRun] });
  return measured;
}

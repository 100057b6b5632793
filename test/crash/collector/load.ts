import { setTimeout as delay } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import type { Client } from "@temporalio/client";
import { defaultPayloadConverter } from "@temporalio/common";
import type { Random } from "../../../sim/random.ts";
import { addSignal, type Collected, closeStageUpdate, collector } from "./workflows.ts";

/** What one workflow is sent: the numbers of each stage. */
export type Plan = { readonly workflowId: string; readonly stages: readonly (readonly number[])[] };

export function drawPlan(index: number, random: Random): Plan {
  const numbers = () => Array.from({ length: random.between(1, 6) }, () => random.between(1, 999));
  return { workflowId: `collector-${index}`, stages: Array.from({ length: random.between(1, 3) }, numbers) };
}

/** What the workflow has to return: each acknowledged signal once and in its order, each step's result once. */
export function expectedOf({ stages }: Plan): Collected {
  const signals = stages.flat();
  return {
    signals,
    doubled: signals.map((number) => 2 * number),
    notes: stages.map((_, stage) => stage),
    children: stages.map((_, stage) => 2 * stage),
    closedAt: stages.map((_, stage) => stages.slice(0, stage + 1).flat().length),
  };
}

/** Starts the plan's workflow, sends all it has to be sent, repeating each call until it is acknowledged, and returns its result. */
export async function carryOut(client: Client, taskQueue: string, { workflowId, stages }: Plan, random: Random): Promise<Collected> {
  const handle = await acknowledged(() =>
    client.workflow.start(collector, {
      workflowId,
      taskQueue,
      args: [stages.length],
      workflowTaskTimeout: "1s",
      workflowIdConflictPolicy: "USE_EXISTING",
    }),
  );
  for (const [stage, numbers] of stages.entries()) {
    for (const number of numbers) {
      const requestId = random.id();
      await delay(random.between(0, 150));
      await acknowledged(() => signal(client, workflowId, { number, requestId }));
    }
    const updateId = `close-${stage}`;
    await acknowledged(() => client.workflow.getHandle(workflowId).executeUpdate(closeStageUpdate, { updateId, args: [stage] }));
  }
  return await acknowledged(() => client.workflow.getHandle<typeof collector>(handle.workflowId).result());
}

/** The SDK makes a new request id for each call of its own; what is repeated here keeps its id. */
async function signal(client: Client, workflowId: string, { number, requestId }: { number: number; requestId: string }): Promise<void> {
  await client.workflowService.signalWorkflowExecution({
    namespace: "default",
    workflowExecution: { workflowId },
    signalName: addSignal.name,
    requestId,
    input: { payloads: [defaultPayloadConverter.toPayload(number)] },
  });
}

const retryMs = 25;
/**
 * UNAVAILABLE: the server is gone, or went before it answered. FAILED_PRECONDITION: the workflow task under way has timed out so often,
 * with the workers and servers it was lost with, that no update is let in for now.
 */
const outageCodes = new Set<number | undefined>([status.UNAVAILABLE, status.FAILED_PRECONDITION]);

/** Repeats a call through outages until it is answered. */
async function acknowledged<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!outageCodes.has(statusOf(error))) throw error;
      await delay(retryMs);
    }
  }
}

/** The gRPC status at the bottom of an error of the SDK. */
function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  return "code" in error && typeof error.code === "number" ? error.code : statusOf(error.cause);
}

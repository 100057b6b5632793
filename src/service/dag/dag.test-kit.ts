import { present } from "../../base/assert.ts";
import type { Json } from "../../dag/json.ts";
import { fromPayloads, toPayload } from "../../dag/payload.ts";
import { make } from "../../protocol/codec.ts";
import { Payloads } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { ApplicationFailureInfo, Failure } from "../../protocol/generated/temporal/api/failure/v1/message.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  PollActivityTaskQueueRequest,
  type PollActivityTaskQueueResponse,
  RespondActivityTaskCompletedRequest,
  RespondActivityTaskFailedRequest,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { accepted, patient, type TestCore, turn } from "../service.test-kit.ts";
import type { ShownRun } from "./dag-runs.ts";

// What the tests of this folder share: somebody who asks, and a worker that the test plays itself.

export const ada = { namespace: "default", by: "ada" };

/** The value of what must not be refused. */
export function agreed<T>(result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown }): T {
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result.error)}`);
  return result.value;
}

export async function define(core: TestCore, text: string): Promise<string> {
  return agreed(await core.dag.workflows.save("default", { text, by: "ada", seen: null, newId: "unnamed" })).workflow.id;
}

export async function startRun(core: TestCore, workflowId: string, input: Json = {}): Promise<string> {
  return agreed(await core.dag.runs.start(ada, { workflowId, input, labels: {}, idempotencyKey: null })).runId;
}

export const shown = async (core: TestCore, runId: string): Promise<ShownRun> => agreed(await core.dag.runs.get("default", runId));

const turnsMax = 2_000;
/** Waits, without sleeping, until the run shows what is looked for. */
export async function shows(core: TestCore, runId: string, look: (run: ShownRun["view"]) => boolean): Promise<ShownRun["view"]> {
  for (let turns = 0; turns < turnsMax; turns++) {
    const { view } = await shown(core, runId);
    if (look(view)) return view;
    await turn();
  }
  throw new Error(`it never happened: ${JSON.stringify((await shown(core, runId)).view)}`);
}

export type Job = { readonly task: PollActivityTaskQueueResponse; readonly id: string; readonly input: Json };

/** Takes the next job of a task queue, when there is one. */
export async function take(core: TestCore, taskQueue: string): Promise<Job> {
  const request = make(PollActivityTaskQueueRequest, { namespace: "default", taskQueue: make(TaskQueue, { name: taskQueue }) });
  const task = accepted(await core.services.pollActivityTaskQueue(request, patient));
  return { task, id: task.activityId, input: fromPayloads(task.input) };
}

export async function complete(core: TestCore, { task }: Job, output: Json = null): Promise<void> {
  const result = make(Payloads, { payloads: [toPayload(output)] });
  const request = make(RespondActivityTaskCompletedRequest, { namespace: "default", taskToken: task.taskToken, result });
  accepted(await core.services.respondActivityTaskCompleted(request, patient));
}

export async function fail(core: TestCore, { task }: Job, { nonRetryable = false, type = "Error" } = {}): Promise<void> {
  const value = make(ApplicationFailureInfo, { type, nonRetryable });
  const failure = make(Failure, { message: "broken", failureInfo: { $case: "applicationFailureInfo", value } });
  const request = make(RespondActivityTaskFailedRequest, { namespace: "default", taskToken: task.taskToken, failure });
  accepted(await core.services.respondActivityTaskFailed(request, patient));
}

export const stepStatuses = ({ steps }: ShownRun["view"]): { readonly [id: string]: string } =>
  Object.fromEntries(Object.entries(steps).map(([id, { status }]) => [id, status]));

export const headerIn = ({ task }: Job): Json => {
  const payload = present(task.header?.fields["holdfast-action"], "the header");
  return fromPayloads({ payloads: [payload] });
};

/** Waits until the next thing that is due is so far away. */
export async function timerOf(core: TestCore, inMs: number): Promise<void> {
  for (let turns = 0; turns < turnsMax; turns++) {
    if ((await core.nextWake()) === core.clock.now() + inMs) return;
    await turn();
  }
  throw new Error("no such timer");
}

import { make } from "../../protocol/codec.ts";
import { Command, ScheduleActivityTaskCommandAttributes } from "../../protocol/generated/temporal/api/command/v1/message.ts";
import { type Header, Payload, Payloads } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { CommandType } from "../../protocol/generated/temporal/api/enums/v1/command_type.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  PollActivityTaskQueueRequest,
  PollWorkflowTaskQueueRequest,
  RespondWorkflowTaskCompletedRequest,
  StartWorkflowExecutionRequest,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { Core } from "../core.ts";
import { accepted, patient } from "../service.test-kit.ts";

// Activities that wait for people, made by hand.

const taskQueue = make(TaskQueue, { name: "orders" });
let started = 0;

export type HeldActivity = {
  readonly workflowId?: string;
  readonly activityType?: string;
  readonly namespace?: string;
  /** Of the client that starts the workflow. */
  readonly identity?: string;
  readonly input?: readonly Payload[];
  readonly header?: Header;
};

/** Starts a workflow that schedules one activity, and returns the id of the approval it waits for. */
export async function holdActivity(core: Core, held: HeldActivity = {}): Promise<string> {
  const { namespace = "default", identity = "shop", workflowId = `held-${++started}`, activityType = "Refund", input, header } = held;
  const start = { namespace, workflowId, workflowType: { name: "Order" }, taskQueue, identity, requestId: `start-${++started}` };
  const { runId } = accepted(await core.services.startWorkflowExecution(make(StartWorkflowExecutionRequest, start), patient));
  const poll = make(PollWorkflowTaskQueueRequest, { namespace, taskQueue });
  const { response } = accepted(await core.services.pollWorkflowTaskQueue(poll, patient));
  const activity = make(ScheduleActivityTaskCommandAttributes, {
    activityId: "1",
    activityType: { name: activityType },
    taskQueue,
    startToCloseTimeout: { seconds: 60, nanos: 0 },
    ...(input === undefined ? {} : { input: make(Payloads, { payloads: [...input] }) }),
    ...(header === undefined ? {} : { header }),
  });
  const schedule = make(Command, {
    commandType: CommandType.SCHEDULE_ACTIVITY_TASK,
    attributes: { $case: "scheduleActivityTaskCommandAttributes", value: activity },
  });
  const done = make(RespondWorkflowTaskCompletedRequest, { namespace, taskToken: response.taskToken, commands: [schedule] });
  accepted(await core.services.respondWorkflowTaskCompleted(done, patient));
  const listed = await core.approvals.list({ namespace, all: false, after: null, limit: 100 });
  const approval = listed.ok ? listed.value.approvals.find((one) => one.runId === runId) : undefined;
  if (approval === undefined) throw new Error(`${activityType} does not wait for approval`);
  return approval.id;
}

export const jsonPayload = (value: unknown): Payload =>
  make(Payload, { metadata: { encoding: Buffer.from("json/plain") }, data: Buffer.from(JSON.stringify(value)) });

/** The activity type that a worker gets, if it gets one at once. */
export async function pollActivity(core: Core, namespace = "default"): Promise<string | null> {
  const controller = new AbortController();
  const polling = core.services.pollActivityTaskQueue(make(PollActivityTaskQueueRequest, { namespace, taskQueue }), {
    ...patient,
    signal: controller.signal,
  });
  setImmediate(() => setImmediate(() => controller.abort()));
  const polled = await polling;
  return polled.ok ? (polled.value.activityType?.name ?? null) : null;
}

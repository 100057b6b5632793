import { make } from "../../protocol/codec.ts";
import { Command, ScheduleActivityTaskCommandAttributes } from "../../protocol/generated/temporal/api/command/v1/message.ts";
import { Payload, Payloads, RetryPolicy } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { CommandType } from "../../protocol/generated/temporal/api/enums/v1/command_type.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  PollActivityTaskQueueRequest,
  type PollActivityTaskQueueResponse,
  PollWorkflowTaskQueueRequest,
  RespondActivityTaskCompletedRequest,
  RespondActivityTaskFailedRequest,
  RespondWorkflowTaskCompletedRequest,
  StartWorkflowExecutionRequest,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { Core } from "../core.ts";
import { accepted, patient, turn } from "../service.test-kit.ts";
import { usageKey } from "./attempt-end.ts";

// Workflows that schedule activities, and workers that take them, made by hand.

const namespace = "default";
const taskQueue = make(TaskQueue, { name: "activities" });

/** Starts a workflow that schedules an activity of each type, and returns its run id. */
export async function schedule(
  { services }: Pick<Core, "services">,
  { workflowId, types, attempts = 1 }: { readonly workflowId: string; readonly types: readonly string[]; readonly attempts?: number },
): Promise<string> {
  const own = make(TaskQueue, { name: `of ${workflowId}` });
  const start = { namespace, workflowId, workflowType: { name: "Order" }, taskQueue: own, requestId: workflowId, identity: "test" };
  const { runId } = accepted(await services.startWorkflowExecution(make(StartWorkflowExecutionRequest, start), patient));
  const poll = make(PollWorkflowTaskQueueRequest, { namespace, taskQueue: own });
  const { response } = accepted(await services.pollWorkflowTaskQueue(poll, patient));
  const commands = types.map((name, index) =>
    make(Command, {
      commandType: CommandType.SCHEDULE_ACTIVITY_TASK,
      attributes: {
        $case: "scheduleActivityTaskCommandAttributes",
        value: make(ScheduleActivityTaskCommandAttributes, {
          activityId: `${index + 1}`,
          activityType: { name },
          taskQueue,
          startToCloseTimeout: { seconds: 3_600, nanos: 0 },
          retryPolicy: make(RetryPolicy, { maximumAttempts: attempts }),
        }),
      },
    }),
  );
  const done = make(RespondWorkflowTaskCompletedRequest, { namespace, taskToken: response.taskToken, commands });
  accepted(await services.respondWorkflowTaskCompleted(done, patient));
  return runId;
}

/** Turns of the event loop after which a poll that got nothing waits in vain. */
const turnsPerPoll = 30;

/** What a worker gets if there is something for it now; null otherwise. */
export async function poll({ services }: Pick<Core, "services">): Promise<PollActivityTaskQueueResponse | null> {
  const controller = new AbortController();
  const polling = services.pollActivityTaskQueue(make(PollActivityTaskQueueRequest, { namespace, taskQueue }), {
    ...patient,
    signal: controller.signal,
  });
  let answered = false;
  void polling.then(
    () => {
      answered = true;
    },
    () => {
      answered = true;
    },
  );
  for (let turns = 0; turns < turnsPerPoll && !answered; turns++) await turn();
  controller.abort();
  const polled = accepted(await polling);
  return polled.taskToken.length === 0 ? null : polled;
}

/** Ends an attempt, with a report of what it used if there is one. */
export const complete = ({ services }: Pick<Core, "services">, taskToken: Uint8Array, usage?: object) =>
  services.respondActivityTaskCompleted(
    make(RespondActivityTaskCompletedRequest, {
      namespace,
      taskToken,
      ...(usage === undefined
        ? {}
        : { result: make(Payloads, { payloads: [make(Payload, { metadata: { [usageKey]: Buffer.from(JSON.stringify(usage)) } })] }) }),
    }),
    patient,
  );

export const fail = ({ services }: Pick<Core, "services">, taskToken: Uint8Array) =>
  services.respondActivityTaskFailed(make(RespondActivityTaskFailedRequest, { namespace, taskToken }), patient);

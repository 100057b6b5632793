// The calls that the raw load is made of.
import { randomUUID } from "node:crypto";
import { make } from "../src/protocol/codec.ts";
import { Command, ScheduleActivityTaskCommandAttributes } from "../src/protocol/generated/temporal/api/command/v1/message.ts";
import {
  ActivityType,
  Payload,
  Payloads,
  WorkflowExecution,
  WorkflowType,
} from "../src/protocol/generated/temporal/api/common/v1/message.ts";
import { CommandType } from "../src/protocol/generated/temporal/api/enums/v1/command_type.ts";
import { TaskQueue } from "../src/protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  CountWorkflowExecutionsRequest,
  CountWorkflowExecutionsResponse,
  DescribeWorkflowExecutionRequest,
  DescribeWorkflowExecutionResponse,
  GetSystemInfoRequest,
  GetSystemInfoResponse,
  PollActivityTaskQueueRequest,
  PollActivityTaskQueueResponse,
  PollWorkflowTaskQueueRequest,
  PollWorkflowTaskQueueResponse,
  RespondActivityTaskCompletedRequest,
  RespondActivityTaskCompletedResponse,
  RespondWorkflowTaskCompletedRequest,
  RespondWorkflowTaskCompletedResponse,
  SignalWorkflowExecutionRequest,
  SignalWorkflowExecutionResponse,
  StartWorkflowExecutionRequest,
  StartWorkflowExecutionResponse,
} from "../src/protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { RawClient, Rpc } from "./grpc.ts";

const rpc = <Q, A>(name: string, request: Rpc<Q, A>["request"], response: Rpc<Q, A>["response"]): Rpc<Q, A> => ({
  name,
  request,
  response,
});

export const getSystemInfo = rpc("GetSystemInfo", GetSystemInfoRequest, GetSystemInfoResponse);
export const startWorkflow = rpc("StartWorkflowExecution", StartWorkflowExecutionRequest, StartWorkflowExecutionResponse);
export const signalWorkflow = rpc("SignalWorkflowExecution", SignalWorkflowExecutionRequest, SignalWorkflowExecutionResponse);
export const describeWorkflow = rpc("DescribeWorkflowExecution", DescribeWorkflowExecutionRequest, DescribeWorkflowExecutionResponse);
export const countWorkflows = rpc("CountWorkflowExecutions", CountWorkflowExecutionsRequest, CountWorkflowExecutionsResponse);
export const pollWorkflowTask = rpc("PollWorkflowTaskQueue", PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse);
export const pollActivityTask = rpc("PollActivityTaskQueue", PollActivityTaskQueueRequest, PollActivityTaskQueueResponse);
export const completeWorkflowTask = rpc(
  "RespondWorkflowTaskCompleted",
  RespondWorkflowTaskCompletedRequest,
  RespondWorkflowTaskCompletedResponse,
);
export const completeActivityTask = rpc(
  "RespondActivityTaskCompleted",
  RespondActivityTaskCompletedRequest,
  RespondActivityTaskCompletedResponse,
);

export const namespace = "default";
export const identity = `bench-${process.pid}`;
export const queueNamed = (name: string): TaskQueue => make(TaskQueue, { name });
export const executionOf = (workflowId: string): WorkflowExecution => make(WorkflowExecution, { workflowId });

const encoder = new TextEncoder();
const smallInput = make(Payloads, {
  payloads: [
    make(Payload, {
      metadata: { encoding: encoder.encode("json/plain") },
      data: encoder.encode('{"orderId":"o-1","amount":4200}'),
    }),
  ],
});

/** A start as a small order service would send it: one JSON argument of 31 bytes. */
export const startRequest = (workflowId: string, taskQueue: string): Partial<StartWorkflowExecutionRequest> => ({
  namespace,
  workflowId,
  workflowType: make(WorkflowType, { name: "OrderWorkflow" }),
  taskQueue: queueNamed(taskQueue),
  input: smallInput,
  identity,
  requestId: randomUUID(),
});

/** Puts a run to sleep with one long timer as its answer to the first workflow task, which the start returns eagerly. */
export async function startSleeping(client: RawClient, { workflowId, taskQueue, seconds }: SleepingRun): Promise<void> {
  const started = await client.call(startWorkflow, { ...startRequest(workflowId, taskQueue), requestEagerExecution: true });
  if (started.eagerWorkflowTask === undefined) throw new Error("the server returned no workflow task with the start");
  const startToFireTimeout = { seconds, nanos: 0 };
  const timer = make(Command, {
    commandType: CommandType.START_TIMER,
    attributes: { $case: "startTimerCommandAttributes", value: { timerId: "1", startToFireTimeout } },
  });
  await client.call(completeWorkflowTask, { namespace, identity, taskToken: started.eagerWorkflowTask.taskToken, commands: [timer] });
}

type SleepingRun = { readonly workflowId: string; readonly taskQueue: string; readonly seconds: number };

const minute = { seconds: 60, nanos: 0 };

/** One activity of type `step`, without an input. */
export const scheduleStep = (activityId: string, taskQueue: string): Command =>
  make(Command, {
    commandType: CommandType.SCHEDULE_ACTIVITY_TASK,
    attributes: {
      $case: "scheduleActivityTaskCommandAttributes",
      value: make(ScheduleActivityTaskCommandAttributes, {
        activityId,
        activityType: make(ActivityType, { name: "step" }),
        taskQueue: queueNamed(taskQueue),
        startToCloseTimeout: minute,
      }),
    },
  });

export const completeRun = make(Command, {
  commandType: CommandType.COMPLETE_WORKFLOW_EXECUTION,
  attributes: { $case: "completeWorkflowExecutionCommandAttributes", value: { result: undefined } },
});

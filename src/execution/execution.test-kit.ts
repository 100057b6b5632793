import { assert, present } from "../base/assert.ts";
import { ok, type Result } from "../base/result.ts";
import { type DurationMs, type EpochMs, toProtoTime } from "../base/time.ts";
import { type Codec, encode, make } from "../protocol/codec.ts";
import { Any } from "../protocol/generated/google/protobuf/any.ts";
import { type PendingActivity, TaskToken } from "../protocol/generated/holdfast/state/v1/state.ts";
import * as commandMessages from "../protocol/generated/temporal/api/command/v1/message.ts";
import { Command } from "../protocol/generated/temporal/api/command/v1/message.ts";
import { Payload, Payloads, WorkflowType } from "../protocol/generated/temporal/api/common/v1/message.ts";
import { EventType } from "../protocol/generated/temporal/api/enums/v1/event_type.ts";
import { WorkflowTaskFailedCause } from "../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { ApplicationFailureInfo, Failure } from "../protocol/generated/temporal/api/failure/v1/message.ts";
import type { HistoryEvent } from "../protocol/generated/temporal/api/history/v1/message.ts";
import { Message } from "../protocol/generated/temporal/api/protocol/v1/message.ts";
import { TaskQueue } from "../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import { Acceptance, Input, Meta, Rejection, Request, Response } from "../protocol/generated/temporal/api/update/v1/message.ts";
import {
  RespondWorkflowTaskCompletedRequest,
  RespondWorkflowTaskFailedRequest,
  StartWorkflowExecutionRequest,
} from "../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { Refusal } from "../protocol/refusal.ts";
import { startActivity } from "./activity.ts";
import { type Admit, admitAll } from "./admission.ts";
import { startAdmitted } from "./admitted-start.ts";
import type { CommandAttributes, CommandCase } from "./commands/command.ts";
import { respondWorkflowTaskCompleted, respondWorkflowTaskFailed } from "./complete-workflow-task.ts";
import { decide } from "./decide.ts";
import { type Context, closeDraft, type Draft, emptyState, type MutableState, type RunKey } from "./execution.ts";
import type { EventCase } from "./history.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { signal } from "./signal.ts";
import { type StartOptions, startedAttributes } from "./start.ts";
import { encodeTransition } from "./stored-run.ts";
import { admitUpdate, sendUpdates } from "./update.ts";
import { wake, wakeAt } from "./wake.ts";
import { scheduleWorkflowTask, startWorkflowTask } from "./workflow-task.ts";

// What the tests of this folder share: one run without a server, driven by requests under a clock that a test moves.

/** When every test run starts. */
export const startTime: EpochMs = Date.UTC(2026, 0, 1);

/** What a test may change about the world around its run. */
export type World = {
  readonly limits?: Partial<Limits>;
  readonly namespaces?: { readonly [name: string]: string };
  readonly admit?: Admit;
};

export function testContext(now: EpochMs, { limits = {}, namespaces = { default: "namespace" }, admit = admitAll }: World = {}): Context {
  let ids = 0;
  return {
    now,
    newId: () => `id-${++ids}`,
    limits: { ...defaultLimits, ...limits },
    namespaceName: "default",
    searchAttributeTypes: new Map(),
    namespaceIdOf: (name) => namespaces[name],
    stickyAlive: (queue) => !queue.startsWith("dead"),
    admit,
  };
}

const poller = { identity: "worker", requestId: "poll", buildId: "" };

/** A run and all that happened to it. Requests are named as callers and workers would name them. */
export type TestRun = {
  readonly state: MutableState;
  readonly now: EpochMs;
  /** Everything written so far. */
  readonly history: readonly HistoryEvent[];
  /** The last transition, with the tasks and effects that it made due. */
  readonly last: Draft;
  /** Carries out any request. */
  decide<T>(request: (draft: Draft) => Result<T, Refusal>): Result<T, Refusal>;
  /** The same for what cannot be refused. */
  do(request: (draft: Draft) => void): void;
  signal(name?: string): void;
  admitUpdate(updateId: string): Result<void, Refusal>;
  /** A worker takes the workflow task. */
  poll(): void;
  /** The worker answers with commands, and whatever else a completion may hold. */
  complete(commands?: readonly Command[], more?: Partial<RespondWorkflowTaskCompletedRequest>): Refusal | null;
  /** `poll` and `complete`. */
  step(commands?: readonly Command[], more?: Partial<RespondWorkflowTaskCompletedRequest>): Refusal | null;
  fail(cause?: WorkflowTaskFailedCause): void;
  /** What a worker that holds the workflow task answers with; to be kept for later where a test answers late. */
  token(): TaskToken;
  completeWith(token: TaskToken, commands?: readonly Command[]): Refusal | null;
  activity(activityId: string): PendingActivity;
  /** A worker takes the activity's attempt. */
  pollActivity(activityId: string): PendingActivity;
  /** Lets time pass; what comes due on the way happens when it is due. */
  advance(by: DurationMs): void;
  /** Carries out a request after a time in which nothing happened, whatever came due. */
  doAfter(by: DurationMs, request: (draft: Draft) => void): void;
  /** Events from `fromEventId` on: `"5 TimerStarted, 6 TimerFired"`. */
  draw(fromEventId?: number): string;
  /** The attributes of the last event of a kind. */
  written<C extends EventCase>($case: C): Extract<NonNullable<HistoryEvent["attributes"]>, { $case: C }>["value"];
  /** The next run of the chain, once this one closed. */
  successor(): TestRun;
};

const runKey: RunKey = { namespaceId: "namespace", workflowId: "order-7", runId: "run-1" };

/** A run whose first workflow task waits for a worker: `"1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled"`. */
export function startTestRun(options: Partial<StartOptions> = {}, world: World = {}): TestRun {
  const context = testContext(startTime, world);
  const asked: StartOptions = make(StartWorkflowExecutionRequest, {
    workflowType: make(WorkflowType, { name: "Order" }),
    taskQueue: make(TaskQueue, { name: "orders" }),
    ...options,
  });
  const started = startedAttributes(runKey, asked, context);
  assert(started.ok, "a test starts what may be started");
  const { draft, refused } = startAdmitted(runKey, started.value, context, { requestId: "start" });
  assert(refused === null, "a test starts what the policy permits");
  scheduleWorkflowTask(draft);
  return drive(draft, world);
}

function drive(first: Draft, world: World): TestRun {
  let state = emptyState(first.key);
  let now = first.context.now;
  let last = first;
  const history: HistoryEvent[] = [];
  const apply = (draft: Draft): void => {
    history.push(...draft.batches.flat());
    encodeTransition(draft);
    state = closeDraft(draft);
    last = draft;
  };
  apply(first);

  const run: TestRun = {
    get state() {
      return state;
    },
    get now() {
      return now;
    },
    get last() {
      return last;
    },
    history,
    decide: (request) => {
      const decided = decide(state, testContext(now, world), request);
      if (!decided.ok) return decided;
      apply(decided.value.draft);
      return ok(decided.value.value);
    },
    do: (request) => {
      run.decide((draft) => ok(request(draft)));
    },
    signal: (signalName = "go") => {
      const signaled = run.decide((draft) =>
        signal(draft, { signalName, input: undefined, identity: "client", header: undefined, requestId: "", links: [] }),
      );
      assert(signaled.ok, "the signal is taken");
    },
    admitUpdate: (updateId) => run.decide((draft) => admitUpdate(draft, updateId, updateRequest(updateId))),
    poll: () =>
      run.do((draft) => {
        startWorkflowTask(draft, poller);
        sendUpdates(draft);
      }),
    token: () => {
      const { scheduledEventId, startedEventId, attempt, startedTime } = present(state.core.workflowTask, "workflow task");
      return make(TaskToken, { ...runKey, scheduledEventId, startedEventId, attempt, startedTime });
    },
    completeWith: (token, commands = []) => complete(token, commands, {}),
    complete: (commands = [], more = {}) => complete(run.token(), commands, more),
    step: (commands, more) => {
      run.poll();
      return run.complete(commands, more);
    },
    fail: (cause = WorkflowTaskFailedCause.WORKFLOW_WORKER_UNHANDLED_FAILURE) => {
      const failed = run.decide((draft) =>
        respondWorkflowTaskFailed(draft, run.token(), make(RespondWorkflowTaskFailedRequest, { cause, identity: "worker" })),
      );
      assert(failed.ok, "the worker held the workflow task");
    },
    activity: (activityId) =>
      present(
        [...state.activities.values()].find((activity) => activity.activityId === activityId),
        `activity ${activityId}`,
      ),
    pollActivity: (activityId) => {
      run.do((draft) => startActivity(draft, run.activity(activityId), poller));
      return run.activity(activityId);
    },
    advance: (by) => {
      const until = now + by;
      for (let due = wakeAt(state); due !== null && due <= until; due = wakeAt(state)) {
        now = Math.max(now, due);
        run.do(wake);
      }
      now = until;
    },
    doAfter: (by, request) => {
      now += by;
      run.do(request);
    },
    draw: (fromEventId = 1) => drawHistory(history.filter(({ eventId }) => eventId >= fromEventId)),
    written: ($case) => {
      const event = present(
        history.findLast(({ attributes }) => attributes?.$case === $case),
        `event of ${$case}`,
      );
      return (event.attributes as Extract<typeof event.attributes, { $case: typeof $case }>).value as never;
    },
    successor: () => drive(present(last.successor, "next run"), world),
  };

  function complete(token: TaskToken, commands: readonly Command[], more: Partial<RespondWorkflowTaskCompletedRequest>): Refusal | null {
    const request = make(RespondWorkflowTaskCompletedRequest, { identity: "worker", commands: [...commands], ...more });
    const completion = respondWorkflowTaskCompleted(state, testContext(now, world), token, request);
    if (!completion.ok) return completion.error;
    apply(completion.value.draft);
    return completion.value.refusal;
  }

  return run;
}

const eventNames = new Map<number, string>(Object.entries(EventType).map(([name, type]) => [type, pascalCase(name)]));

/** `TIMER_STARTED` → `TimerStarted`. */
function pascalCase(name: string): string {
  return name
    .split("_")
    .map((word) => word.charAt(0) + word.slice(1).toLowerCase())
    .join("");
}

/** A history as a person would draw it. */
export const drawHistory = (events: readonly HistoryEvent[]): string =>
  events.map(({ eventId, eventType }) => `${eventId} ${eventNames.get(eventType)}`).join(", ");

type KindOf<C extends CommandCase> = C extends `${infer K}CommandAttributes` ? K : never;
export type CommandKind = KindOf<CommandCase>;
type AttributesOf<K extends CommandKind> = Extract<CommandAttributes, { $case: `${K}CommandAttributes` }>["value"];

const commandCodecs: { readonly [K in CommandKind]: Codec<AttributesOf<K>> } = {
  scheduleActivityTask: commandMessages.ScheduleActivityTaskCommandAttributes,
  requestCancelActivityTask: commandMessages.RequestCancelActivityTaskCommandAttributes,
  startTimer: commandMessages.StartTimerCommandAttributes,
  cancelTimer: commandMessages.CancelTimerCommandAttributes,
  recordMarker: commandMessages.RecordMarkerCommandAttributes,
  completeWorkflowExecution: commandMessages.CompleteWorkflowExecutionCommandAttributes,
  failWorkflowExecution: commandMessages.FailWorkflowExecutionCommandAttributes,
  cancelWorkflowExecution: commandMessages.CancelWorkflowExecutionCommandAttributes,
  continueAsNewWorkflowExecution: commandMessages.ContinueAsNewWorkflowExecutionCommandAttributes,
  startChildWorkflowExecution: commandMessages.StartChildWorkflowExecutionCommandAttributes,
  signalExternalWorkflowExecution: commandMessages.SignalExternalWorkflowExecutionCommandAttributes,
  requestCancelExternalWorkflowExecution: commandMessages.RequestCancelExternalWorkflowExecutionCommandAttributes,
  upsertWorkflowSearchAttributes: commandMessages.UpsertWorkflowSearchAttributesCommandAttributes,
  modifyWorkflowProperties: commandMessages.ModifyWorkflowPropertiesCommandAttributes,
  protocolMessage: commandMessages.ProtocolMessageCommandAttributes,
  scheduleNexusOperation: commandMessages.ScheduleNexusOperationCommandAttributes,
  requestCancelNexusOperation: commandMessages.RequestCancelNexusOperationCommandAttributes,
};

/** Any worker command by its short name. */
export const command = <K extends CommandKind>(kind: K, fields: Partial<AttributesOf<K>> = {}): Command =>
  make(Command, {
    attributes: { $case: `${kind}CommandAttributes`, value: make(commandCodecs[kind], fields) } as CommandAttributes,
  });

export const startTimer = (timerId: string, after: DurationMs): Command =>
  command("startTimer", { timerId, startToFireTimeout: toProtoTime(after) });
export const cancelTimer = (timerId: string): Command => command("cancelTimer", { timerId });
export const scheduleActivity = (activityId: string, fields: Partial<AttributesOf<"scheduleActivityTask">> = {}): Command =>
  command("scheduleActivityTask", {
    activityId,
    activityType: { name: "Charge" },
    startToCloseTimeout: toProtoTime(60_000),
    ...fields,
  });
export const startChild = (workflowId: string, fields: Partial<AttributesOf<"startChildWorkflowExecution">> = {}): Command =>
  command("startChildWorkflowExecution", { workflowId, workflowType: { name: "Child" }, ...fields });
export const completeRun: Command = command("completeWorkflowExecution");

/** An argument or a result of so many bytes or with this text. */
export const payloads = (content: string | number): Payloads =>
  make(Payloads, {
    payloads: [make(Payload, { data: typeof content === "string" ? new TextEncoder().encode(content) : new Uint8Array(content) })],
  });

export const applicationFailure = (fields: Partial<ApplicationFailureInfo> = {}, message = "no stock"): Failure =>
  make(Failure, { message, failureInfo: { $case: "applicationFailureInfo", value: make(ApplicationFailureInfo, fields) } });

export const updateRequest = (updateId: string): Request =>
  make(Request, { meta: make(Meta, { updateId }), input: make(Input, { name: "approve" }) });

const updateMessage = <T>(updateId: string, kind: string, codec: Codec<T>, body: T): Message =>
  make(Message, {
    id: `${updateId}/${kind}`,
    protocolInstanceId: updateId,
    body: make(Any, { typeUrl: `type.googleapis.com/temporal.api.update.v1.${kind}`, value: encode(codec, body) }),
  });

/** What a worker may say of an update. */
export const accepts = (updateId: string): Message =>
  updateMessage(updateId, "Acceptance", Acceptance, make(Acceptance, { acceptedRequest: updateRequest(updateId) }));
export const rejects = (updateId: string): Message =>
  updateMessage(updateId, "Rejection", Rejection, make(Rejection, { failure: applicationFailure({}, "not now") }));
export const responds = (updateId: string): Message =>
  updateMessage(
    updateId,
    "Response",
    Response,
    make(Response, { meta: make(Meta, { updateId }), outcome: { value: { $case: "success", value: payloads("done") } } }),
  );
/** The command that says where among the commands a message has its place. */
export const place = (message: Message): Command => command("protocolMessage", { messageId: message.id });

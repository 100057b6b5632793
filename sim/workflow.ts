import { present } from "../src/base/assert.ts";
import { toProtoTime } from "../src/base/time.ts";
import { make } from "../src/protocol/codec.ts";
import * as commands from "../src/protocol/generated/temporal/api/command/v1/message.ts";
import { Command } from "../src/protocol/generated/temporal/api/command/v1/message.ts";
import { Payload, Payloads, RetryPolicy } from "../src/protocol/generated/temporal/api/common/v1/message.ts";
import type { HistoryEvent } from "../src/protocol/generated/temporal/api/history/v1/message.ts";
import type { Random } from "./random.ts";

/** What one simulated workflow does, step by step; a run that continues as new goes on with the steps after that one. */
export type Plan = {
  readonly steps: readonly Step[];
  /** How many signals of clients to wait for before the end. */
  readonly signals: number;
  /** What former runs of the chain have done and seen. */
  readonly done: readonly string[];
  readonly signaled: readonly string[];
  /** A policy may refuse what it wants to do; then it tries again after a while. */
  readonly governed: boolean;
};

export type Step =
  | { readonly kind: "activity"; readonly failures: number }
  | { readonly kind: "timer"; readonly afterMs: number }
  /** Both at once, until both are done. */
  | { readonly kind: "both"; readonly failures: number; readonly afterMs: number }
  /** A timer guards an activity and is canceled when the activity is done. If it fires, the workflow waits on. */
  | { readonly kind: "guarded"; readonly failures: number; readonly guardMs: number }
  | { readonly kind: "child"; readonly plan: Plan }
  /** Signals another workflow, which may be there or not. */
  | { readonly kind: "note"; readonly to: string }
  | { readonly kind: "continue" }
  /** Requests the cancellation of another workflow, which takes no notice. */
  | { readonly kind: "revoke"; readonly of: string }
  /** An activity that is asked to stop when a timer fires. */
  | { readonly kind: "hurried"; readonly failures: number; readonly afterMs: number }
  /** An activity that nobody waits for. */
  | { readonly kind: "left"; readonly failures: number };

const activityTypes = ["act", "pay", "ship"] as const;
export type ActivityType = (typeof activityTypes)[number];

/** What a workflow answers in the end: one word per step, in order, then the signals by name. */
export type Answer = { readonly done: readonly string[]; readonly signaled: readonly string[] };

export const expectedAnswer = (plan: Plan): Answer => ({
  done: plan.steps.map((step, index) =>
    step.kind === "child" ? `${index} ${JSON.stringify(expectedAnswer(step.plan))}` : `${index} ${step.kind}`,
  ),
  signaled: Array.from({ length: plan.signals }, (_, index) => `signal-${index}`),
});

const utf8 = new TextEncoder();
export const toPayloads = (value: unknown): Payloads =>
  make(Payloads, { payloads: [make(Payload, { data: utf8.encode(JSON.stringify(value)) })] });
export const fromPayloads = (payloads: Payloads | undefined): unknown =>
  JSON.parse(new TextDecoder().decode(payloads?.payloads[0]?.data ?? new Uint8Array(0)));

/** What a history says of the plan's steps. */
type Past = {
  plan: Plan;
  readonly scheduled: Map<number, string>;
  readonly activities: Map<string, "scheduled" | "canceling" | "completed">;
  readonly timers: Map<string, "started" | "over">;
  readonly children: Map<string, string | null>;
  readonly notes: Map<number, string>;
  readonly noted: Map<string, "sent" | "answered">;
  readonly revoked: Map<number, string>;
  /** What the policy, or a limit that it set, has brought to an end. */
  readonly refused: Set<string>;
  readonly signaled: string[];
};

function readPast(events: readonly HistoryEvent[]): Past {
  const past: Past = {
    plan: { steps: [], signals: 0, done: [], signaled: [], governed: false },
    scheduled: new Map(),
    activities: new Map(),
    timers: new Map(),
    children: new Map(),
    notes: new Map(),
    noted: new Map(),
    revoked: new Map(),
    refused: new Set(),
    signaled: [],
  };
  const refused = (id: string, event: string): void => {
    if (!past.plan.governed) throw new Error(`${event} ends ${id}, which was to go on`);
    past.refused.add(id);
  };
  for (const { eventId, attributes } of events) {
    switch (attributes?.$case) {
      case "workflowExecutionStartedEventAttributes":
        past.plan = fromPayloads(attributes.value.input) as Plan;
        break;
      case "activityTaskScheduledEventAttributes":
        past.scheduled.set(eventId, attributes.value.activityId);
        past.activities.set(attributes.value.activityId, "scheduled");
        break;
      case "activityTaskCompletedEventAttributes":
        past.activities.set(past.scheduled.get(attributes.value.scheduledEventId) ?? "", "completed");
        break;
      case "activityTaskCancelRequestedEventAttributes":
        past.activities.set(past.scheduled.get(attributes.value.scheduledEventId) ?? "", "canceling");
        break;
      case "timerStartedEventAttributes":
        past.timers.set(attributes.value.timerId, "started");
        break;
      case "timerFiredEventAttributes":
      case "timerCanceledEventAttributes":
        past.timers.set(attributes.value.timerId, "over");
        break;
      case "startChildWorkflowExecutionInitiatedEventAttributes":
        past.children.set(attributes.value.workflowId, null);
        break;
      case "childWorkflowExecutionCompletedEventAttributes":
        past.children.set(attributes.value.workflowExecution?.workflowId ?? "", JSON.stringify(fromPayloads(attributes.value.result)));
        break;
      case "signalExternalWorkflowExecutionInitiatedEventAttributes":
        past.notes.set(eventId, attributes.value.signalName);
        past.noted.set(attributes.value.signalName, "sent");
        break;
      case "externalWorkflowExecutionSignaledEventAttributes":
      case "signalExternalWorkflowExecutionFailedEventAttributes":
        past.noted.set(past.notes.get(attributes.value.initiatedEventId) ?? "", "answered");
        break;
      case "workflowExecutionSignaledEventAttributes":
        if (isFromClient(attributes.value.signalName)) past.signaled.push(attributes.value.signalName);
        break;
      case "requestCancelExternalWorkflowExecutionInitiatedEventAttributes":
        past.revoked.set(eventId, attributes.value.control);
        past.noted.set(attributes.value.control, "sent");
        break;
      case "externalWorkflowExecutionCancelRequestedEventAttributes":
      case "requestCancelExternalWorkflowExecutionFailedEventAttributes":
        past.noted.set(past.revoked.get(attributes.value.initiatedEventId) ?? "", "answered");
        break;
      case "activityTaskFailedEventAttributes":
      case "activityTaskTimedOutEventAttributes":
      case "activityTaskCanceledEventAttributes": {
        const id = past.scheduled.get(attributes.value.scheduledEventId) ?? "";
        // One that was asked to stop may end as it likes.
        if (past.activities.get(id) === "canceling") past.activities.set(id, "completed");
        else refused(id, attributes.$case);
        break;
      }
      case "childWorkflowExecutionFailedEventAttributes":
      case "startChildWorkflowExecutionFailedEventAttributes": {
        const child = "workflowId" in attributes.value ? attributes.value.workflowId : attributes.value.workflowExecution?.workflowId;
        refused(child ?? "", attributes.$case);
        break;
      }
    }
  }
  return past;
}

const isFromClient = (signalName: string): boolean => signalName.startsWith("signal-");

/** What a workflow decides on its history: pure, so that every replay decides alike. */
export function decideCommands(workflowId: string, events: readonly HistoryEvent[]): Command[] {
  const past = readPast(events);
  const { plan } = past;
  const done = [...plan.done];
  const signaled = [...plan.signaled, ...past.signaled];
  const decided: Command[] = [];
  for (let index = done.length; index < plan.steps.length; index++) {
    const step = present(plan.steps[index], "step");
    if (step.kind === "continue") return [...decided, continueAsNew({ ...plan, done: [...done, `${index} continue`], signaled })];
    const id = tryOf(`${workflowId}/${index}`, past);
    if (past.refused.has(id)) {
      // What the policy refuses is tried again under another id.
      if (past.timers.get(pauseAfter(id)) === undefined) decided.push(startTimer(pauseAfter(id), pauseMs));
      return decided;
    }
    // Done with the activity, the guard is not waited for.
    if (step.kind === "guarded" && past.activities.get(id) === "completed" && past.timers.get(id) === "started") {
      decided.push(cancelTimer(id));
      past.timers.set(id, "over");
    }
    if (step.kind === "left" && past.activities.get(id) === undefined) {
      decided.push(scheduleActivity(id, step));
      past.activities.set(id, "scheduled");
    }
    const wanted = wantedBy(step, id, past);
    if (wanted !== "done") return [...decided, ...wanted];
    done.push(`${index} ${step.kind === "child" ? past.children.get(id) : step.kind}`);
  }
  // A repeated signal is known by its request id in the run that took it, not in the next one of the chain.
  const distinct = [...new Set(signaled)];
  if (distinct.length < plan.signals) return decided;
  const result = toPayloads({ done, signaled: distinct.sort() } satisfies Answer);
  return [
    ...decided,
    make(Command, {
      attributes: {
        $case: "completeWorkflowExecutionCommandAttributes",
        value: make(commands.CompleteWorkflowExecutionCommandAttributes, { result }),
      },
    }),
  ];
}

/** How long to wait after something was refused. */
const pauseMs = 4_000;
const pauseAfter = (id: string): string => `${id}!`;

/** The id under which a step is tried now: another one after each refusal and the pause that follows. */
function tryOf(step: string, past: Past): string {
  for (let tries = 0; ; tries++) {
    const id = tries === 0 ? step : `${step}~${tries}`;
    if (!past.refused.has(id) || past.timers.get(pauseAfter(id)) !== "over") return id;
  }
}

/** The commands that a step still wants, which may be none while it waits, or that it is done. */
function wantedBy(step: Exclude<Step, { kind: "continue" }>, id: string, past: Past): Command[] | "done" {
  const activity = past.activities.get(id);
  const timer = past.timers.get(id);
  switch (step.kind) {
    case "activity":
      return activity === "completed" ? "done" : activity === undefined ? [scheduleActivity(id, step)] : [];
    case "timer":
      return timer === "over" ? "done" : timer === undefined ? [startTimer(id, step.afterMs)] : [];
    case "both":
      if (activity === "completed" && timer === "over") return "done";
      return activity === undefined ? [scheduleActivity(id, step), startTimer(id, step.afterMs)] : [];
    case "guarded":
      if (activity === "completed") return "done";
      return activity === undefined ? [startTimer(id, step.guardMs), scheduleActivity(id, step)] : [];
    case "child": {
      const child = past.children.get(id);
      return child === undefined ? [startChild(id, step.plan)] : child === null ? [] : "done";
    }
    case "note": {
      const note = past.noted.get(id);
      return note === undefined ? [signalExternal(id, step.to)] : note === "answered" ? "done" : [];
    }
    case "revoke": {
      const revoked = past.noted.get(id);
      return revoked === undefined ? [cancelExternal(id, step.of)] : revoked === "answered" ? "done" : [];
    }
    case "hurried":
      if (activity === "completed") return "done";
      if (activity === undefined) return [scheduleActivity(id, step), startTimer(id, step.afterMs)];
      return timer === "over" && activity === "scheduled" ? [cancelActivity(past, id)] : [];
    case "left":
      return "done";
  }
}

/** What one attempt of an activity may take. */
export const activityTimeoutMs = 3_000;
/** First retry, milliseconds. Each step's input says how often its activity fails. */
const retryAfterMs = 50;

function scheduleActivity(activityId: string, { failures }: { readonly failures: number }): Command {
  const value = make(commands.ScheduleActivityTaskCommandAttributes, {
    activityId,
    activityType: { name: typeOf(activityId) },
    input: toPayloads(failures),
    startToCloseTimeout: toProtoTime(activityTimeoutMs),
    heartbeatTimeout: toProtoTime(1_000),
    retryPolicy: make(RetryPolicy, { initialInterval: toProtoTime(retryAfterMs), backoffCoefficient: 1.3 }),
    requestEagerExecution: failures === 0,
  });
  return make(Command, { attributes: { $case: "scheduleActivityTaskCommandAttributes", value } });
}

/** Which type an activity has, its id says. */
const typeOf = (activityId: string): ActivityType =>
  present(activityTypes[Number(/\d+(?=(~\d+)?$)/.exec(activityId)?.[0]) % activityTypes.length], "activity type");

function cancelActivity(past: Past, activityId: string): Command {
  const [scheduledEventId] = [...past.scheduled].find(([, id]) => id === activityId) ?? [0];
  const value = make(commands.RequestCancelActivityTaskCommandAttributes, { scheduledEventId });
  return make(Command, { attributes: { $case: "requestCancelActivityTaskCommandAttributes", value } });
}

function cancelExternal(control: string, workflowId: string): Command {
  const value = make(commands.RequestCancelExternalWorkflowExecutionCommandAttributes, { workflowId, control });
  return make(Command, { attributes: { $case: "requestCancelExternalWorkflowExecutionCommandAttributes", value } });
}

function startTimer(timerId: string, afterMs: number): Command {
  const value = make(commands.StartTimerCommandAttributes, { timerId, startToFireTimeout: toProtoTime(afterMs) });
  return make(Command, { attributes: { $case: "startTimerCommandAttributes", value } });
}

function cancelTimer(timerId: string): Command {
  const value = make(commands.CancelTimerCommandAttributes, { timerId });
  return make(Command, { attributes: { $case: "cancelTimerCommandAttributes", value } });
}

function startChild(workflowId: string, plan: Plan): Command {
  const value = make(commands.StartChildWorkflowExecutionCommandAttributes, {
    workflowId,
    workflowType: { name: "plan" },
    input: toPayloads(plan),
    workflowTaskTimeout: toProtoTime(taskTimeoutMs),
  });
  return make(Command, { attributes: { $case: "startChildWorkflowExecutionCommandAttributes", value } });
}

function signalExternal(signalName: string, workflowId: string): Command {
  const value = make(commands.SignalExternalWorkflowExecutionCommandAttributes, { signalName, execution: { workflowId, runId: "" } });
  return make(Command, { attributes: { $case: "signalExternalWorkflowExecutionCommandAttributes", value } });
}

function continueAsNew(plan: Plan): Command {
  const value = make(commands.ContinueAsNewWorkflowExecutionCommandAttributes, {
    workflowType: { name: "plan" },
    input: toPayloads(plan),
    workflowTaskTimeout: toProtoTime(taskTimeoutMs),
  });
  return make(Command, { attributes: { $case: "continueAsNewWorkflowExecutionCommandAttributes", value } });
}

/** After so long a workflow task of a worker that died is given to another one. */
export const taskTimeoutMs = 2_000;

/** A plan of some steps by chance, with children that have fewer. */
export function anyPlan(
  random: Random,
  { workflowIds, governed }: { readonly workflowIds: readonly [string, ...string[]]; readonly governed: boolean },
  depth = 0,
): Plan {
  const failures = () => (random.chance(0.4) ? random.between(1, 5) : 0);
  const anyStep = (): Step => {
    const kind = random.pick([
      ...(["activity", "activity", "timer", "both", "guarded", "note", depth < 2 ? "child" : "timer", "continue"] as const),
      ...(governed ? (["revoke", "hurried", "left", "note", "activity"] as const) : []),
    ]);
    switch (kind) {
      case "activity":
      case "left":
        return { kind, failures: failures() };
      case "both":
      case "hurried":
        return { kind, failures: failures(), afterMs: random.between(1, 500) };
      case "guarded":
        return { kind, failures: failures(), guardMs: random.between(10, 2_000) };
      case "child":
        return { kind, plan: anyPlan(random, { workflowIds, governed }, depth + 1) };
      case "note":
        return { kind, to: random.pick(workflowIds) };
      case "revoke":
        return { kind, of: random.pick(workflowIds) };
      case "continue":
        return { kind };
      default:
        return { kind: "timer", afterMs: random.between(1, 3_000) };
    }
  };
  const steps = Array.from({ length: random.between(depth === 0 ? 1 : 0, 4 - depth) }, anyStep);
  return { steps, signals: depth === 0 ? random.between(0, 4) : 0, done: [], signaled: [], governed };
}

import fc from "fast-check";
import { expect, test } from "vitest";
import { assert, present } from "../base/assert.ts";
import { err, ok, type Result } from "../base/result.ts";
import { type EpochMs, secondMs, toProtoTime } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import { Hold, type PendingActivity, TaskToken } from "../protocol/generated/holdfast/state/v1/state.ts";
import type { Command } from "../protocol/generated/temporal/api/command/v1/message.ts";
import { Payload, RetryPolicy } from "../protocol/generated/temporal/api/common/v1/message.ts";
import { IndexedValueType } from "../protocol/generated/temporal/api/enums/v1/common.ts";
import { EventType } from "../protocol/generated/temporal/api/enums/v1/event_type.ts";
import { TaskQueueKind } from "../protocol/generated/temporal/api/enums/v1/task_queue.ts";
import { History, HistoryEvent, WorkflowExecutionCompletedEventAttributes } from "../protocol/generated/temporal/api/history/v1/message.ts";
import type { Message } from "../protocol/generated/temporal/api/protocol/v1/message.ts";
import { TaskQueue } from "../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  RespondWorkflowTaskCompletedRequest,
  RespondWorkflowTaskFailedRequest,
  StartWorkflowExecutionRequest,
} from "../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { notFound, type Refusal } from "../protocol/refusal.ts";
import {
  completeActivity,
  confirmActivityCanceled,
  failActivity,
  isDispatchable,
  recordHeartbeat,
  startActivity,
  startedActivity,
} from "./activity.ts";
import type { Admit } from "./admission.ts";
import { startAdmitted, startedEventId } from "./admitted-start.ts";
import { childClosed, childStarted, childStartFailed, childToStart } from "./child.ts";
import { terminateRun } from "./close.ts";
import { respondWorkflowTaskCompleted, respondWorkflowTaskFailed } from "./complete-workflow-task.ts";
import { decide } from "./decide.ts";
import { determinedByHistory } from "./determined.test-kit.ts";
import { fold } from "./evolve.ts";
import {
  accepts,
  applicationFailure,
  cancelTimer,
  command,
  completeRun,
  drawHistory,
  payloads,
  place,
  rejects,
  responds,
  scheduleActivity,
  startChild,
  startTime,
  startTimer,
  testContext,
  updateRequest,
} from "./execution.test-kit.ts";
import { type Context, closeDraft, type Draft, emptyState, hasStartedWorkflowTask, isRunning, type MutableState } from "./execution.ts";
import { externalCancelDone, externalSignalDone } from "./external.ts";
import { pendingAction, unansweredHolds } from "./held-action.ts";
import { isHeldBack } from "./outgoing.ts";
import { requestCancel, signal } from "./signal.ts";
import { startedAttributes } from "./start.ts";
import { waitsToBegin } from "./start-gate.ts";
import { decodeRun, encodeTransition } from "./stored-run.ts";
import { admitUpdate, sendUpdates, updateStatus } from "./update.ts";
import { wake, wakeAt } from "./wake.ts";
import { scheduleWorkflowTask, startWorkflowTask } from "./workflow-task.ts";

// Whatever callers and workers do, in whatever order: what must hold after every step.

/** What a step is about: the nth of what is there, so that steps of any sequence mean something. */
const nth = fc.nat({ max: 7 });
const pick = <T>(of: Iterable<T>, n: number): T | undefined => {
  const all = [...of];
  return all[n % Math.max(1, all.length)];
};

/** Mostly `usual`: what ends a run early must not end most of them. */
const seldom = <T, U>(arbitrary: fc.Arbitrary<T>, usual: U) =>
  fc.oneof({ weight: 7, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary });

const duration = fc.oneof(
  fc.nat({ max: 20_000 }),
  fc.nat({ max: 4_000 }).map((half) => half / 2),
);
const shortId = fc.constantFrom("a", "b", "c", "d");

const commandSpec = fc.oneof(
  fc.record({
    kind: fc.constant("schedule-activity"),
    id: shortId,
    scheduleToClose: seldom(duration, 0),
    scheduleToStart: seldom(duration, 0),
    heartbeat: seldom(duration, 0),
    attempts: fc.constantFrom(0, 1, 2),
  }),
  fc.record({ kind: fc.constant("cancel-activity"), nth }),
  fc.record({ kind: fc.constant("start-timer"), id: shortId, after: duration }),
  fc.record({ kind: fc.constant("cancel-timer"), nth }),
  fc.record({ kind: fc.constant("start-child"), id: shortId }),
  fc.record({ kind: fc.constant("signal-external"), id: shortId }),
  fc.record({ kind: fc.constant("cancel-external"), id: shortId }),
  fc.record({ kind: fc.constantFrom("remember", "index", "mark"), id: shortId }),
);
type CommandSpec = typeof commandSpec extends fc.Arbitrary<infer T> ? T : never;

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("poll"), versioned: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("complete"),
      commands: fc.array(commandSpec, { maxLength: 4 }),
      updates: fc.array(fc.constantFrom("accept", "reject", "complete", "accept and complete", "nothing"), { maxLength: 3 }),
      placed: fc.boolean(),
      sticky: fc.constantFrom("", "alive", "dead"),
      heartbeats: seldom(fc.constant(true), false),
      closing: seldom(fc.constantFrom("complete", "fail", "cancel", "continue", "complete twice"), null),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("complete late"), nth }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("fail workflow task") }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("signal"), again: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("update"), id: shortId }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("request cancel") }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("start activity"), nth }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("answer activity"),
      nth,
      how: fc.constantFrom("complete", "fail", "fail for good", "heartbeat", "confirm cancel", "complete late"),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("answer child"), nth, how: fc.constantFrom("start", "refuse", "close") }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("answer external"), nth, fails: fc.boolean() }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("vote"), nth, grants: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("wait"), by: fc.nat({ max: 20_000 }), wakes: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("terminate"), really: fc.nat({ max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("follow the chain") }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const script = fc.array(step, { maxLength: 60, size: "max" });

const start = fc.record({
  taskTimeout: seldom(duration, 0),
  runTimeout: seldom(duration, 0),
  executionTimeout: seldom(duration, 0),
  delay: seldom(duration, 0),
  retries: fc.boolean(),
  bufferedEvents: fc.constantFrom(3, 100),
  /** What the policy says of the start. */
  begins: seldom(fc.constantFrom("hold" as const, "hold for a while" as const, "delay" as const), "allow" as const),
  /** What the policy says, decision after decision, and from the first on again. */
  policy: fc.oneof(
    fc.constant(["allow"] as const),
    fc.array(fc.constantFrom("allow", "allow", "refuse", "hold", "hold for a while", "delay"), { minLength: 1, maxLength: 8 }),
  ),
});
type Start = typeof start extends fc.Arbitrary<infer T> ? T : never;

const searchAttributeTypes = new Map([["Region", IndexedValueType.KEYWORD]]);

/** One run as the server would keep it: its state in memory, and all that was written. */
type Driven = {
  state: MutableState;
  core: Uint8Array;
  readonly items: Map<string, { readonly kind: number; readonly id: string; readonly value: Uint8Array }>;
  /** Of all history batches. */
  bytes: number;
  readonly history: HistoryEvent[];
  readonly acceptedSignals: Set<string>;
  /** Approvals that somebody has been asked for and that nobody has answered yet. */
  readonly approvals: Set<string>;
  /** Of all workflow tasks and attempts that workers were given. */
  readonly tokens: TaskToken[];
  readonly attempts: PendingActivity[];
  successor: Draft | null;
};

const newRun = (key: MutableState["key"]): Driven => ({
  state: emptyState(key),
  core: new Uint8Array(0),
  items: new Map(),
  bytes: 0,
  history: [],
  acceptedSignals: new Set(),
  approvals: new Set(),
  tokens: [],
  attempts: [],
  successor: null,
});

/** Forbids every later change of what is part of a state. */
function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value)) return value;
  for (const part of value instanceof Map ? value.values() : Object.values(value)) freeze(part);
  return Object.freeze(value);
}

/** The maps of a state cannot be frozen: what they held. */
const entriesOf = (state: MutableState) => Object.values(state).map((part) => (part instanceof Map ? [...part] : part));

/** Plays a script on a run and the runs that follow it, and looks at the run after every step. Returns all of them. */
function play(options: Start, steps: readonly Step[]): readonly Driven[] {
  let now: EpochMs = startTime;
  let ids = 0;
  let signals = 0;
  let decisions = 0;
  const admit: Admit = ({ kind, grant, waitedUnder }) => {
    const first = kind === "workflow-start" && waitedUnder === undefined;
    const effect = grant !== null ? "allow" : first ? options.begins : options.policy[decisions++ % options.policy.length];
    const decided = { marks: null, caps: null, snapshot: "s1" };
    switch (effect) {
      case "refuse":
        return { ...decided, effect, rule: null, failure: applicationFailure({ nonRetryable: true }) };
      case "delay":
        return { ...decided, effect, until: now + 7 * secondMs };
      case "hold":
      case "hold for a while": {
        const approvalId = `approval-${++ids}`;
        const expiresAt = effect === "hold" ? 0 : now + 5 * secondMs;
        return { ...decided, effect: "hold", hold: make(Hold, { approvalId, since: now, expiresAt }) };
      }
      default:
        return { ...decided, effect: "allow" };
    }
  };
  const contextOf = (): Context => ({
    ...testContext(now, { limits: { bufferedEvents: options.bufferedEvents } }),
    newId: () => `run-${++ids}`,
    admit,
    searchAttributeTypes,
  });
  const first = startRunOf(options, contextOf());
  let run = newRun(first.key);
  const runs: Driven[] = [];

  /** What the server does with a transition: stores what changed, and goes on with the new state. */
  function commit(draft: Draft): void {
    const wasClosed = run.history.length > 0 && !isRunning(run.state);
    const encoded = encodeTransition(draft);
    if (encoded === null) expect(draft.batches).toEqual([]);
    else {
      run.core = encoded.core;
      for (const item of encoded.putItems) run.items.set(`${item.kind} ${item.id}`, item);
      for (const { kind, id } of encoded.deleteItems) assert(run.items.delete(`${kind} ${id}`), "only what is stored is deleted");
      for (const { bytes, firstEventId, eventCount } of encoded.history) {
        const { events } = History.decode(bytes);
        expect([events[0]?.eventId, events.length]).toEqual([firstEventId, eventCount]);
        run.bytes += bytes.length;
        run.history.push(...events);
      }
    }
    for (const { hold } of draft.held) run.approvals.add(hold.approvalId);
    for (const effect of unansweredHolds(draft)) if (effect.kind === "settle-approval") run.approvals.delete(effect.hold.approvalId);
    run.state = freeze(closeDraft(draft));
    for (const { initiated } of leaving(draft)) expect(isHeldBack(clearanceOf(run.state, initiated.eventId)), "what leaves").toBe(false);
    if (draft.successor !== null) run.successor = draft.successor;
    if (wasClosed) expect([isRunning(run.state), encoded?.history ?? []], "a closed run").toEqual([false, []]);
    holds(run, contextOf());
  }

  function open(draft: Draft): void {
    run = newRun(draft.key);
    runs.push(run);
    commit(draft);
  }

  /** Carries out a request: a refused one leaves no trace, and none changes the state that it was decided on. */
  function ask<T>(request: (draft: Draft) => Result<T, Refusal>): Result<T, Refusal> {
    const before = entriesOf(run.state);
    const decided = decide(run.state, contextOf(), request);
    expect(entriesOf(run.state)).toEqual(before);
    if (!decided.ok) return decided;
    commit(decided.value.draft);
    return ok(decided.value.value);
  }
  const tell = (request: (draft: Draft) => unknown): void => {
    ask((draft) => ok(request(draft)));
  };

  function answer(token: TaskToken, completed: RespondWorkflowTaskCompletedRequest): void {
    const before = entriesOf(run.state);
    const completion = respondWorkflowTaskCompleted(run.state, contextOf(), token, completed);
    expect(entriesOf(run.state)).toEqual(before);
    if (!completion.ok) return;
    const { draft, refusal } = completion.value;
    if (refusal !== null) {
      const written = draft.batches.flat().map(({ eventType }) => eventType);
      expect(written, "a refused completion").not.toContain(EventType.WORKFLOW_TASK_COMPLETED);
    }
    commit(draft);
  }

  const act: { readonly [K in Step["do"]]: (step: Extract<Step, { do: K }>) => void } = {
    poll: ({ versioned }) => {
      const waiting = run.state.core.workflowTask;
      if (!isRunning(run.state) || waiting === undefined || waiting.startedEventId !== 0) return;
      tell((draft) => {
        startWorkflowTask(draft, { identity: "worker", requestId: "poll", buildId: versioned ? "v1" : "" });
        sendUpdates(draft);
      });
      const { scheduledEventId, startedEventId, attempt, startedTime } = present(run.state.core.workflowTask, "workflow task");
      run.tokens.push(make(TaskToken, { scheduledEventId, startedEventId, attempt, startedTime }));
    },
    complete: (step) => {
      const token = run.tokens.at(-1);
      if (token === undefined) return;
      const messages = messagesFor(run.state, step.updates);
      const commands = step.commands.map((spec) => commandFor(run.state, spec)).filter((made) => made !== null);
      const stickyAttributes = {
        workerTaskQueue: make(TaskQueue, { name: step.sticky, kind: TaskQueueKind.STICKY, normalName: "orders" }),
        scheduleToStartTimeout: toProtoTime(5 * secondMs),
      };
      answer(
        token,
        make(RespondWorkflowTaskCompletedRequest, {
          identity: "worker",
          commands: [...commands, ...(step.placed ? messages.map(place) : []), ...closingCommands(step.closing)],
          messages,
          forceCreateNewWorkflowTask: step.heartbeats && step.closing === null,
          stickyAttributes: step.sticky === "" ? undefined : stickyAttributes,
        }),
      );
    },
    "complete late": ({ nth: n }) => {
      const token = pick(run.tokens, n);
      if (token !== undefined) answer(token, make(RespondWorkflowTaskCompletedRequest, { identity: "late" }));
    },
    "fail workflow task": () => {
      const token = run.tokens.at(-1);
      if (token === undefined) return;
      ask((draft) => respondWorkflowTaskFailed(draft, token, make(RespondWorkflowTaskFailedRequest, { identity: "worker" })));
    },
    signal: ({ again }) => {
      const name = again ? `signal-${signals}` : `signal-${++signals}`;
      const sent = { signalName: name, input: payloads(3), identity: "client", header: undefined, requestId: name, links: [] };
      if (isRunning(run.state)) run.acceptedSignals.add(name);
      expect(ask((draft) => signal(draft, sent)).ok).toBe(isRunning(run.state));
    },
    update: ({ id }) => {
      ask((draft) => (updateStatus(draft, id) === null ? admitUpdate(draft, id, updateRequest(id)) : ok(undefined)));
    },
    "request cancel": () => tell((draft) => requestCancel(draft, { reason: "enough", identity: "client" })),
    "start activity": ({ nth: n }) => {
      const activity = pick(run.state.activities.values(), n);
      if (activity === undefined) return;
      const taken = ask((draft) =>
        isDispatchable(draft, activity.scheduledEventId, activity.stamp)
          ? ok(startActivity(draft, activity, { identity: "worker", requestId: "poll", buildId: "v1" }))
          : err(notFound("nothing waits")),
      );
      if (taken.ok) run.attempts.push(taken.value);
    },
    "answer activity": ({ nth: n, how }) => {
      const attempt = how === "complete late" ? pick(run.attempts, n) : pick(run.state.activities.values(), n);
      if (attempt === undefined) return;
      ask((draft) => {
        const activity = startedActivity(draft, attempt);
        return activity.ok ? answerActivity(draft, activity.value, how) : activity;
      });
    },
    "answer child": ({ nth: n, how }) => {
      const pending = pick(run.state.children.values(), n);
      if (pending === undefined) return;
      tell((draft) => {
        const child = childToStart(draft, pending.initiatedEventId);
        const { initiatedEventId, workflowId } = pending;
        if (isHeldBack(pending.clearance)) return;
        if (child === null) childClosed(draft, { initiatedEventId, workflowId, closed: completedChild });
        else if (how === "start") childStarted(draft, child, { runId: `run-of-${workflowId}`, header: undefined });
        else if (how === "refuse") childStartFailed(draft, child, { cause: 1, workflowTaskCompletedEventId: 4, control: "" });
      });
    },
    "answer external": ({ nth: n, fails }) => {
      const pending = pick([...run.state.externalSignals.keys(), ...run.state.externalCancels.keys()], n);
      if (pending === undefined || isHeldBack(clearanceOf(run.state, pending))) return;
      // One of the two knows it.
      tell((draft) => {
        externalSignalDone(draft, pending, fails ? 1 : null);
        externalCancelDone(draft, pending, fails ? 1 : null);
      });
    },
    vote: ({ nth: n, grants }) => {
      const { activities, children, externalSignals, externalCancels } = run.state;
      const ofWorkers = [activities, children, externalSignals, externalCancels].flatMap((actions): number[] => [...actions.keys()]);
      const all = [startedEventId, ...ofWorkers];
      tell((draft) => {
        const action = pick(
          all.map((id) => pendingAction(draft, id)).filter((found) => found?.hold !== undefined),
          n,
        );
        const approvalId = action?.hold?.approvalId;
        if (action == null || approvalId === undefined) return;
        run.approvals.delete(approvalId);
        if (grants) action.release({ approvalId, jobHash: "job" });
        else action.refuse(applicationFailure({ nonRetryable: true }));
      });
    },
    wait: ({ by, wakes }) => {
      const until = now + by;
      if (wakes) wakeUntil(until);
      now = until;
    },
    terminate: ({ really }) => {
      if (really === 0 && isRunning(run.state)) tell((draft) => terminateRun(draft, { reason: "stop", identity: "client" }));
    },
    "follow the chain": () => {
      if (run.successor !== null) open(run.successor);
    },
  };

  /** Time passes, and what comes due on the way is done: then the next time to wake is later. */
  function wakeUntil(until: EpochMs): void {
    for (let due = wakeAt(run.state); due !== null && due <= until; due = wakeAt(run.state)) {
      now = Math.max(now, due);
      tell(wake);
      expect(wakeAt(run.state) ?? Number.POSITIVE_INFINITY, "the next time to wake").toBeGreaterThan(now);
    }
  }

  open(first);
  // Each step goes to the entry of its own kind, which the type checker cannot correlate.
  for (const step of steps) (act[step.do] as (step: Step) => void)(step);
  return runs;
}

function startRunOf(options: Start, context: Context): Draft {
  const key = { namespaceId: "namespace", workflowId: "order-7", runId: "run-0" };
  const asked = make(StartWorkflowExecutionRequest, {
    workflowType: { name: "Order" },
    taskQueue: make(TaskQueue, { name: "orders" }),
    input: payloads("book"),
    workflowTaskTimeout: toProtoTime(options.taskTimeout),
    workflowRunTimeout: toProtoTime(options.runTimeout),
    workflowExecutionTimeout: toProtoTime(options.executionTimeout),
    workflowStartDelay: toProtoTime(options.delay),
    retryPolicy: options.retries ? make(RetryPolicy, { maximumAttempts: 3 }) : undefined,
    memo: { fields: { note: json("first") } },
  });
  const started = startedAttributes(key, asked, context);
  assert(started.ok, "a test starts what may be started");
  const { draft, refused } = startAdmitted(key, started.value, context, { requestId: "start" });
  assert(refused === null, "a test starts what the policy permits");
  scheduleWorkflowTask(draft);
  return draft;
}

const json = (value: string) => make(Payload, { metadata: { encoding: utf8("json/plain") }, data: utf8(JSON.stringify(value)) });
function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

const completedChild = make(HistoryEvent, {
  attributes: {
    $case: "workflowExecutionCompletedEventAttributes",
    value: make(WorkflowExecutionCompletedEventAttributes, { result: payloads("child") }),
  },
});

function answerActivity(
  draft: Draft,
  activity: PendingActivity,
  how: Extract<Step, { do: "answer activity" }>["how"],
): Result<void, Refusal> {
  const identity = "worker";
  switch (how) {
    case "confirm cancel":
      return confirmActivityCanceled(draft, activity, { details: undefined, identity });
    case "heartbeat":
      recordHeartbeat(draft, activity, { details: payloads("alive"), identity });
      return ok(undefined);
    case "fail":
    case "fail for good":
      failActivity(draft, activity, { failure: applicationFailure({ nonRetryable: how === "fail for good" }), identity });
      return ok(undefined);
    case "complete":
    case "complete late":
      completeActivity(draft, activity, { result: payloads("done"), identity });
      return ok(undefined);
  }
}

/** What a worker says of the updates it was sent, and of those it accepted before. */
function messagesFor({ admitted, updates }: MutableState, answers: readonly string[]): Message[] {
  const sent = [...admitted.values()].filter(({ sentWith }) => sentWith !== 0).map(({ updateId }) => updateId);
  const running = [...updates.values()].filter(({ completedEventId }) => completedEventId === 0).map(({ updateId }) => updateId);
  return answers.flatMap((answer, index): Message[] => {
    const updateId = sent[index];
    if (updateId === undefined) return answer === "complete" && running[index] !== undefined ? [responds(running[index])] : [];
    if (answer === "reject") return [rejects(updateId)];
    if (answer === "accept") return [accepts(updateId)];
    return answer === "accept and complete" ? [accepts(updateId), responds(updateId)] : [];
  });
}

/** The command that a worker means; null where there is nothing that it could be about. */
function commandFor(state: MutableState, spec: CommandSpec): Command | null {
  switch (spec.kind) {
    case "schedule-activity":
      return scheduleActivity(spec.id, {
        scheduleToCloseTimeout: toProtoTime(spec.scheduleToClose),
        scheduleToStartTimeout: toProtoTime(spec.scheduleToStart),
        startToCloseTimeout: toProtoTime(10 * secondMs),
        heartbeatTimeout: toProtoTime(spec.heartbeat),
        retryPolicy: make(RetryPolicy, { maximumAttempts: spec.attempts }),
      });
    case "cancel-activity": {
      const scheduledEventId = pick(state.activities.keys(), spec.nth);
      return scheduledEventId === undefined ? null : command("requestCancelActivityTask", { scheduledEventId });
    }
    case "start-timer":
      return startTimer(spec.id, spec.after);
    case "cancel-timer": {
      const timerId = pick(state.timers.keys(), spec.nth);
      return timerId === undefined ? null : cancelTimer(timerId);
    }
    case "start-child":
      return startChild(spec.id);
    case "signal-external":
      return command("signalExternalWorkflowExecution", { execution: { workflowId: spec.id, runId: "" }, signalName: "go" });
    case "cancel-external":
      return command("requestCancelExternalWorkflowExecution", { workflowId: spec.id });
    case "remember":
      return command("modifyWorkflowProperties", { upsertedMemo: { fields: { [spec.id]: json("noted") } } });
    case "index":
      return command("upsertWorkflowSearchAttributes", { searchAttributes: { indexedFields: { Region: json(spec.id) } } });
    case "mark":
      return command("recordMarker", { markerName: spec.id });
  }
}

function closingCommands(closing: Extract<Step, { do: "complete" }>["closing"]): readonly Command[] {
  switch (closing) {
    case null:
      return [];
    case "complete":
      return [completeRun];
    case "complete twice":
      return [completeRun, completeRun];
    case "fail":
      return [command("failWorkflowExecution", { failure: applicationFailure() })];
    case "cancel":
      return [command("cancelWorkflowExecution")];
    case "continue":
      return [command("continueAsNewWorkflowExecution", { workflowType: { name: "Order" } })];
  }
}

/** What holds after every transition of a run. */
function holds(run: Driven, context: Context): void {
  const { state, history } = run;
  const drawn = () => drawHistory(history);

  // Ids have no gaps.
  expect(history.map(({ eventId }) => eventId)).toEqual(history.map((_, index) => index + 1));

  // The history alone tells what is stored beside it.
  expect(determinedByHistory(fold(state.key, history, context))).toEqual(determinedByHistory(state));
  expect(state.core.historyBytes).toBe(run.bytes);

  // What is stored is what is in memory, but for what lives there alone: a speculative workflow task, and updates nobody took yet.
  const task = state.core.workflowTask;
  const stored = decodeRun(state.key, { core: run.core, items: [...run.items.values()] });
  const persistent = { ...state, admitted: new Map(), core: { ...state.core, workflowTask: task?.speculative ? undefined : task } };
  expect(stored).toEqual(persistent);

  // Whoever was asked for an approval is waited for, and whoever is waited for was asked.
  const waiting = [state.activities, state.children, state.externalSignals, state.externalCancels].flatMap((actions) =>
    [...actions.values()].flatMap((action) => ("hold" in action ? action.hold : action.clearance?.hold)?.approvalId ?? []),
  );
  expect(new Set([...waiting, ...(state.core.startGate?.hold === undefined ? [] : [state.core.startGate.hold.approvalId])])).toEqual(
    run.approvals,
  );

  // Nothing leaves a run that may not begin yet.
  if (waitsToBegin(state.core)) expect([state.core.workflowTask, state.activities.size]).toEqual([undefined, 0]);

  // Between the start of a workflow task and its end nothing else gets an id.
  for (const [index, { eventType }] of history.entries()) {
    if (eventType !== EventType.WORKFLOW_TASK_STARTED) continue;
    const next = history[index + 1]?.eventType;
    assert(next === undefined || workflowTaskEnds.has(next), `something came between a workflow task's start and its end: ${drawn()}`);
  }
  if (!hasStartedWorkflowTask(state)) expect(state.buffered).toEqual([]);

  // No accepted signal is lost, and none is there twice.
  const signals = [...history, ...state.buffered].flatMap(({ attributes }) =>
    attributes?.$case === "workflowExecutionSignaledEventAttributes" ? [attributes.value.signalName] : [],
  );
  expect(new Set(signals).size).toBe(signals.length);
  expect(new Set(signals)).toEqual(run.acceptedSignals);

  if (!isRunning(state)) {
    expect(wakeAt(state)).toBeNull();
    expect([state.activities, state.timers, state.children, state.buffered, state.core.workflowTask].map(sizeOf)).toEqual([0, 0, 0, 0, 0]);
  }
}

/** Effects of a transition by which an action leaves. */
const leaving = ({ effects }: Draft) =>
  effects.flatMap((effect) =>
    effect.kind === "start-child" || effect.kind === "signal-external" || effect.kind === "cancel-external" ? [effect] : [],
  );

const clearanceOf = ({ children, externalSignals, externalCancels }: MutableState, eventId: number) =>
  (children.get(eventId) ?? externalSignals.get(eventId) ?? externalCancels.get(eventId))?.clearance;

const sizeOf = (part: ReadonlyMap<unknown, unknown> | readonly unknown[] | object | undefined): number =>
  part instanceof Map ? part.size : Array.isArray(part) ? part.length : part === undefined ? 0 : 1;

const workflowTaskEnds: ReadonlySet<EventType> = new Set<EventType>([
  EventType.WORKFLOW_TASK_COMPLETED,
  EventType.WORKFLOW_TASK_FAILED,
  EventType.WORKFLOW_TASK_TIMED_OUT,
]);

test("whatever is asked of a run, in whatever order", { timeout: 30_000 }, () => {
  fc.assert(
    fc.property(start, script, (options, steps) => void play(options, steps)),
    { numRuns: 400 },
  );
});

test("such scripts come to every event that the server writes", { timeout: 30_000 }, () => {
  const scripts = fc.sample(fc.tuple(start, script), { seed: 7, numRuns: 500 });
  const written = new Set(scripts.flatMap(([options, steps]) => play(options, steps).flatMap(({ history }) => history.map(eventTypeOf))));
  const missing = [...names].filter(([type, name]) => !written.has(type) && !neverHere.has(type) && !name.startsWith("NEXUS_"));
  expect(missing).toEqual([]);
});

const eventTypeOf = ({ eventType }: HistoryEvent): number => eventType;
const names = new Map(Object.entries(EventType).map(([name, type]): [number, string] => [type, name]));
/** Written for what these scripts do not do (children that are cancelled, attached starts), or not by this server. */
const neverHere: ReadonlySet<number> = new Set([
  EventType.UNSPECIFIED,
  EventType.UNRECOGNIZED,
  EventType.CHILD_WORKFLOW_EXECUTION_CANCELED,
  EventType.CHILD_WORKFLOW_EXECUTION_TIMED_OUT,
  EventType.CHILD_WORKFLOW_EXECUTION_TERMINATED,
  EventType.WORKFLOW_EXECUTION_OPTIONS_UPDATED,
  EventType.WORKFLOW_EXECUTION_UPDATE_ADMITTED,
  EventType.WORKFLOW_EXECUTION_UPDATE_REJECTED,
  EventType.WORKFLOW_PROPERTIES_MODIFIED_EXTERNALLY,
  EventType.ACTIVITY_PROPERTIES_MODIFIED_EXTERNALLY,
  EventType.WORKFLOW_EXECUTION_PAUSED,
  EventType.WORKFLOW_EXECUTION_UNPAUSED,
  EventType.WORKFLOW_EXECUTION_TIME_SKIPPING_TRANSITIONED,
]);

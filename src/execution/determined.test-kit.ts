import type {
  AcceptedUpdate,
  PendingActivity,
  PendingChild,
  PendingExternal,
  PendingTimer,
  RunCore,
  WorkflowTask,
} from "../protocol/generated/holdfast/state/v1/state.ts";
import type { MutableState } from "./execution.ts";
import { isInHistory } from "./workflow-task-events.ts";

// What `fold(history)` must have in common with the stored state: the one list of which fields history determines. Each of the
// others says why it is none of them. A new field does not compile until it has its line here.

/** Whether history alone determines a field, or why it does not. */
type Verdict = "in history" | `not in history: ${string}`;
type Fields<T> = { readonly [K in keyof T]-?: Verdict };

const coreFields: Fields<RunCore> = {
  nextEventId: "in history",
  status: "in history",
  startTime: "in history",
  closeTime: "in history",
  closeEventId: "in history",
  executionTime: "in history",
  runExpirationTime: "in history",
  executionExpirationTime: "in history",
  firstWorkflowTaskDue: "in history",
  lastCompletedStartedEventId: "in history",
  lastCompletedEventId: "in history",
  workflowTask: "in history",
  workflowTaskAttempt: "not in history: transient workflow tasks fail without an event",
  sticky: "not in history: which worker caches the run",
  cancelRequested: "in history",
  cancelRequestId: "not in history: what the caller called its request",
  signalCount: "in history",
  updateCount: "in history",
  historyBytes: "not in history: how large its batches were when they were written",
  stateTransitionCount: "not in history: many transitions write no event",
  bufferedBytes: "not in history: the buffer is what is not in history yet",
  memo: "in history",
  searchAttributes: "in history",
  mostRecentWorkerVersionStamp: "in history",
  newExecutionRunId: "in history",
  startRequestId: "not in history: what the caller called its request",
  nextBufferSequence: "not in history: the buffer is what is not in history yet",
  startGate: "not in history: the policy's decision is in the ledger",
  keptGrants: "not in history: the approval is in the ledger",
};

/** Of a workflow task that stands in history. */
const workflowTaskFields: Fields<WorkflowTask> = {
  scheduledEventId: "in history",
  startedEventId: "in history",
  attempt: "in history",
  taskQueue: "in history",
  timeout: "in history",
  identity: "in history",
  requestId: "in history",
  continueAsNewReasons: "in history",
  historySizeBytes: "in history",
  buildId: "in history",
  scheduledTime: "not in history: a task that was speculative or transient at first is written later than it was scheduled",
  startedTime: "not in history: a task that was speculative at first is written later than it was started",
  originalScheduledTime: "not in history: the first of a chain of heartbeating tasks",
  scheduleToStartDue: "not in history: how long the sticky queue's worker has",
  speculative: "not in history: true only of what is not written",
};

const activityFields: Fields<PendingActivity> = {
  scheduledEventId: "in history",
  activityId: "in history",
  activityType: "in history",
  taskQueue: "in history",
  scheduledTime: "in history",
  scheduleToCloseTimeout: "in history",
  scheduleToStartTimeout: "in history",
  startToCloseTimeout: "in history",
  heartbeatTimeout: "in history",
  retryPolicy: "in history",
  priority: "in history",
  cancelRequested: "in history",
  cancelRequestedEventId: "in history",
  workflowTaskCompletedEventId: "in history",
  attempt: "not in history: retries are written with the event that ends the activity",
  stamp: "not in history: which of the tasks handed out is still good",
  attemptScheduledTime: "not in history: of the current attempt",
  startedTime: "not in history: of the current attempt",
  startedIdentity: "not in history: of the current attempt",
  requestId: "not in history: of the current attempt",
  lastHeartbeatTime: "not in history: heartbeats are no events",
  heartbeatDetails: "not in history: heartbeats are no events",
  lastFailure: "not in history: of the attempt before",
  lastWorkerIdentity: "not in history: of the attempt before",
  lastAttemptCompleteTime: "not in history: of the attempt before",
  lastStartedTime: "not in history: of the last attempt",
  workerVersion: "not in history: of the current attempt",
  dispatched: "not in history: whether a task stands for the current attempt",
  closing: "not in history: its last event is in the buffer",
  hold: "not in history: an approval is asked for",
  heldFor: "not in history: an approval was asked for",
  policySnapshot: "not in history: the policy's decision is in the ledger",
  grantedApprovalId: "not in history: the approval is in the ledger",
  grantedJobHash: "not in history: the approval is in the ledger",
  grantOutlives: "not in history: the approval is in the ledger",
  runtimeCap: "not in history: the policy's decision is in the ledger",
  decidedAttempt: "not in history: the attempts are not either",
  limited: "not in history: the policy's decision is in the ledger",
  outputCap: "not in history: the policy's decision is in the ledger",
  outputCapRule: "not in history: the policy's decision is in the ledger",
};

const timerFields: Fields<PendingTimer> = {
  timerId: "in history",
  startedEventId: "in history",
  fireTime: "in history",
  firing: "not in history: its last event is in the buffer",
};

const childFields: Fields<PendingChild> = {
  initiatedEventId: "in history",
  startedEventId: "in history",
  namespace: "in history",
  namespaceId: "in history",
  workflowId: "in history",
  runId: "in history",
  workflowType: "in history",
  parentClosePolicy: "in history",
  starting: "not in history: its first event is in the buffer",
  closing: "not in history: its last event is in the buffer",
  clearance: "not in history: the policy's decision is in the ledger",
};

const externalFields: Fields<PendingExternal> = {
  initiatedEventId: "in history",
  namespace: "in history",
  workflowId: "in history",
  runId: "in history",
  namespaceId: "in history",
  control: "in history",
  workflowTaskCompletedEventId: "in history",
  closing: "not in history: its last event is in the buffer",
  clearance: "not in history: the policy's decision is in the ledger",
};

const updateFields: Fields<AcceptedUpdate> = {
  updateId: "in history",
  acceptedEventId: "in history",
  completedEventId: "in history",
  outcome: "in history",
  updateName: "in history",
};

const only = <T extends object>(fields: Fields<T>, message: T): Partial<T> =>
  Object.fromEntries(Object.entries(message).filter(([name]) => fields[name as keyof T] === "in history")) as Partial<T>;

const each = <K, V extends object>(fields: Fields<V>, map: ReadonlyMap<K, V>): Map<K, Partial<V>> =>
  new Map([...map].map(([key, value]) => [key, only(fields, value)]));

/**
 * The part of a run's state that its history determines: of the stored state and of the fold of its history it is the same.
 * What a buffered event has changed already (a cancel request, a request id, the run id of a child) counts once it is written.
 */
export function determinedByHistory(state: MutableState) {
  const { core, buffered } = state;
  const task = core.workflowTask;
  const waiting = buffered.flatMap(({ attributes }) => (attributes === undefined ? [] : [attributes]));
  const waitingRequestIds = new Set(
    waiting.map(({ $case, value }) =>
      $case === "workflowExecutionSignaledEventAttributes"
        ? value.requestId
        : $case === "workflowExecutionOptionsUpdatedEventAttributes"
          ? value.attachedRequestId
          : "",
    ),
  );
  return {
    key: state.key,
    core: {
      ...only(coreFields, core),
      workflowTask: task !== undefined && isInHistory(task) ? only(workflowTaskFields, task) : undefined,
      cancelRequested: core.cancelRequested && !waiting.some(({ $case }) => $case === "workflowExecutionCancelRequestedEventAttributes"),
    },
    started: state.started,
    userMetadata: state.userMetadata,
    activities: each(activityFields, state.activities),
    timers: each(timerFields, state.timers),
    children: new Map(
      [...state.children].map(([id, child]) => [id, only(childFields, child.startedEventId === 0 ? { ...child, runId: "" } : child)]),
    ),
    externalSignals: each(externalFields, state.externalSignals),
    externalCancels: each(externalFields, state.externalCancels),
    updates: each(updateFields, state.updates),
    requestIds: new Set([...state.requestIds.keys()].filter((id) => !waitingRequestIds.has(id))),
  };
}

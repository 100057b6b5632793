import type { EpochMs } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import {
  type AcceptedUpdate,
  type Hold,
  type PendingActivity,
  type PendingChild,
  type PendingExternal,
  type PendingTimer,
  RunCore,
} from "../protocol/generated/holdfast/state/v1/state.ts";
import type { Principal } from "../protocol/generated/temporal/api/common/v1/message.ts";
import { WorkflowExecutionStatus } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import type { Failure } from "../protocol/generated/temporal/api/failure/v1/message.ts";
import { type HistoryEvent, WorkflowExecutionStartedEventAttributes } from "../protocol/generated/temporal/api/history/v1/message.ts";
import type { UserMetadata } from "../protocol/generated/temporal/api/sdk/v1/user_metadata.ts";
import type { Request as UpdateRequest } from "../protocol/generated/temporal/api/update/v1/message.ts";
import type { Admit } from "./admission.ts";
import { Collection } from "./collection.ts";
import type { Limits } from "./limits.ts";
import type { SearchAttributeTypes } from "./search-attributes.ts";

/** Names one run. `runId` alone is unique; the rest travels with it because every read and log line wants it. */
export type RunKey = { readonly namespaceId: string; readonly workflowId: string; readonly runId: string };

/**
 * Everything the server knows of one run: the fold of its history plus the few facts that are not in history (attempts, heartbeats,
 * the sticky queue, buffered events). Messages inside are replaced, never changed.
 */
export type MutableState = {
  readonly key: RunKey;
  readonly core: Readonly<RunCore>;
  /** The attributes of event 1, as written. */
  readonly started: WorkflowExecutionStartedEventAttributes;
  /** Summary and details of event 1. */
  readonly userMetadata: UserMetadata | undefined;
  /** Who started the chain of runs, if they proved who they are. */
  readonly starter: Principal | undefined;
  /** By scheduled event id. */
  readonly activities: ReadonlyMap<number, PendingActivity>;
  readonly timers: ReadonlyMap<string, PendingTimer>;
  /** By initiated event id. */
  readonly children: ReadonlyMap<number, PendingChild>;
  readonly externalSignals: ReadonlyMap<number, PendingExternal>;
  readonly externalCancels: ReadonlyMap<number, PendingExternal>;
  /** Accepted and completed updates by update id. */
  readonly updates: ReadonlyMap<string, AcceptedUpdate>;
  /** Request ids of signals and starts this run has already answered. */
  readonly requestIds: ReadonlyMap<string, true>;
  /** Facts that wait for their event id until the started workflow task closes, in order of arrival. */
  readonly buffered: readonly HistoryEvent[];
  /** Updates no worker has accepted yet, by update id. In memory only: after a crash their callers ask again. */
  readonly admitted: ReadonlyMap<string, AdmittedUpdate>;
};

export type AdmittedUpdate = {
  readonly updateId: string;
  readonly request: UpdateRequest;
  /** The started event id of the workflow task that carries it, 0 while it waits for one. */
  readonly sentWith: number;
};

/** Everything a decision depends on besides state and request. */
export type Context = {
  readonly now: EpochMs;
  /** A fresh random id (UUID). */
  readonly newId: () => string;
  readonly limits: Limits;
  readonly namespaceName: string;
  readonly searchAttributeTypes: SearchAttributeTypes;
  /** The id of a namespace, undefined if there is none of that name. */
  readonly namespaceIdOf: (name: string) => string | undefined;
  /** Whether a worker polls this sticky queue. */
  readonly stickyAlive: (queue: string) => boolean;
  /** Decides actions before they become tasks; all are allowed without it. */
  readonly admit?: Admit;
  /** How many events a run on a task queue may have; without it, as many as the limits say. */
  readonly historyCountMax?: (taskQueue: string) => number;
};

/** A task that became due in a transition and has to reach a worker. */
export type DueTask =
  | { readonly type: "workflow" }
  /** `eager`: the worker that scheduled it asked to get it with the answer. */
  | { readonly type: "activity"; readonly scheduledEventId: number; readonly eager: boolean };

/** An effect on another run, carried out after the commit. */
export type Effect =
  | { readonly kind: "start-child"; readonly initiated: HistoryEvent }
  | { readonly kind: "signal-external"; readonly initiated: HistoryEvent }
  | { readonly kind: "cancel-external"; readonly initiated: HistoryEvent }
  /** A child, signal or cancellation that the policy kept back may leave now. */
  | { readonly kind: "resume-action"; readonly initiatedEventId: number }
  /** This run closed and has a parent; `closed` is its last event. */
  | { readonly kind: "report-to-parent"; readonly closed: HistoryEvent }
  /** An action no longer waits for the approval that it was held for; `eventId` scheduled or initiated it. */
  | { readonly kind: "settle-approval"; readonly eventId: number; readonly hold: Hold }
  /** The approval that an action waits for escalates. */
  | { readonly kind: "escalate-approval"; readonly eventId: number; readonly hold: Hold }
  /** This run closed and has a child that its parent-close policy speaks of. */
  | { readonly kind: "close-child"; readonly child: PendingChild };

/** One transition in the making: a private copy of the state and what has been decided so far. */
export type Draft = {
  readonly context: Context;
  /** What the transition began with. */
  readonly base: MutableState;
  readonly key: RunKey;
  core: RunCore;
  started: WorkflowExecutionStartedEventAttributes;
  startedChanged: boolean;
  userMetadata: UserMetadata | undefined;
  starter: Principal | undefined;
  readonly activities: Collection<number, PendingActivity>;
  readonly timers: Collection<string, PendingTimer>;
  readonly children: Collection<number, PendingChild>;
  readonly externalSignals: Collection<number, PendingExternal>;
  readonly externalCancels: Collection<number, PendingExternal>;
  readonly updates: Collection<string, AcceptedUpdate>;
  readonly requestIds: Collection<string, true>;
  buffered: readonly HistoryEvent[];
  readonly admitted: Collection<string, AdmittedUpdate>;
  /** New history, in batches; a batch never goes on after a WorkflowTaskStarted. */
  readonly batches: HistoryEvent[][];
  dueTasks: DueTask[];
  readonly effects: Effect[];
  /** Actions that the policy refused when they were scheduled, by that event: they fail once the commands are carried out. */
  readonly refused: { readonly eventId: number; readonly failure: Failure }[];
  /** Actions that the policy held in this transition, by the event that scheduled or initiated them. */
  readonly held: { readonly eventId: number; readonly hold: Hold }[];
  /** Results that were larger than the policy permits: they are dropped, and their activities fail. */
  readonly refusedResults: { readonly activity: PendingActivity; readonly reason: string }[];
  /** Updates that this transition rejected, with the failure their callers get. */
  readonly rejections: Map<string, Failure>;
  /** Visibility-relevant facts changed. */
  visibilityChanged: boolean;
  /** The next run of the chain (continue-as-new, retry, cron), created in the same transaction. */
  successor: Draft | null;
};

const absent: Omit<MutableState, "key"> = {
  core: make(RunCore, { nextEventId: 1, workflowTaskAttempt: 1, status: WorkflowExecutionStatus.UNSPECIFIED }),
  started: make(WorkflowExecutionStartedEventAttributes),
  userMetadata: undefined,
  starter: undefined,
  activities: new Map(),
  timers: new Map(),
  children: new Map(),
  externalSignals: new Map(),
  externalCancels: new Map(),
  updates: new Map(),
  requestIds: new Map(),
  buffered: [],
  admitted: new Map(),
};

/** The state of a run before its first event. */
export const emptyState = (key: RunKey): MutableState => ({ key, ...absent });

/** Opens a transition on `state`. The state itself never changes. */
export function openDraft(state: MutableState, context: Context): Draft {
  return {
    context,
    base: state,
    key: state.key,
    core: { ...state.core },
    started: state.started,
    startedChanged: false,
    userMetadata: state.userMetadata,
    starter: state.starter,
    activities: new Collection(state.activities),
    timers: new Collection(state.timers),
    children: new Collection(state.children),
    externalSignals: new Collection(state.externalSignals),
    externalCancels: new Collection(state.externalCancels),
    updates: new Collection(state.updates),
    requestIds: new Collection(state.requestIds),
    buffered: state.buffered,
    admitted: new Collection(state.admitted),
    batches: [],
    dueTasks: [],
    effects: [],
    refused: [],
    held: [],
    refusedResults: [],
    rejections: new Map(),
    visibilityChanged: false,
    successor: null,
  };
}

/** The state after the transition. The draft must not be used afterwards. */
export const closeDraft = (draft: Draft): MutableState => ({
  key: draft.key,
  core: draft.core,
  started: draft.started,
  userMetadata: draft.userMetadata,
  starter: draft.starter,
  activities: draft.activities.toMap(),
  timers: draft.timers.toMap(),
  children: draft.children.toMap(),
  externalSignals: draft.externalSignals.toMap(),
  externalCancels: draft.externalCancels.toMap(),
  updates: draft.updates.toMap(),
  requestIds: draft.requestIds.toMap(),
  buffered: draft.buffered,
  admitted: draft.admitted.toMap(),
});

type HasCore = { readonly core: Readonly<RunCore> };

export const isRunning = ({ core }: HasCore): boolean => core.status === WorkflowExecutionStatus.RUNNING;

/** Whether a worker holds the workflow task right now, so that new facts are buffered. */
export const hasStartedWorkflowTask = ({ core }: HasCore): boolean =>
  core.workflowTask !== undefined && core.workflowTask.startedEventId !== 0;

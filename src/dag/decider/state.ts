import type { EpochMs } from "../../base/time.ts";
import type { Json } from "../json.ts";
import type { DagSpec } from "../spec/spec.ts";
import type { Effect, RunEnd, StepError } from "./effect.ts";
import type { RunStart } from "./event.ts";

/** The fold of a run's events. Lists are by the index of the step. */
export type DagState = {
  /** Null before `RunStarted`. */
  readonly start: Omit<RunStart, "kept" | "context"> | null;
  readonly startedAt: EpochMs;
  readonly updatedAt: EpochMs;
  /** Null while the run is open. */
  readonly closed: { readonly status: RunEnd["status"]; readonly at: EpochMs } | null;
  readonly steps: readonly StepState[];
  /** How many steps have not ended. */
  readonly unsettled: number;
  readonly context: Json;
  /** In the order in which they came up. */
  readonly wanted: readonly Effect[];
  /** Activities and children that are wanted or under way. */
  readonly open: number;
  /** Actions that wait until there are fewer than `openMax`, oldest first. */
  readonly queue: readonly ActionRef[];
  /** Signals that no step has taken yet, oldest first. */
  readonly signals: readonly { readonly name: string; readonly payload: Json }[];
  /** Steps that wait for a signal, oldest first. */
  readonly waiters: readonly ActionRef[];
  /** Actions that were given up, but may yet turn out to be done, and would have to be compensated then. */
  readonly draining: readonly Draining[];
  /** What has been done and can be compensated, in the order of completion. */
  readonly done: readonly Done[];
  /** How the run is going to end, once it has begun to. */
  readonly ending: RunEnd | null;
  readonly compensation: CompensationState | null;
};

/** An action of the run; `item` is the index in a `for_each`, or the turn of a loop. */
export type ActionRef = { readonly step: number; readonly item: number | null };
export type Draining = ActionRef & { readonly actionId: string };
export type Done = ActionRef & { readonly output: Json };

export type StepStatus = "pending" | "running" | "waiting" | "succeeded" | "failed" | "denied" | "timed_out" | "cancelled";

export type StepState = {
  readonly status: StepStatus;
  /** How many it waits for: its dependencies, and whoever starts it. */
  readonly blockers: number;
  /** How many of these have not been for nothing. */
  readonly taken: number;
  readonly startedAt: EpochMs | null;
  readonly completedAt: EpochMs | null;
  readonly output: Json;
  readonly error: StepError | null;
  /** The action of a step that has one. */
  readonly action: ActionState | null;
  /** The actions of a `for_each` or of a loop. */
  readonly group: GroupState | null;
  /** Of a parallel step. */
  readonly branches: BranchesState | null;
  /** Of a handler of errors. */
  readonly handler: HandlerState | null;
};

export type ActionState = {
  readonly status: StepStatus;
  readonly phase: Phase;
  readonly attempt: number;
  /** By the policy; null for as many as the step says. */
  readonly attemptsPermitted: number | null;
  readonly startedAt: EpochMs | null;
  readonly completedAt: EpochMs | null;
  readonly nextAttemptAt: EpochMs | null;
  readonly input: Json;
  readonly output: Json;
  readonly error: StepError | null;
  readonly childRunId: string | null;
};

/** What an action waits for. */
export type Phase = "queued" | "activity" | "child" | "retry" | "delay" | "signal" | "ended";

export type GroupState = {
  /** Of a `for_each`; empty in a loop. */
  readonly items: readonly Json[];
  readonly actions: readonly ActionState[];
  readonly open: number;
  readonly failed: number;
  /** How many actions wait for people or a signal. */
  readonly waiting: number;
};

export type BranchesState = { readonly started: number; readonly open: number; readonly succeeded: number; readonly failed: number };
/** How many steps could still call it, which have, and whether those who wait for it have been told that it is over. */
export type HandlerState = { readonly callersLeft: number; readonly called: readonly number[]; readonly isOver: boolean };

export type CompensationState = {
  /** The next is the last. */
  readonly todo: readonly Done[];
  readonly current: { readonly of: Done; readonly action: ActionState } | null;
  readonly results: readonly CompensationResult[];
};
export type CompensationResult = ActionRef & {
  readonly status: "succeeded" | "failed" | "denied" | "timed_out" | "cancelled";
  readonly attempts: number;
  readonly error: StepError | null;
};

/** How many activities and children of a run are open at once; further ones wait. */
export const openMax = 1_000;
/** How many signals wait for a step; what comes on top is dropped, and the timeline says so. */
export const signalsMax = 1_000;

export const isEnded = (status: StepStatus): boolean => status !== "pending" && status !== "running" && status !== "waiting";

export function emptyState(spec: DagSpec): DagState {
  return {
    start: null,
    startedAt: 0,
    updatedAt: 0,
    closed: null,
    steps: spec.steps.map(
      (step): StepState => ({
        status: "pending",
        blockers: step.dependsOn.length + (step.activatedBy === null ? 0 : 1),
        taken: 0,
        startedAt: null,
        completedAt: null,
        output: null,
        error: null,
        action: null,
        group: null,
        branches: null,
        handler: step.activatedBy?.as === "handler" ? { callersLeft: step.handlesErrorsOf, called: [], isOver: false } : null,
      }),
    ),
    unsettled: spec.steps.length,
    context: {},
    wanted: [],
    open: 0,
    queue: [],
    signals: [],
    waiters: [],
    draining: [],
    done: [],
    ending: null,
    compensation: null,
  };
}

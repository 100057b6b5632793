import type { EpochMs } from "../../base/time.ts";
import type { Json, JsonObject } from "../json.ts";

/**
 * What has happened to a run: the facts of its history, in the order of the history. `at` is the time of the history event. Ids are those
 * of the effects that caused them.
 */
export type DagEvent = { readonly at: EpochMs } & (
  | ({ readonly type: "RunStarted" } & RunStart)
  /** `attemptsPermitted` is how many attempts the policy permits of the action; null for as many as the step says. */
  | { readonly type: "ActivityScheduled"; readonly activityId: string; readonly attemptsPermitted: number | null }
  | { readonly type: "ActivityStarted"; readonly activityId: string }
  | { readonly type: "ActivityCompleted"; readonly activityId: string; readonly output: Json }
  | { readonly type: "ActivityFailed"; readonly activityId: string; readonly failure: Failure }
  | { readonly type: "ActivityTimedOut"; readonly activityId: string; readonly message: string }
  | { readonly type: "ActivityCancelRequested"; readonly activityId: string }
  | { readonly type: "ActivityCanceled"; readonly activityId: string; readonly message: string }
  | { readonly type: "TimerStarted" | "TimerFired" | "TimerCanceled"; readonly timerId: string }
  | { readonly type: "ChildInitiated"; readonly childId: string; readonly attemptsPermitted: number | null }
  | { readonly type: "ChildStarted"; readonly childId: string; readonly childRunId: string }
  | { readonly type: "ChildCompleted"; readonly childId: string; readonly output: Json }
  | { readonly type: "ChildFailed"; readonly childId: string; readonly failure: Failure }
  | { readonly type: "ChildTimedOut" | "ChildCanceled" | "ChildCancelRequested"; readonly childId: string }
  | { readonly type: "Signaled"; readonly name: string; readonly payload: Json }
  | { readonly type: "CancelRequested"; readonly reason: string }
  /** The run is closed: as the effect `CloseRun` wanted, or by force. */
  | { readonly type: "RunClosed"; readonly status: "succeeded" | "failed" | "denied" | "timed_out" | "cancelled" }
);

export type RunStart = {
  readonly runId: string;
  readonly workflowId: string;
  readonly input: Json;
  /** The memory that `output_path` and `storage` write. */
  readonly context: JsonObject;
  readonly labels: { readonly [name: string]: string };
  /** Absent when the definition does not look into it. */
  readonly config?: RunConfig;
  /** The definitions that this run is inside of, outermost first, without its own. */
  readonly callStack: readonly string[];
  /** Steps whose results are taken over from another run, by their id. */
  readonly kept: { readonly [stepId: string]: KeptStep };
};

/** The configuration as it was when the run started; `steps` has those that have one of their own, with all that they see. */
export type RunConfig = { readonly data: JsonObject; readonly steps: { readonly [stepId: string]: JsonObject } };

/** A step that has ended in another run: succeeded, or not taken. */
export type KeptStep = {
  readonly status: "succeeded" | "cancelled";
  readonly output: Json;
  readonly startedAt: EpochMs | null;
  readonly completedAt: EpochMs | null;
};

/** `type` is what the worker called it. Not retryable is fatal. */
export type Failure = { readonly type: string; readonly message: string; readonly retryable: boolean };

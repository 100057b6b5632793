import type { DurationMs, EpochMs } from "../../base/time.ts";
import type { Json } from "../json.ts";
import type { ActivityKind, ActivityTarget, ActivityTimeouts } from "../step-type/activity.ts";

/** What the run wants done next. Each is wanted until an event says that it has happened. */
export type Effect =
  | ({ readonly type: "ScheduleActivity" } & WantedActivity)
  | { readonly type: "CancelActivity"; readonly activityId: string }
  | { readonly type: "StartTimer"; readonly timerId: string; readonly fireAt: EpochMs }
  | { readonly type: "CancelTimer"; readonly timerId: string }
  | ({ readonly type: "StartChild" } & WantedChild)
  | { readonly type: "CancelChild"; readonly childId: string }
  | ({ readonly type: "CloseRun" } & RunEnd);

/** One attempt of one action: its activity must not be retried, as the next attempt is another activity. */
export type WantedActivity = Pick<
  ActivityKind,
  "capability" | "riskTags" | "requires" | "packId" | "actorId" | "actorType" | "idempotencyKey" | "workerId"
> & {
  readonly activityId: string;
  /** `<run id>:<activity id>` */
  readonly jobId: string;
  readonly stepId: string;
  readonly stepType: ActivityKind["type"];
  readonly itemIndex: number | null;
  readonly attempt: number;
  /** Undoes what the step has done. */
  readonly compensates: boolean;
  readonly target: Extract<ActivityTarget, { to: "task-queue" }> | { readonly to: "topic"; readonly topic: string };
  readonly input: Json;
  readonly timeouts: ActivityTimeouts;
  readonly priority: string;
  readonly labels: { readonly [name: string]: string };
};

export type WantedChild = {
  /** Of this run; the child is an execution of its own. */
  readonly childId: string;
  readonly jobId: string;
  readonly stepId: string;
  readonly workflowId: string;
  readonly input: Json;
  readonly timeoutMs: DurationMs | null;
  readonly labels: { readonly [name: string]: string };
  /** The definitions that the child is inside of. */
  readonly callStack: readonly string[];
};

export type RunEnd = {
  readonly status: "succeeded" | "failed" | "denied" | "timed_out" | "cancelled";
  readonly output: Json;
  /** Null when it succeeded. */
  readonly error: StepError | null;
  /** The step that ended the run. */
  readonly stepId: string | null;
};

export type StepError = { readonly message: string; readonly type: string | null };

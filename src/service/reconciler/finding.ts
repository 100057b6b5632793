import type { DurationMs, EpochMs } from "../../base/time.ts";
import { minuteMs } from "../../base/time.ts";
import type { RunKey } from "../../store/store.ts";

/** What should have moved and has not, by what stands still. */
export type FindingKind =
  /** A run whose time has come, and that nobody woke. */
  | "overdue-run"
  /** A task that a run waits for, and that no worker could ever get. */
  | "lost-task"
  /** A row of the backlog that no run wants any more. */
  | "dead-task"
  /** Rows of a backlog that waiting workers were not told of. */
  | "forgotten-backlog"
  /** A task queue with a backlog that no worker polls. */
  | "unpolled-queue"
  /** A child, signal or cancellation on its way out of a run, without the row that carries it out. */
  | "lost-departure"
  /** An effect on another run that nobody was going to carry out. */
  | "lost-effect"
  /** An effect that fails again and again. */
  | "failing-effect"
  /** An action that waits for an approval that is over, or is not there. */
  | "lost-approval"
  /** A pending approval that no action waits for. */
  | "orphaned-approval"
  /** Room under a limit that is taken for an attempt that is over. */
  | "leaked-room";

export type Finding = {
  readonly kind: FindingKind;
  /** `reported`: nothing was done about it, since nothing is safe to do or it is somebody else's. */
  readonly outcome: "repaired" | "reported";
  readonly run: RunKey | null;
  /** What a person has to know to find it. */
  readonly detail: string;
  readonly since: EpochMs;
};

/** Looks at one page of what may stand still, and goes on there the next time. Nothing that is younger than `overdueAfter` is looked at. */
export type Check = (now: EpochMs) => Promise<readonly Finding[]>;

/** What is on its way is left alone for so long. */
export const overdueAfter: DurationMs = minuteMs;

import type { DurationMs } from "../base/time.ts";
import { dayMs, minuteMs, secondMs } from "../base/time.ts";

/** Bounds of one run and one request. Bytes, counts and milliseconds. */
export type Limits = {
  readonly blobSizeError: number;
  readonly memoSizeError: number;
  readonly historySizeError: number;
  readonly historyCountError: number;
  readonly suggestContinueAsNewSize: number;
  readonly suggestContinueAsNewCount: number;
  readonly pendingActivities: number;
  readonly pendingChildren: number;
  readonly pendingSignals: number;
  readonly pendingCancels: number;
  readonly signalsPerRun: number;
  readonly updatesInFlight: number;
  readonly updatesInFlightBytes: number;
  readonly updatesPerRun: number;
  readonly bufferedEvents: number;
  readonly bufferedBytes: number;
  readonly idLength: number;
  readonly activityFailureBytes: number;
};

export const defaultLimits: Limits = {
  blobSizeError: 2 * 1024 * 1024,
  memoSizeError: 2 * 1024 * 1024,
  historySizeError: 50 * 1024 * 1024,
  historyCountError: 51_200,
  suggestContinueAsNewSize: 4 * 1024 * 1024,
  suggestContinueAsNewCount: 4096,
  pendingActivities: 2000,
  pendingChildren: 2000,
  pendingSignals: 2000,
  pendingCancels: 2000,
  signalsPerRun: 10_000,
  updatesInFlight: 10,
  updatesInFlightBytes: 20 * 1024 * 1024,
  updatesPerRun: 2000,
  bufferedEvents: 100,
  bufferedBytes: 2 * 1024 * 1024,
  idLength: 1000,
  activityFailureBytes: 4 * 1024,
};

/** Start-to-close of a workflow task when its workflow names none, and the most that one may ask for. */
export const workflowTaskTimeoutDefault: DurationMs = 10 * secondMs;
export const workflowTaskTimeoutMax: DurationMs = 120 * secondMs;
/** How long a chain of heartbeating workflow tasks may go on. */
export const workflowTaskHeartbeatMax: DurationMs = 30 * minuteMs;
/** A speculative workflow task that no worker took for this long becomes a normal one. */
export const speculativeScheduleToStart: DurationMs = 5 * secondMs;
/** Runs of one chain follow each other at this distance at least. */
export const continueAsNewIntervalMin: DurationMs = secondMs;
/** Longer durations are cut to this: about 100 years. */
export const durationMax: DurationMs = 36_525 * dayMs;

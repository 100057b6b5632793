import type { EpochMs } from "../base/time.ts";

/**
 * What one action of a run is for. A step with `for_each`, or a loop, has items; a compensation undoes what a step (or an item) has done.
 */
export type ActionKey = { readonly stepId: string; readonly item: number | null; readonly compensates: boolean };
export type ActionId = ActionKey & { readonly attempt: number };

/** `apply_patch@2`, `notify_all[3]@1`, `apply_patch.compensate@1`: the id of an activity or of a child inside of its run. */
export function formatActionId({ stepId, item, compensates, attempt }: ActionId): string {
  return `${stepId}${item === null ? "" : `[${item}]`}${compensates ? ".compensate" : ""}@${attempt}`;
}

/** The id of a job, unique among all runs. */
export const jobIdOf = (runId: string, actionId: string): string => `${runId}:${actionId}`;

/** Splits at the last `:`; null when the text is no job id of a step. */
export function parseJobId(jobId: string): { readonly runId: string; readonly actionId: string } | null {
  const colon = jobId.lastIndexOf(":");
  const actionId = jobId.slice(colon + 1);
  return colon < 1 || parseActionId(actionId) === null ? null : { runId: jobId.slice(0, colon), actionId };
}

/** INVARIANT: step ids have none of `.`, `[`, `@`, so that a formatted id reads back as what it was. */
const stepIdPattern = /^[A-Za-z0-9_-]+$/;
/** Nor may a step be called as what every object of JavaScript has: `constructor`. */
export const isStepId = (text: string): boolean => stepIdPattern.test(text) && !(text in Object.prototype);

export function parseActionId(text: string): ActionId | null {
  const [, stepId, item, compensates, attempt] = /^([A-Za-z0-9_-]+)(?:\[(\d+)\])?(\.compensate)?@(\d+)$/.exec(text) ?? [];
  if (stepId === undefined || attempt === undefined) return null;
  return { stepId, item: item === undefined ? null : Number(item), compensates: compensates !== undefined, attempt: Number(attempt) };
}

/** What all attempts of an action have in common, and which one it is: of an action id as of a job id. Null when it is neither. */
export function splitAttempt(id: string): { readonly action: string; readonly attempt: number } | null {
  const attempt = parseActionId(id.slice(id.lastIndexOf(":") + 1))?.attempt;
  return attempt === undefined ? null : { action: id.slice(0, id.lastIndexOf("@")), attempt };
}

/** What a timer of a step is for: the next attempt, the end of a delay step, or the time-out of a step that has no activity of its own. */
export const timerPurposes = ["retry", "delay", "timeout"] as const;
export type TimerPurpose = (typeof timerPurposes)[number];
export type Timer = { readonly timerId: string; readonly fireAt: EpochMs };

export const runTimeoutTimerId = "run.timeout";
export const formatTimerId = (action: ActionId, purpose: TimerPurpose): string => `${formatActionId(action)}.${purpose}`;

export function parseTimerId(text: string): { readonly action: ActionId; readonly purpose: TimerPurpose } | null {
  const dot = text.lastIndexOf(".");
  const purpose = timerPurposes.find((known) => known === text.slice(dot + 1));
  const action = dot < 0 ? null : parseActionId(text.slice(0, dot));
  return purpose === undefined || action === null ? null : { action, purpose };
}

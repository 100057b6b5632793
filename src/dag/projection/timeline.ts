import { jobIdOf } from "../action-id.ts";
import type { TimelineEntry } from "../decider/turn.ts";
import type { JsonObject } from "../json.ts";
import { timeText } from "./run.ts";

/** A line of a run's timeline as the API shows it; what is empty is left out. */
export type TimelineEvent = {
  readonly time: string;
  readonly type: string;
  readonly run_id: string;
  readonly workflow_id: string;
  readonly step_id?: string;
  readonly job_id?: string;
  readonly status?: string;
  readonly message?: string;
  readonly data?: JsonObject;
};

export function timelineEvent(
  { runId, workflowId }: { readonly runId: string; readonly workflowId: string },
  { at, type, stepId, actionId, status, message, data }: TimelineEntry,
): TimelineEvent {
  return {
    time: timeText(at) ?? "",
    type,
    run_id: runId,
    workflow_id: workflowId,
    ...(stepId === undefined ? {} : { step_id: stepId }),
    ...(actionId === undefined ? {} : { job_id: jobIdOf(runId, actionId) }),
    ...(status === undefined ? {} : { status }),
    ...(message === undefined || message === "" ? {} : { message }),
    ...(data === undefined ? {} : { data }),
  };
}

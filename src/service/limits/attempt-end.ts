import type { Draft } from "../../execution/execution.ts";
import type { EventAttributes } from "../../execution/history.ts";
import { rounded } from "../../governance/limits/budget.ts";
import type { Ending, Taken } from "../../governance/limits/tally.ts";
import type { Payload, Payloads } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import type { Failure } from "../../protocol/generated/temporal/api/failure/v1/message.ts";
import type { HistoryEvent } from "../../protocol/generated/temporal/api/history/v1/message.ts";

/** How an attempt ended, and what its worker says it used; null when it says nothing that can be read. */
export type AttemptEnd = { readonly how: Exclude<Ending, "never">; readonly usage: Usage | null };
/** What is not reported is not there. */
export type Usage = { readonly tokens?: number; readonly usd?: number };

/** Metadata of the first payload of a result, of an application failure's details, or of a cancellation's. */
export const usageKey = "holdfast-usage";

/** Whether the attempt that a worker had is over in this transition. */
export function isOver(
  draft: Draft,
  { scheduledEventId, attempt }: { readonly scheduledEventId: number; readonly attempt: number },
): boolean {
  const activity = draft.activities.get(scheduledEventId);
  return (
    draft.core.status !== draft.base.core.status ||
    activity === undefined ||
    activity.closing ||
    activity.startedTime === 0 ||
    activity.attempt !== attempt
  );
}

/** What became of an attempt that is over in this transition. */
export function endOf(
  draft: Draft,
  { scheduledEventId, attempt }: { readonly scheduledEventId: number; readonly attempt: number },
): AttemptEnd {
  const closing = closingOf(draft, scheduledEventId);
  switch (closing?.$case) {
    case "activityTaskCompletedEventAttributes":
      return { how: "succeeded", usage: usageIn(closing.value.result) };
    case "activityTaskFailedEventAttributes":
      return { how: "failed", usage: usageOfFailure(closing.value.failure) };
    case "activityTaskTimedOutEventAttributes":
      return { how: "failed", usage: null };
    case "activityTaskCanceledEventAttributes":
      return { how: "abandoned", usage: usageIn(closing.value.details) };
  }
  const activity = draft.activities.get(scheduledEventId);
  // Another attempt follows: this one failed.
  if (activity !== undefined && activity.attempt > attempt) return { how: "failed", usage: usageOfFailure(activity.lastFailure) };
  return { how: "abandoned", usage: null };
}

/** The event that ends the activity, whether it has its id already or waits for it. */
function closingOf({ batches, buffered }: Draft, scheduledEventId: number): EventAttributes | null {
  for (const events of [...batches, buffered])
    for (const { attributes } of events)
      if (attributes !== undefined && isClosing(attributes) && attributes.value.scheduledEventId === scheduledEventId) return attributes;
  return null;
}

type Closing = Extract<
  EventAttributes,
  {
    $case:
      | "activityTaskCompletedEventAttributes"
      | "activityTaskFailedEventAttributes"
      | "activityTaskTimedOutEventAttributes"
      | "activityTaskCanceledEventAttributes";
  }
>;

const isClosing = (attributes: EventAttributes): attributes is Closing =>
  attributes.$case === "activityTaskCompletedEventAttributes" ||
  attributes.$case === "activityTaskFailedEventAttributes" ||
  attributes.$case === "activityTaskTimedOutEventAttributes" ||
  attributes.$case === "activityTaskCanceledEventAttributes";

const usageOfFailure = (failure: Failure | undefined): Usage | null =>
  failure?.failureInfo?.$case === "applicationFailureInfo" ? usageIn(failure.failureInfo.value.details) : null;

const usageIn = (payloads: Payloads | undefined): Usage | null => usageOf(payloads?.payloads[0]);

/** What the end of an activity, or of a child, reports to have used. */
export function usageReported({ attributes }: Pick<HistoryEvent, "attributes">): Usage | null {
  switch (attributes?.$case) {
    case "activityTaskCompletedEventAttributes":
    case "childWorkflowExecutionCompletedEventAttributes":
      return usageIn(attributes.value.result);
    case "activityTaskFailedEventAttributes":
    case "childWorkflowExecutionFailedEventAttributes":
      return usageOfFailure(attributes.value.failure);
    case "activityTaskCanceledEventAttributes":
    case "childWorkflowExecutionCanceledEventAttributes":
      return usageIn(attributes.value.details);
    default:
      return null;
  }
}

/** What a payload reports: JSON with amounts that are not negative. Anything else reports nothing. */
export function usageOf(payload: Payload | undefined): Usage | null {
  const written = payload?.metadata[usageKey];
  if (written === undefined) return null;
  try {
    const said: unknown = JSON.parse(Buffer.from(written).toString("utf8"));
    if (typeof said !== "object" || said === null) return null;
    const { tokens, usd } = said as { tokens?: unknown; usd?: unknown };
    return { ...(isAmount(tokens) ? { tokens } : {}), ...(isAmount(usd) ? { usd } : {}) };
  } catch {
    return null;
  }
}

const isAmount = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value) && value >= 0;

/** What an attempt has spent of a budget. What it does not report, it has spent as it was reserved. */
export function spentOf({ quota, reservation }: Taken, { usage }: AttemptEnd): number {
  if (quota.kind !== "spend" || reservation === null) return 0;
  const { unit } = quota.limit;
  const reported = unit === "actions" ? 1 : unit === "tokens" ? usage?.tokens : usage?.usd;
  return rounded(reported ?? reservation.amount);
}

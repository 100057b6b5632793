import { formatActionId } from "../../dag/action-id.ts";
import type { WantedActivity } from "../../dag/decider/effect.ts";
import { toPayload } from "../../dag/payload.ts";
import { actionHeader } from "../../governance/call-site.ts";
import { make } from "../../protocol/codec.ts";
import { Header } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { traceField } from "../traces/trace-id.ts";
import type { RouteTopic } from "./routes.ts";

/** What the policy reads of an action; `@holdfast/sdk` says the same of an activity that code schedules. */
export type Said = Pick<WantedActivity, "target" | "labels" | "capability" | "riskTags" | "requires" | "packId" | "actorId">;

/** The header in which a step says what its action means. */
export function headerOf(
  { target, labels, capability, riskTags, requires, packId, actorId }: Said,
  idempotencyKey: string,
  traceId = "",
): Header {
  const said = {
    v: 1,
    ...(target.to === "topic" ? { topic: target.topic } : {}),
    labels,
    ...(capability === null ? {} : { capability }),
    risk_tags: riskTags,
    requires,
    ...(packId === null ? {} : { pack_id: packId }),
    ...(actorId === null ? {} : { actor: actorId }),
    idempotency_key: idempotencyKey,
  };
  return make(Header, { fields: { [actionHeader]: toPayload(said), ...(traceId === "" ? {} : { [traceField]: toPayload(traceId) }) } });
}

/** Where the workers are, and what they know the action as: a topic is the type of its activities. */
export const placeOf = (
  { target }: Pick<WantedActivity, "target">,
  routeTopic: RouteTopic,
): { readonly taskQueue: string; readonly activityType: string } =>
  target.to === "topic"
    ? { taskQueue: routeTopic(target.topic), activityType: target.topic }
    : { taskQueue: target.taskQueue, activityType: target.activityType };

/** The same for all attempts of an action, so that whoever is called twice can tell. */
export function idempotencyKeyOf({ jobId, activityId, stepId, itemIndex: item, compensates, idempotencyKey }: WantedActivity): string {
  if (idempotencyKey !== null) return idempotencyKey;
  const runId = jobId.slice(0, jobId.length - activityId.length - 1);
  const [action = ""] = formatActionId({ stepId, item, compensates, attempt: 1 }).split("@");
  return `${runId}:${action}`;
}

import { fieldOf } from "../../dag/json.ts";
import { fromPayloads } from "../../dag/payload.ts";
import { actionHeader } from "../../governance/call-site.ts";
import type { PollActivityTaskQueueResponse } from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";

/**
 * The key with which a receiver can tell that it is called twice for one thing: what whoever asked for the activity says, since several
 * activities may be attempts at one step; else the activity by its run.
 */
export function idempotencyKeyOf(
  { header, activityId }: Pick<PollActivityTaskQueueResponse, "header" | "activityId">,
  run: string,
): string {
  const said = header?.fields[actionHeader];
  const key = said === undefined ? null : fieldOf(fromPayloads({ payloads: [said] }), "idempotency_key");
  return typeof key === "string" && headerValue.test(key) ? key : `${run}/${activityId}`;
}

/** Anything else could not be sent as a header. */
const headerValue = /^[\x21-\x7e]{1,1024}$/;

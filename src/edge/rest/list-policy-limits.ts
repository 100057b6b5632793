import * as z from "zod/mini";
import { ok } from "../../base/result.ts";
import type { LimitInForce } from "../../service/limits/limits.ts";
import { text, wholeNumber } from "./query.ts";
import { route } from "./route.ts";
import { count, named, pageOf, timeOrNull } from "./schema.ts";
import { tenantOf } from "./tenant.ts";
import { timeOf } from "./time-of.ts";

const limitMax = 1_000;

const number = z.number();
const numberOrNull = z.nullable(number);
const limitSchema = named(
  "Limit",
  z.object({
    limit: z.enum(["rate", "concurrency", "spend", "breaker"]),
    source: z.string(),
    counted: z.string(),
    max: numberOrNull,
    used: z.optional(numberOrNull),
    per_ms: z.optional(numberOrNull),
    burst: z.optional(numberOrNull),
    unit: z.optional(z.string()),
    reserve: z.optional(numberOrNull),
    reserved: z.optional(number),
    since: z.optional(timeOrNull),
    state: z.optional(z.string()),
    until: z.optional(timeOrNull),
    room: numberOrNull,
    waiting: count,
  }),
);
type LimitView = z.infer<typeof limitSchema>;

/** The limits of the policy that actions of a tenant have been counted under, and how much room each has. */
export const listPolicyLimits = route({
  method: "GET",
  path: "/api/v1/policy/limits",
  summary: "The limits that actions of the tenant have been counted under",
  query: z.strictObject({ limit: z.optional(wholeNumber(1, limitMax)), cursor: z.optional(text) }),
  success: { json: pageOf(limitSchema) },
  handle: async ({ headers, query: { limit = 100, cursor } }, { policyLimits }) => {
    const after = cursor === undefined ? "" : Buffer.from(cursor, "base64url").toString("utf8");
    const items = policyLimits.list({ tenant: tenantOf(headers).toLowerCase(), after, limit });
    const last = items.length < limit ? undefined : items.at(-1);
    return ok({ json: { items: items.map(viewOf), next_cursor: last === undefined ? null : Buffer.from(last.key).toString("base64url") } });
  },
});

function viewOf(limit: LimitInForce): LimitView {
  const { quota, room, waiting } = limit;
  return {
    limit: quota.kind,
    source: quota.source,
    counted: quota.by,
    ...numbersOf(limit),
    // Null: nothing limits it now.
    room: Number.isFinite(room.count) ? room.count : null,
    waiting,
  };
}

/** Numbers of a budget that no policy has named since the server started are null. */
function numbersOf({ quota, isKnown, tally }: LimitInForce): Omit<LimitView, "limit" | "source" | "counted" | "room" | "waiting"> {
  switch (quota.kind) {
    case "rate": {
      const { max, per, burst } = quota.limit;
      return { max, per_ms: per, burst };
    }
    case "concurrency":
      return { max: isKnown ? quota.max : null, used: tally.held };
    case "spend": {
      const { unit, max, per, reserve = null } = quota.limit;
      const { spent, reserved, start } = tally.budget;
      return { unit, max: isKnown ? max : null, per_ms: per, reserve, used: spent, reserved, since: per === null ? null : timeOf(start) };
    }
    case "breaker": {
      const { breaker } = tally;
      const until = breaker.state === "open" ? timeOf(breaker.until) : null;
      return { max: quota.limit.failures, state: breaker.state, used: breaker.state === "closed" ? breaker.failedAt.length : null, until };
    }
  }
}

import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { held, lockCodes, lockProblem, lockSchema, lockView, ttl, ttlDefault } from "./lock-view.ts";
import { route } from "./route.ts";
import { tenantOf } from "./tenant.ts";

/** Does not wait: whoever is refused tries again. */
export const acquireLock = route({
  method: "POST",
  path: "/api/v1/locks/acquire",
  summary: "Locks a resource, alone or with others, until it is released or its time is over",
  body: z.strictObject({ ...held, mode: z.optional(z.enum(["exclusive", "shared"], "expected exclusive or shared")), ttl_ms: ttl }),
  success: { json: lockSchema },
  problems: lockCodes("no-such-namespace", "bad-lock", "lock-unavailable", "too-many-holds", "too-many-locks", "busy"),
  handle: async ({ headers, body: { resource, owner, mode = "exclusive", ttl_ms = ttlDefault } }, { locks }) => {
    const acquired = await locks.acquire(tenantOf(headers), { resource, owner, mode, ttl: ttl_ms });
    return acquired.ok ? ok({ json: lockView(acquired.value) }) : err(lockProblem(acquired.error));
  },
});

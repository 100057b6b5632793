import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { held, lockCodes, lockProblem, lockSchema, lockView, ttl, ttlDefault } from "./lock-view.ts";
import { route } from "./route.ts";
import { tenantOf } from "./tenant.ts";

export const renewLock = route({
  method: "POST",
  path: "/api/v1/locks/renew",
  summary: "Sets how long a hold still lasts",
  body: z.strictObject({ ...held, ttl_ms: ttl }),
  success: { json: lockSchema },
  problems: lockCodes("no-such-namespace", "bad-lock", "lock-lost", "busy"),
  handle: async ({ headers, body: { resource, owner, ttl_ms = ttlDefault } }, { locks }) => {
    const renewed = await locks.renew(tenantOf(headers), { resource, owner, ttl: ttl_ms });
    return renewed.ok ? ok({ json: lockView(renewed.value) }) : err(lockProblem(renewed.error));
  },
});

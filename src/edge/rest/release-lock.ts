import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { held, lockCodes, lockProblem, lockSchema, lockView } from "./lock-view.ts";
import { route } from "./route.ts";
import { tenantOf } from "./tenant.ts";

export const releaseLock = route({
  method: "POST",
  path: "/api/v1/locks/release",
  summary: "Releases a resource once: it is free when its owner has done so as often as acquired it",
  body: z.strictObject(held),
  success: { json: z.object({ lock: z.nullable(lockSchema), released: z.boolean() }) },
  problems: lockCodes("no-such-namespace", "bad-lock", "lock-not-held", "busy"),
  handle: async ({ headers, body }, { locks }) => {
    const released = await locks.release(tenantOf(headers), body);
    if (!released.ok) return err(lockProblem(released.error));
    return ok({ json: { lock: released.value === null ? null : lockView(released.value), released: true } });
  },
});

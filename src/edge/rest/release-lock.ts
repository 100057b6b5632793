import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { askerOf } from "./asker.ts";
import { forced, held, lockCodes, lockProblem, lockSchema, lockView } from "./lock-view.ts";
import { route } from "./route.ts";

export const releaseLock = route({
  method: "POST",
  path: "/api/v1/locks/release",
  summary: "Releases a resource once: it is free when its owner has done so as often as acquired it, or at once by force",
  body: z.strictObject({ resource: held.resource, owner: z.optional(held.owner), ...forced }),
  success: { json: z.object({ lock: z.nullable(lockSchema), released: z.boolean() }) },
  problems: lockCodes("no-such-namespace", "bad-lock", "lock-not-held", "busy"),
  handle: async ({ headers, body: { resource, owner = "", force = false, reason } }, { locks }) => {
    const { namespace, by } = askerOf(headers);
    const released = force
      ? await locks.free(namespace, resource, { by, reason: reason ?? "" })
      : await locks.release(namespace, { resource, owner });
    if (!released.ok) return err(lockProblem(released.error));
    return ok({ json: { lock: released.value === null ? null : lockView(released.value), released: true } });
  },
});

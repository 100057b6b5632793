import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { askerOf } from "./asker.ts";
import { forced, held, lockCodes, lockProblem, lockSchema, lockView, ttl, ttlDefault } from "./lock-view.ts";
import { route } from "./route.ts";

/** Does not wait: whoever is refused tries again, or takes it from those who hold it. */
export const acquireLock = route({
  method: "POST",
  path: "/api/v1/locks/acquire",
  summary: "Locks a resource, alone or with others, until it is released or its time is over",
  body: z.strictObject({
    ...held,
    mode: z.optional(z.enum(["exclusive", "shared"], "expected exclusive or shared")),
    ttl_ms: ttl,
    ...forced,
  }),
  success: { json: lockSchema },
  problems: lockCodes("no-such-namespace", "bad-lock", "lock-unavailable", "too-many-holds", "too-many-locks", "busy"),
  handle: async ({ headers, body }, { locks }) => {
    const { resource, owner, mode = "exclusive", ttl_ms = ttlDefault } = body;
    const { namespace, by } = askerOf(headers);
    const force = body.force === true ? { by, reason: body.reason ?? "" } : null;
    const acquired = await locks.acquire(namespace, { resource, owner, mode, ttl: ttl_ms, force });
    return acquired.ok ? ok({ json: lockView(acquired.value) }) : err(lockProblem(acquired.error));
  },
});

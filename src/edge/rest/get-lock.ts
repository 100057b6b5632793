import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { lockCodes, lockProblem, lockSchema, lockView } from "./lock-view.ts";
import { text } from "./query.ts";
import { route } from "./route.ts";
import { tenantOf } from "./tenant.ts";

export const getLock = route({
  method: "GET",
  path: "/api/v1/locks",
  summary: "Who holds a resource",
  query: z.strictObject({ resource: text }),
  success: { json: lockSchema },
  problems: lockCodes("no-such-namespace", "no-such-lock", "bad-lock"),
  handle: async ({ headers, query: { resource } }, { locks }) => {
    const found = await locks.get(tenantOf(headers), resource);
    return found.ok ? ok({ json: lockView(found.value) }) : err(lockProblem(found.error));
  },
});

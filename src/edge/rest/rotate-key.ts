import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { dayMs } from "../../base/time.ts";
import { overlapMax } from "../../service/access/keys.ts";
import { durationWithin } from "./duration.ts";
import { keyCodes, keyProblem, managerOf, newKeySchema, newKeyView } from "./key-view.ts";
import { route } from "./route.ts";

const overlapDefault = dayMs;
const overlap = durationWithin({ least: 0, most: overlapMax }, `a duration such as 24h, from 0s to ${overlapMax / dayMs}d`);

/** Heeds no `Idempotency-Key`, as `create-key.ts` says why; a key is rotated once. */
export const rotateKey = route({
  method: "POST",
  path: "/api/v1/auth/keys/:id/rotate",
  summary: "Makes a key in the place of another, which holds a while longer: the text of the new one is in this answer alone",
  params: z.object({ id: z.string() }),
  body: z.strictObject({ overlap: z.optional(overlap) }),
  success: { status: 201, json: newKeySchema },
  problems: keyCodes("no-such-key", "exceeds-own-rights", "key-ended", "key-rotated", "busy"),
  handle: async ({ headers, session, params: { id }, body }, { access }) => {
    const made = await access.keys.rotate(managerOf(headers, session), id, body.overlap ?? overlapDefault);
    return made.ok ? ok({ json: newKeyView(made.value) }) : err(keyProblem(made.error));
  },
});

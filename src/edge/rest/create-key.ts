import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { dayMs } from "../../base/time.ts";
import { durationWithin } from "./duration.ts";
import { keyCodes, keyProblem, kindSchema, managerOf, newKeySchema, newKeyView } from "./key-view.ts";
import { badRequest } from "./problem.ts";
import { time } from "./query.ts";
import { route } from "./route.ts";

const text = z.string("expected a text");
const names = z.array(text, "expected a list of names");
const lifetime = durationWithin({ least: 1, most: 3_650 * dayMs }, "a duration such as 90d, at most 3650d");

/**
 * Heeds no `Idempotency-Key`: its answer would have to be kept, and nobody keeps the text of a key. Of two that were made because an answer got
 * lost, the one that nobody has is found by its name, and revoked.
 */
export const createKey = route({
  method: "POST",
  path: "/api/v1/auth/keys",
  summary: "Makes a key: its text is in this answer alone",
  body: z.strictObject({
    name: text,
    /** Whom it stands for, in decisions and in the ledger; the name, unless it is said. */
    principal: z.optional(text),
    kind: z.optional(kindSchema),
    grants: z.array(z.strictObject({ namespaces: names, roles: names }), "expected a list of grants"),
    task_queues: z.optional(z.nullable(names)),
    expires_at: z.optional(time),
    expires_in: z.optional(lifetime),
  }),
  success: { status: 201, json: newKeySchema },
  problems: keyCodes("bad-key", "exceeds-own-rights", "too-many-keys", "busy"),
  handle: async ({ headers, session, body }, { access }) => {
    const { name, principal = name, kind = "service", grants, task_queues: taskQueues = null, expires_at, expires_in } = body;
    if (expires_at !== undefined && expires_in !== undefined)
      return err(badRequest("bad-key", "expected `expires_at` or `expires_in`, not both"));
    const expiresAt = expires_at ?? (expires_in === undefined ? null : Date.now() + expires_in);
    const made = await access.keys.create(managerOf(headers, session), { name, principal, kind, grants, taskQueues, expiresAt });
    return made.ok ? ok({ json: newKeyView(made.value) }) : err(keyProblem(made.error));
  },
});

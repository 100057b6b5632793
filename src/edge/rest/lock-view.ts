import * as z from "zod/mini";
import { hourMs, secondMs } from "../../base/time.ts";
import type { Lock } from "../../service/locks/lock.ts";
import type { LockRefusal } from "../../service/locks/locks.ts";
import type { Problem, ProblemCodes } from "./problem.ts";
import { remark } from "./route.ts";
import { count, named, timeText } from "./schema.ts";

export const lockSchema = named(
  "Lock",
  z.object({
    resource: z.string(),
    mode: z.enum(["exclusive", "shared"]),
    /** How often each has acquired it, less how often released. */
    owners: z.record(z.string(), count),
    updated_at: timeText,
    /** When the last hold ends. */
    expires_at: timeText,
  }),
);

export const lockView = ({ resource, mode, holds, updatedAt }: Lock): z.infer<typeof lockSchema> => ({
  resource,
  mode,
  owners: Object.fromEntries(holds.map(({ owner, count }) => [owner, count])),
  updated_at: new Date(updatedAt).toISOString(),
  expires_at: new Date(Math.max(...holds.map(({ expiresAt }) => expiresAt))).toISOString(),
});

const ttlMax = 24 * hourMs;
export const ttlDefault = 30 * secondMs;
export const ttl = z.optional(
  z.int("expected milliseconds").check(z.minimum(1, "expected at least 1"), z.maximum(ttlMax, `expected at most ${ttlMax}`)),
);
export const held = { resource: z.string("expected a text"), owner: z.string("expected a text") };
/** Whether holds of others end, and why. */
export const forced = { force: z.optional(z.boolean("expected true or false")), reason: remark };

const refusals: { readonly [R in LockRefusal]: readonly [status: number, detail: string] } = {
  "no-such-namespace": [404, "this tenant does not exist"],
  "no-such-lock": [404, "lock not found"],
  "bad-lock": [400, "resource and owner required: 1 to 256 printable letters each"],
  "lock-unavailable": [409, "lock unavailable: others hold it"],
  "lock-not-held": [409, "lock not held"],
  "lock-lost": [404, "lock not held: it was released, or its time is over"],
  "too-many-holds": [409, "this lock is held too often"],
  "too-many-locks": [409, "too many resources are locked"],
  busy: [503, "others are changing this at the same moment: try again"],
};

export function lockProblem(refusal: LockRefusal): Problem {
  const [status, detail] = refusals[refusal];
  return { status, code: refusal, detail };
}

/** For a route to state. */
export const lockCodes = (...codes: readonly LockRefusal[]): ProblemCodes =>
  Object.fromEntries(codes.map((code) => [code, refusals[code][0]]));

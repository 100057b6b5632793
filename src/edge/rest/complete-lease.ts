import * as z from "zod/mini";
import { err, ok, type Result } from "../../base/result.ts";
import { cancelledWith, completedWith, failedWith, leaseToken } from "../../service/workers/lease-json.ts";
import type { LeaseEnd } from "../../service/workers/leases.ts";
import { jobCodes, jobProblem, requestCodes } from "./job-problem.ts";
import { holderOf, lease, workerId } from "./lease-holder.ts";
import { badRequest, type Problem } from "./problem.ts";
import { route } from "./route.ts";

const lettersMax = 10_000;
const text = z.string("expected a text").check(z.maxLength(lettersMax, `expected at most ${lettersMax} letters`));
const amount = z.optional(z.number("expected a number from 0").check(z.minimum(0, "expected a number from 0")));
const milliseconds = "expected a whole number of milliseconds";

const body = z.strictObject({
  lease,
  worker_id: workerId,
  result: z.optional(z.unknown()),
  error: z.optional(
    z.strictObject(
      {
        message: text,
        type: z.optional(text),
        retryable: z.optional(z.boolean("expected true or false")),
        retry_after_ms: z.optional(z.int(milliseconds).check(z.minimum(1, milliseconds), z.maximum(2 ** 31 - 1, milliseconds))),
        details: z.optional(z.unknown()),
      },
      "expected an object",
    ),
  ),
  cancelled: z.optional(z.boolean("expected true or false")),
  usage: z.optional(z.strictObject({ tokens: amount, usd: amount }, "expected an object")),
});
type Body = z.infer<typeof body>;

/** Ends an attempt: with a result, with an error, or because it was cancelled. */
export const completeLease = route({
  method: "POST",
  path: "/api/v1/workers/complete",
  summary: "Ends an attempt with its result or its error",
  body,
  success: { status: 204 },
  problems: { ...requestCodes, ...jobCodes("no-such-lease", "lease-gone"), "one-outcome": 400 },
  handle: async ({ headers, body: given }, { leases }) => {
    const end = endIn(given);
    if (!end.ok) return end;
    const ended = await leases.end(holderOf(headers, given.worker_id), { token: leaseToken(given.lease), end: end.value });
    return ended.ok ? ok({ nothing: true }) : err(jobProblem(ended.error));
  },
});

function endIn({ result, error, cancelled = false, usage }: Body): Result<LeaseEnd, Problem> {
  const said = [result !== undefined, error !== undefined, cancelled].filter((one) => one).length;
  if (said > 1) return err(badRequest("one-outcome", "expected one of `result`, `error` and `cancelled`"));
  if (cancelled) return ok(cancelledWith(usage));
  return ok(error === undefined ? completedWith(result, usage) : failedWith(error, { source: "http-worker", usage }));
}

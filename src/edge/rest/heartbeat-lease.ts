import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import type { Json } from "../../dag/json.ts";
import { toPayload } from "../../dag/payload.ts";
import { make } from "../../protocol/codec.ts";
import { Payloads } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { leaseToken } from "../../service/workers/lease-json.ts";
import { jobCodes, jobProblem, requestCodes } from "./job-problem.ts";
import { holderOf, lease, workerId } from "./lease-holder.ts";
import { route } from "./route.ts";

/** Says that an attempt is alive. A lease that is gone is as good as cancelled. */
export const heartbeatLease = route({
  method: "POST",
  path: "/api/v1/workers/heartbeat",
  summary: "Says that an attempt is alive, and hears whether to stop",
  body: z.strictObject({ lease, worker_id: workerId, details: z.optional(z.unknown()) }),
  success: { json: z.object({ cancel_requested: z.boolean(), lease_gone: z.boolean() }) },
  problems: { ...requestCodes, ...jobCodes("no-such-lease", "no-such-job") },
  handle: async ({ headers, body: { lease: text, worker_id, details } }, { leases }) => {
    const heard = await leases.heartbeat(holderOf(headers, worker_id), {
      token: leaseToken(text),
      details: details === undefined ? undefined : make(Payloads, { payloads: [toPayload(details as Json)] }),
    });
    if (!heard.ok) return err(jobProblem(heard.error));
    return ok({ json: { cancel_requested: heard.value.cancelRequested, lease_gone: heard.value.isGone } });
  },
});

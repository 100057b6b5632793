import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { problemOf, refusalCodes } from "./problem.ts";
import { wholeNumber } from "./query.ts";
import { route } from "./route.ts";
import { listOf, named, texts, timeText } from "./schema.ts";
import { tenantOf } from "./tenant.ts";

const limitMax = 1_000;

const workerSchema = named("Worker", z.object({ worker_id: z.string(), task_queues: texts, last_seen_at: timeText }));

export const listWorkers = route({
  method: "GET",
  path: "/api/v1/workers",
  summary: "Who came for activity tasks within the last minutes, over gRPC or HTTP, the one that came last first",
  query: z.strictObject({ limit: z.optional(wholeNumber(1, limitMax)) }),
  success: { json: listOf(workerSchema) },
  problems: refusalCodes("no-such-namespace"),
  handle: async ({ headers, query: { limit } }, { workers }) => {
    const found = workers.list(tenantOf(headers));
    if (!found.ok) return err(problemOf("no-such-namespace"));
    const items = found.value.slice(0, limit ?? limitMax).map(({ workerId, taskQueues, lastSeenAt }) => ({
      worker_id: workerId,
      task_queues: taskQueues,
      last_seen_at: new Date(lastSeenAt).toISOString(),
    }));
    return ok({ json: items });
  },
});

import * as z from "zod/mini";
import { ok } from "../../base/result.ts";
import type { Reported } from "../../service/doctor/doctor.ts";
import { symptomKinds } from "../../service/doctor/symptom.ts";
import { route } from "./route.ts";
import { count, listOf, named, textOrNull, texts, timeOrNull, timeText } from "./schema.ts";

const symptomSchema = named(
  "Symptom",
  z.object({
    kind: z.enum(symptomKinds),
    severity: z.enum(["critical", "warning"]),
    namespace: textOrNull,
    what: z.string(),
    since: timeOrNull,
    why: z.string(),
    executed: z.string(),
    safe_to_do: z.string(),
    count,
    examples: listOf(z.object({ namespace: z.string(), workflow_id: z.string(), run_id: z.string() })),
  }),
);

/** What is stuck, since when and why, and what is safe to do about it; of the whole server. */
export const getDoctor = route({
  method: "GET",
  path: "/api/v1/doctor",
  summary: "What is stuck and why, and what is safe to do",
  success: {
    json: z.object({
      healthy: z.boolean(),
      at: timeText,
      findings: listOf(symptomSchema),
      open_runs: z.object({ looked_at: count, all: z.boolean() }),
      not_looked_at: texts,
    }),
  },
  handle: async (_, { doctor }) => {
    const { at, symptoms, runs, failed } = await doctor.examine();
    return ok({
      json: {
        healthy: symptoms.length + failed.length === 0,
        at: new Date(at).toISOString(),
        findings: symptoms.map(symptomView),
        open_runs: { looked_at: runs.lookedAt, all: runs.isAll },
        not_looked_at: failed,
      },
    });
  },
});

const symptomView = ({ safe, since, examples, ...symptom }: Reported): z.infer<typeof symptomSchema> => ({
  ...symptom,
  since: since === null ? null : new Date(since).toISOString(),
  safe_to_do: safe,
  examples: examples.map(({ namespace, workflowId, runId }) => ({ namespace, workflow_id: workflowId, run_id: runId })),
});

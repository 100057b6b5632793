import * as z from "zod/mini";
import { ok } from "../../base/result.ts";
import { route } from "./route.ts";
import { count, listOf, texts, timeOrNull, timeText } from "./schema.ts";

/** What the server is and has: its policy, database, ledger and open runs. */
export const getStatus = route({
  method: "GET",
  path: "/api/v1/status",
  summary: "What the server is and has",
  success: {
    json: z.object({
      at: timeText,
      started_at: timeText,
      database: z.object({ bytes: count, disk: z.nullable(z.object({ free_bytes: count, size_bytes: count })) }),
      policy: z.object({
        publication: count,
        snapshot: z.string(),
        bundles: texts,
        without_policy: z.nullable(z.enum(["allow", "deny"])),
      }),
      checkpoint: z.nullable(z.object({ number: count, at: timeText })),
      namespaces: listOf(z.object({ name: z.string(), open_runs: count })),
      runs_in_memory: count,
      reconciler: z.object({ looked_at: timeOrNull, repaired_last_hour: count, reported_last_hour: count }),
    }),
  },
  handle: async (_, { doctor }) => {
    const { at, startedAt, database, policy, checkpoint, namespaces, runsInMemory, reconciler } = await doctor.status();
    const { bytes, disk } = database;
    const { publication, snapshot, bundles, unpublished } = policy;
    return ok({
      json: {
        at: new Date(at).toISOString(),
        started_at: new Date(startedAt).toISOString(),
        database: { bytes, disk: disk === null ? null : { free_bytes: disk.freeBytes, size_bytes: disk.sizeBytes } },
        policy: {
          publication,
          snapshot,
          bundles,
          without_policy: unpublished === null ? null : unpublished === "DENY" ? ("deny" as const) : ("allow" as const),
        },
        checkpoint: checkpoint === null ? null : { number: checkpoint.number, at: new Date(checkpoint.at).toISOString() },
        namespaces: namespaces.map(({ name, openRuns }) => ({ name, open_runs: openRuns })),
        runs_in_memory: runsInMemory,
        reconciler: {
          looked_at: reconciler.lookedAt === null ? null : new Date(reconciler.lookedAt).toISOString(),
          repaired_last_hour: reconciler.repaired,
          reported_last_hour: reconciler.reported,
        },
      },
    });
  },
});

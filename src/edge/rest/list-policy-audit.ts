import * as z from "zod/mini";
import { ok } from "../../base/result.ts";
import { route } from "./route.ts";
import { listOf, texts, timeText } from "./schema.ts";

/** As many as Cordum keeps. */
const itemsMax = 100;

const itemSchema = z.object({
  id: z.string(),
  action: z.string(),
  actor_id: z.string(),
  role: z.string(),
  bundle_ids: texts,
  message: z.string(),
  note: z.string(),
  snapshot_before: z.string(),
  snapshot_after: z.string(),
  created_at: timeText,
});

/** Who published and rolled back, the newest first. Source: Cordum's `/policy/audit`. The ledger has this and more. */
export const listPolicyAudit = route({
  method: "GET",
  path: "/api/v1/policy/audit",
  summary: "Who published and rolled back, the newest first, as Cordum's clients read it",
  success: { json: z.object({ items: listOf(itemSchema) }) },
  handle: async (_, { policies }) => {
    const publications = await policies.publications(null, itemsMax);
    return ok({
      json: {
        items: publications.map(({ number, cause, by, bundles, message, note, parent, hash, at }) => ({
          id: String(number),
          action: cause === "rollback" ? "rollback" : "publish",
          actor_id: by?.id ?? "",
          role: by?.roles.join(",") ?? "",
          bundle_ids: bundles.map(({ id }) => id),
          message,
          note,
          snapshot_before: parent,
          snapshot_after: hash,
          created_at: new Date(at).toISOString(),
        })),
      },
    });
  },
});

import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { route } from "./route.ts";
import { timeText } from "./schema.ts";
import { schemaCodes, schemaProblem } from "./schema-problem.ts";
import { tenantOf } from "./tenant.ts";

export const getSchema = route({
  method: "GET",
  path: "/api/v1/schemas/:id",
  summary: "A schema. Each `/` of its id is `%2F` here",
  params: z.object({ id: z.string() }),
  success: { json: z.object({ id: z.string(), schema: z.unknown(), updated_by: z.string(), updated_at: timeText }), etag: true },
  problems: schemaCodes("no-such-namespace", "no-such-schema"),
  handle: async ({ headers, params }, { schemas }) => {
    const found = await schemas.get(tenantOf(headers), params.id);
    if (!found.ok) return err(schemaProblem(found.error));
    const { id, schema, sha256, updatedAt, updatedBy } = found.value;
    return ok({
      json: { id, schema, updated_by: updatedBy, updated_at: new Date(updatedAt).toISOString() },
      headers: { etag: `"${sha256}"` },
    });
  },
});

import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { route } from "./route.ts";
import { schemaCodes, schemaProblem } from "./schema-problem.ts";
import { tenantOf } from "./tenant.ts";

export const deleteSchema = route({
  method: "DELETE",
  path: "/api/v1/schemas/:id",
  summary: "Deletes a schema: workflows that name it keep what they were created with",
  params: z.object({ id: z.string() }),
  success: { status: 204 },
  problems: schemaCodes("no-such-namespace", "no-such-schema", "busy"),
  handle: async ({ headers, params: { id } }, { schemas }) => {
    const removed = await schemas.remove(tenantOf(headers), id);
    return removed.ok ? ok({ nothing: true }) : err(schemaProblem(removed.error));
  },
});

import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { askerOf } from "./asker.ts";
import { route } from "./route.ts";
import { schemaCodes, schemaProblem } from "./schema-problem.ts";

export const deleteSchema = route({
  method: "DELETE",
  path: "/api/v1/schemas/:id",
  summary: "Deletes a schema: workflows that name it keep what they were created with",
  params: z.object({ id: z.string() }),
  success: { status: 204 },
  problems: schemaCodes("no-such-namespace", "no-such-schema", "busy"),
  handle: async ({ headers, params: { id } }, { schemas }) => {
    const { namespace, by } = askerOf(headers);
    const removed = await schemas.remove(namespace, { id, by });
    return removed.ok ? ok({ nothing: true }) : err(schemaProblem(removed.error));
  },
});

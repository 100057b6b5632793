import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { wholeNumber } from "./query.ts";
import { route } from "./route.ts";
import { texts } from "./schema.ts";
import { schemaCodes, schemaProblem } from "./schema-problem.ts";
import { tenantOf } from "./tenant.ts";

const limitMax = 1_000;
const limitDefault = 100;

export const listSchemas = route({
  method: "GET",
  path: "/api/v1/schemas",
  summary: "The ids of schemas, in their order",
  query: z.strictObject({ limit: z.optional(wholeNumber(1, limitMax)) }),
  success: { json: z.object({ schemas: texts }) },
  problems: schemaCodes("no-such-namespace"),
  handle: async ({ headers, query: { limit } }, { schemas }) => {
    const found = await schemas.list(tenantOf(headers));
    if (!found.ok) return err(schemaProblem(found.error));
    return ok({ json: { schemas: found.value.slice(0, limit ?? limitDefault).map(({ id }) => id) } });
  },
});

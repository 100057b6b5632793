import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { endpointCodes, endpointProblem, endpointSchema, endpointView } from "./endpoint-view.ts";
import { route } from "./route.ts";
import { listOf } from "./schema.ts";
import { tenantOf } from "./tenant.ts";

export const listEndpoints = route({
  method: "GET",
  path: "/api/v1/endpoints",
  summary: "The endpoints that tasks are pushed to, by id; at most 1,000",
  success: { json: z.object({ endpoints: listOf(endpointSchema) }) },
  problems: endpointCodes("no-such-namespace"),
  handle: async ({ headers }, { endpoints }) => {
    const found = await endpoints.list(tenantOf(headers));
    return found.ok ? ok({ json: { endpoints: found.value.map(endpointView) } }) : err(endpointProblem(found.error));
  },
});

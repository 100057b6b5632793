import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { endpointCodes, endpointEtag, endpointProblem, endpointSchema, endpointView } from "./endpoint-view.ts";
import { route } from "./route.ts";
import { tenantOf } from "./tenant.ts";

export const getEndpoint = route({
  method: "GET",
  path: "/api/v1/endpoints/:id",
  summary: "An endpoint that tasks are pushed to, without its secrets",
  params: z.object({ id: z.string() }),
  success: { json: endpointSchema, etag: true },
  problems: endpointCodes("no-such-namespace", "no-such-endpoint"),
  handle: async ({ headers, params: { id } }, { endpoints }) => {
    const found = await endpoints.get(tenantOf(headers), id);
    if (!found.ok) return err(endpointProblem(found.error));
    return ok({ json: endpointView(found.value), headers: { etag: endpointEtag(found.value) } });
  },
});

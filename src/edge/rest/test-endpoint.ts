import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { endpointCodes, endpointProblem } from "./endpoint-view.ts";
import { route } from "./route.ts";
import { count, textOrNull } from "./schema.ts";
import { tenantOf } from "./tenant.ts";

export const testEndpoint = route({
  method: "POST",
  path: "/api/v1/endpoints/:id/test",
  summary: "Sends a signed request that asks for nothing, and tells how the endpoint answered",
  params: z.object({ id: z.string() }),
  success: { json: z.object({ ok: z.boolean(), status: z.nullable(count), error: textOrNull, duration_ms: count }) },
  problems: endpointCodes("no-such-namespace", "no-such-endpoint"),
  handle: async ({ headers, params: { id }, signal }, { endpoints, pingEndpoint }) => {
    const found = await endpoints.get(tenantOf(headers), id);
    if (!found.ok) return err(endpointProblem(found.error));
    const { status, error, took } = await pingEndpoint(found.value.endpoint, signal);
    return ok({ json: { ok: error === null, status, error, duration_ms: took } });
  },
});

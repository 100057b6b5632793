import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { askerOf } from "./asker.ts";
import { conditionCodes, seenIn } from "./bundle-view.ts";
import { endpointCodes, endpointProblem } from "./endpoint-view.ts";
import { headerOf } from "./header.ts";
import { badRequest } from "./problem.ts";
import { route } from "./route.ts";

export const deleteEndpoint = route({
  method: "DELETE",
  path: "/api/v1/endpoints/:id",
  summary: "Deletes an endpoint: requests that are open end as they end",
  params: z.object({ id: z.string() }),
  success: { status: 204 },
  problems: {
    ...conditionCodes,
    ...endpointCodes("no-such-namespace", "no-such-endpoint", "endpoint-of-configuration", "endpoint-changed", "busy"),
  },
  handle: async ({ headers, params: { id } }, { endpoints }) => {
    const { namespace, by } = askerOf(headers);
    const seen = seenIn(headerOf(headers, "if-match"), null);
    if (seen === null) return err(badRequest("bad-condition", "expected `If-Match` with one tag"));
    const removed = await endpoints.remove(namespace, { id, by, seen });
    return removed.ok ? ok({ nothing: true }) : err(endpointProblem(removed.error));
  },
});

import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { approvalView } from "./approval-view.ts";
import { problemOf } from "./problem.ts";
import { route } from "./route.ts";
import { tenantOf } from "./tenant.ts";

export const getApproval = route({
  method: "GET",
  path: "/api/v1/approvals/:id",
  params: z.object({ id: z.string() }),
  handle: async ({ headers, params: { id } }, { approvals }) => {
    const found = await approvals.get({ namespace: tenantOf(headers), id });
    return found.ok ? ok({ json: approvalView(found.value) }) : err(problemOf(found.error));
  },
});

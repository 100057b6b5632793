import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { approvalView } from "./approval-view.ts";
import { createPayloadViewer } from "./payload-view.ts";
import { problemOf } from "./problem.ts";
import { route } from "./route.ts";
import { tenantOf } from "./tenant.ts";

/** One approval, with what its action is given. */
export const getApproval = route({
  method: "GET",
  path: "/api/v1/approvals/:id",
  params: z.object({ id: z.string() }),
  handle: async ({ headers, params: { id } }, { approvals }) => {
    const namespace = tenantOf(headers);
    const found = await approvals.show({ namespace, id });
    if (!found.ok) return err(problemOf(found.error));
    const { approval, input, header } = found.value;
    const viewer = createPayloadViewer();
    const path = ["namespaces", namespace, "workflows", approval.workflowId, approval.runId, "history"];
    return ok({
      json: {
        ...approvalView(approval),
        input: viewer.payloads(input),
        header: viewer.header(header),
        history_path: path.map((part) => `/${encodeURIComponent(part)}`).join(""),
      },
    });
  },
});

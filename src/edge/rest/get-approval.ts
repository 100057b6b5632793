import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { approvalFields, approvalView } from "./approval-view.ts";
import { createPayloadViewer, payloadSchema } from "./payload-view.ts";
import { problemOf, refusalCodes } from "./problem.ts";
import { route } from "./route.ts";
import { listOf, named } from "./schema.ts";
import { tenantOf } from "./tenant.ts";

const shownSchema = named(
  "ShownApproval",
  z.object({ ...approvalFields, input: listOf(payloadSchema), header: z.record(z.string(), payloadSchema), history_path: z.string() }),
);

/** One approval, with what its action is given. */
export const getApproval = route({
  method: "GET",
  path: "/api/v1/approvals/:id",
  summary: "One approval, with what its action is given",
  params: z.object({ id: z.string() }),
  success: { json: shownSchema },
  problems: refusalCodes("no-such-namespace", "no-such-approval"),
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

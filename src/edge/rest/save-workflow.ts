import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { askerOf } from "./asker.ts";
import { dagCodes, dagProblem, invalidWorkflowCode } from "./dag-problem.ts";
import { headerOf, tagIn } from "./header.ts";
import { badRequest } from "./problem.ts";
import { route } from "./route.ts";
import { warningsOf, warningsSchema, workflowTag } from "./workflow-view.ts";

/** Makes a text the definition of a workflow. Runs that have started keep theirs. */
export const saveWorkflow = route({
  method: "POST",
  path: "/api/v1/workflows",
  summary: "Creates or changes a workflow, from YAML or JSON: runs that have started keep the definition that they started with",
  body: z.unknown(),
  yaml: true,
  idempotent: true,
  success: { status: 201, json: z.object({ id: z.string(), sha256: z.string(), warnings: warningsSchema }), etag: true },
  problems: {
    ...invalidWorkflowCode,
    ...dagCodes("no-such-namespace", "bad-workflow-id", "too-many-workflows", "workflow-changed", "busy"),
    "bad-condition": 400,
  },
  handle: async ({ headers, requestId, text }, { dag }) => {
    const asker = askerOf(headers);
    const seen = tagIn(headerOf(headers, "if-match"));
    if (seen === undefined) return err(badRequest("bad-condition", "expected `If-Match` with one tag"));
    const saved = await dag.workflows.save(asker.namespace, { text, by: asker.by, seen, newId: requestId });
    if (!saved.ok) return err(dagProblem(saved.error));
    const { workflow, problems } = saved.value;
    const { id, sha256 } = workflow;
    return ok({ json: { id, sha256, warnings: warningsOf(problems) }, headers: { etag: workflowTag(workflow) } });
  },
});

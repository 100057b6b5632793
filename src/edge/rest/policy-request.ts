import type { IncomingHttpHeaders } from "node:http";
import * as z from "zod/mini";
import { err, ok, type Result } from "../../base/result.ts";
import { type Action, actionKinds, actionOf } from "../../governance/action.ts";
import { inputOfValues, noInput } from "../../governance/action-input.ts";
import { headerOf } from "./header.ts";
import { badRequest, type Problem, type ProblemCodes } from "./problem.ts";
import { named } from "./schema.ts";

const word = z.string("expected a text");
const text = z.optional(z.nullable(word));
const texts = z.optional(z.nullable(z.array(word, "expected a list of texts")));
const labels = z.optional(z.nullable(z.record(z.string(), word, "expected texts by name")));

const attemptText = "expected a whole number from 1";

/**
 * The action that a policy is asked about. Source: the body of Cordum's `/policy/evaluate`, whose other fields (priority, budget, memory,
 * effective configuration) no rule looks at and which are passed over. `kind` and what follows it are ours.
 */
export const policyRequest = named(
  "PolicyRequest",
  z.object(
    {
      topic: text,
      tenant: text,
      org_id: text,
      workflow_id: text,
      step_id: text,
      principal_id: text,
      labels,
      meta: z.optional(
        z.nullable(
          z.object(
            {
              tenant_id: text,
              actor_id: text,
              actor_type: text,
              capability: text,
              risk_tags: texts,
              requires: texts,
              pack_id: text,
              labels,
            },
            "expected an object",
          ),
        ),
      ),
      kind: z.optional(z.enum(actionKinds, `expected one of ${actionKinds.join(", ")}`)),
      name: text,
      workflow_type: text,
      run_id: text,
      task_queue: text,
      attempt: z.optional(z.int(attemptText).check(z.minimum(1, attemptText))),
      roles: texts,
      input: z.optional(z.unknown()),
    },
    "expected an object",
  ),
);
export type PolicyRequest = z.infer<typeof policyRequest>;

export const actionCodes: ProblemCodes = { "topic-required": 400, "tenant-access-denied": 403 };

/** The action asked about; refused without a topic or a name, and when header and body name different tenants. */
export function actionIn(headers: IncomingHttpHeaders, request: PolicyRequest): Result<Action, Problem> {
  const { meta } = request;
  const topic = (request.topic ?? "").trim();
  if (topic === "" && !request.name) return err(badRequest("topic-required", "topic is required"));
  const named = [headerOf(headers, "x-tenant-id"), request.tenant, request.org_id, meta?.tenant_id].filter((tenant) => tenant);
  if (new Set(named).size > 1) return err({ status: 403, code: "tenant-access-denied", detail: "tenant access denied: name one tenant" });
  return ok(
    actionOf({
      // Empty for the policy's default tenant.
      namespace: named[0] ?? "",
      kind: request.kind ?? "job",
      topic,
      name: request.name ?? "",
      labels: new Map(Object.entries(request.labels ?? meta?.labels ?? {})),
      capability: meta?.capability ?? "",
      riskTags: meta?.risk_tags ?? [],
      requires: meta?.requires ?? [],
      packId: meta?.pack_id ?? "",
      principal: {
        id: meta?.actor_id || request.principal_id || "",
        kind: /^(ACTOR_TYPE_)?human$/i.test(meta?.actor_type ?? "") ? "human" : "service",
        roles: request.roles ?? [],
      },
      workflowType: request.workflow_type ?? "",
      workflowId: request.workflow_id ?? "",
      runId: request.run_id ?? "",
      actionId: request.step_id ?? "",
      taskQueue: request.task_queue ?? "",
      attempt: request.attempt ?? 1,
      input: request.input === undefined ? noInput : inputOfValues([request.input]),
    }),
  );
}

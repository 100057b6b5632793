import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { tagOf } from "../../service/configs/config.ts";
import { configCodes, configProblem, configQuery, configSchema, configView, documentIn } from "./config-view.ts";
import { text } from "./query.ts";
import { route } from "./route.ts";
import { tenantOf } from "./tenant.ts";

export const getConfig = route({
  method: "GET",
  path: "/api/v1/config",
  summary: "The configuration of a scope: of the system, or of an org, a team, a workflow or a step",
  query: configQuery,
  success: { json: configSchema, etag: true },
  problems: configCodes("no-such-namespace", "no-such-config"),
  handle: async ({ headers, query }, { configs }) => {
    const { scope, scopeId } = documentIn(query);
    const found = await configs.get(tenantOf(headers), scope, scopeId);
    if (!found.ok) return err(configProblem(found.error));
    return ok({ json: configView(found.value), headers: { etag: `"${tagOf(found.value)}"` } });
  },
});

export const getEffectiveConfig = route({
  method: "GET",
  path: "/api/v1/config/effective",
  summary:
    "What is configured, all in all, for a step of a workflow of a team of an org: the more particular takes the place of the more general",
  query: z.strictObject({
    org_id: z.optional(text),
    team_id: z.optional(text),
    workflow_id: z.optional(text),
    step_id: z.optional(text),
  }),
  success: { json: z.object({ version: z.string(), hash: z.string(), data: z.record(z.string(), z.unknown()) }), etag: true },
  problems: configCodes("no-such-namespace"),
  handle: async ({ headers, query: { org_id, team_id, workflow_id, step_id } }, { configs }) => {
    const of = { orgId: org_id ?? null, teamId: team_id ?? null, workflowId: workflow_id ?? null, stepId: step_id ?? null };
    const found = await configs.effective(tenantOf(headers), of);
    return found.ok ? ok({ json: found.value, headers: { etag: `"${found.value.hash}"` } }) : err(configProblem(found.error));
  },
});

import * as z from "zod/mini";
import { ok } from "../../base/result.ts";
import { quotaNames } from "../../service/quotas/quota.ts";
import { route } from "./route.ts";
import { listOf } from "./schema.ts";
import { tenantOf } from "./tenant.ts";

const numberOrNull = z.nullable(z.number());

/** What a tenant has taken of the server, and how much it may take. */
export const getQuotas = route({
  method: "GET",
  path: "/api/v1/quotas",
  summary: "What the tenant has taken of the server, and how much it may take; null where there is no limit, and nothing is counted",
  success: { json: z.object({ items: listOf(z.object({ quota: z.enum(quotaNames), used: numberOrNull, limit: numberOrNull })) }) },
  handle: async ({ headers }, { quotas }) => ok({ json: { items: quotas.usageOf(tenantOf(headers)) } }),
});

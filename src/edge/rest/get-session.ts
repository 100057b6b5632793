import * as z from "zod/mini";
import { permissions } from "../../access/permission.ts";
import { credentialKinds } from "../../access/principal.ts";
import { ok } from "../../base/result.ts";
import { grantsSchema, kindSchema } from "./key-view.ts";
import { route } from "./route.ts";
import { listOf, named, texts, timeOrNull } from "./schema.ts";
import { tenantOf } from "./tenant.ts";

const sessionSchema = named(
  "Session",
  z.object({
    /** Null where nobody has to say who they are: then everything is allowed. */
    principal: z.nullable(z.object({ id: z.string(), kind: kindSchema })),
    credential: z.nullable(z.object({ kind: z.enum(credentialKinds), id: z.string() })),
    tenant: z.string(),
    /** In this tenant, as are the permissions. */
    roles: texts,
    permissions: listOf(z.enum(permissions)),
    grants: grantsSchema,
    task_queues: z.nullable(texts),
    expires_at: timeOrNull,
  }),
);

export const getSession = route({
  method: "GET",
  path: "/api/v1/auth/session",
  summary: "Who you are, by which credential, and what you may do in this tenant",
  needsNoPermission: true,
  success: { json: sessionSchema },
  handle: async ({ headers, session: { principal, authority } }) => {
    const tenant = tenantOf(headers);
    const expiresAt = principal?.expiresAt ?? null;
    return ok({
      json: {
        principal: principal === null ? null : { id: principal.id, kind: principal.kind },
        credential: principal?.credential ?? null,
        tenant,
        roles: authority.rolesIn(tenant),
        permissions: permissions.filter((permission) => authority.allows(permission, tenant)),
        grants: principal?.grants ?? [],
        task_queues: principal?.taskQueues ?? null,
        expires_at: expiresAt === null ? null : new Date(expiresAt).toISOString(),
      },
    });
  },
});

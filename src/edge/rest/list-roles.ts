import * as z from "zod/mini";
import { ok } from "../../base/result.ts";
import { roleSchema, roleView } from "./role-view.ts";
import { route } from "./route.ts";
import { listOf } from "./schema.ts";

export const listRoles = route({
  method: "GET",
  path: "/api/v1/auth/roles",
  summary: "Roles and what they allow: those of every server, of the configuration, and of this API",
  success: { json: z.object({ roles: listOf(roleSchema) }) },
  handle: async (_, { access }) => ok({ json: { roles: access.keys.roles().map(roleView) } }),
});

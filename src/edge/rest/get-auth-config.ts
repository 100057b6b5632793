import * as z from "zod/mini";
import { credentialKinds } from "../../access/principal.ts";
import { ok } from "../../base/result.ts";
import { route } from "./route.ts";
import { listOf } from "./schema.ts";

export const getAuthConfig = route({
  method: "GET",
  path: "/api/v1/auth/config",
  summary: "Whether callers have to say who they are, and by what",
  isPublic: true,
  success: { json: z.object({ required: z.boolean(), credentials: listOf(z.enum(credentialKinds)) }) },
  handle: async (_, { access: { required, credentials } }) => ok({ json: { required, credentials } }),
});

import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { keyCodes, keyProblem, managerOf } from "./key-view.ts";
import { roleSchema, roleView } from "./role-view.ts";
import { route } from "./route.ts";

export const saveRole = route({
  method: "PUT",
  path: "/api/v1/auth/roles/:name",
  summary: "Makes a role, or says anew what it allows: whoever has it may do that from now on",
  params: z.object({ name: z.string() }),
  body: z.strictObject({ permissions: z.array(z.string("expected a text"), "expected a list of permissions") }),
  success: { json: roleSchema },
  problems: keyCodes("bad-role", "exceeds-own-rights", "role-is-built-in", "role-of-configuration", "too-many-roles", "busy"),
  handle: async ({ headers, session, params: { name }, body: { permissions } }, { access }) => {
    const saved = await access.keys.saveRole(managerOf(headers, session), { name, permissions });
    return saved.ok ? ok({ json: roleView(saved.value) }) : err(keyProblem(saved.error));
  },
});

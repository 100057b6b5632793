import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { keyCodes, keyProblem, managerOf } from "./key-view.ts";
import { route } from "./route.ts";

export const deleteRole = route({
  method: "DELETE",
  path: "/api/v1/auth/roles/:name",
  summary: "Deletes a role: whoever has it is left without what it allowed",
  params: z.object({ name: z.string() }),
  success: { status: 204 },
  problems: keyCodes("no-such-role", "role-is-built-in", "role-of-configuration", "busy"),
  handle: async ({ headers, session, params: { name } }, { access }) => {
    const deleted = await access.keys.deleteRole(managerOf(headers, session), name);
    return deleted.ok ? ok({ nothing: true }) : err(keyProblem(deleted.error));
  },
});

import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { keyCodes, keyProblem } from "./key-view.ts";
import { roleSchema, roleView } from "./role-view.ts";
import { route } from "./route.ts";

export const getRole = route({
  method: "GET",
  path: "/api/v1/auth/roles/:name",
  summary: "One role, and what it allows",
  params: z.object({ name: z.string() }),
  success: { json: roleSchema },
  problems: keyCodes("no-such-role"),
  handle: async ({ params: { name } }, { access }) => {
    const found = access.keys.roles().find((role) => role.name === name);
    return found === undefined ? err(keyProblem({ kind: "no-such-role" })) : ok({ json: roleView(found) });
  },
});

import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { keyCodes, keyProblem, keySchema, keyView, managerOf } from "./key-view.ts";
import { route } from "./route.ts";

export const revokeKey = route({
  method: "DELETE",
  path: "/api/v1/auth/keys/:id",
  summary: "Revokes a key, and cuts off what it has open; it stays in the list",
  params: z.object({ id: z.string() }),
  success: { json: keySchema },
  problems: keyCodes("no-such-key", "exceeds-own-rights", "busy"),
  handle: async ({ headers, session, params: { id } }, { access }) => {
    const revoked = await access.keys.revoke(managerOf(headers, session), id);
    return revoked.ok ? ok({ json: keyView(revoked.value) }) : err(keyProblem(revoked.error));
  },
});

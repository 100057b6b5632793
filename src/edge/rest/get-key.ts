import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { keyCodes, keyProblem, keySchema, keyView, managerOf } from "./key-view.ts";
import { route } from "./route.ts";

export const getKey = route({
  method: "GET",
  path: "/api/v1/auth/keys/:id",
  summary: "One key, without its text",
  params: z.object({ id: z.string() }),
  success: { json: keySchema },
  problems: keyCodes("no-such-key"),
  handle: async ({ headers, session, params: { id } }, { access }) => {
    const found = access.keys.get(managerOf(headers, session), id);
    return found.ok ? ok({ json: keyView(found.value) }) : err(keyProblem(found.error));
  },
});

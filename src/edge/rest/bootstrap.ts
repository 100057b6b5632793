import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { lockedOut } from "./identify.ts";
import { keyCodes, keyProblem, newKeySchema, newKeyView } from "./key-view.ts";
import { route } from "./route.ts";

const text = z.string("expected a text");

/** Not to be repeated: an answer that is lost leaves a key that nobody has, and `docs/access.md` says what then. */
export const bootstrap = route({
  method: "POST",
  path: "/api/v1/auth/bootstrap",
  summary: "Makes the first key of an administrator for whoever has the server's token: its text is in this answer alone",
  isPublic: true,
  body: z.strictObject({ token: text, name: z.optional(text) }),
  success: { status: 201, json: newKeySchema },
  problems: { ...keyCodes("bad-key", "bad-bootstrap-token", "not-bootstrapping", "busy"), "locked-out": 429 },
  handle: async ({ address, body: { token, name = "admin" } }, { access }) => {
    const made = await access.bootstrap.firstKey({ token, name, address });
    if (made.ok) return ok({ json: newKeyView(made.value) });
    return err(made.error.kind === "locked-out" ? lockedOut(made.error.retryAfter) : keyProblem(made.error));
  },
});

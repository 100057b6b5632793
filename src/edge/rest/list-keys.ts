import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { keyStatuses } from "../../service/access/keys.ts";
import { keySchema, keyView, managerOf } from "./key-view.ts";
import { badRequest } from "./problem.ts";
import { someOf, text, wholeNumber } from "./query.ts";
import { cursorCodes, route } from "./route.ts";
import { pageOf } from "./schema.ts";

const limitMax = 100;

/** Also those that have ended: decisions and the ledger name their principals. */
export const listKeys = route({
  method: "GET",
  path: "/api/v1/auth/keys",
  summary: "Keys without their texts, the oldest first: those that hold only where you may read keys",
  query: z.strictObject({
    status: z.optional(someOf(keyStatuses)),
    principal: z.optional(text),
    limit: z.optional(wholeNumber(1, limitMax)),
    cursor: z.optional(text),
  }),
  success: { json: pageOf(keySchema) },
  problems: cursorCodes,
  handle: async ({ headers, session, query: { status, principal, limit = limitMax, cursor } }, { access }) => {
    const known = access.keys.list(managerOf(headers, session));
    const at = cursor === undefined ? -1 : known.findIndex(({ id }) => id === cursor);
    if (cursor !== undefined && at < 0) return err(badRequest("bad-cursor", "`cursor` is not the `next_cursor` of a page of this list"));
    const wanted = known
      .slice(at + 1)
      .filter((key) => (status?.includes(key.status) ?? true) && (principal === undefined || key.principal === principal));
    const items = wanted.slice(0, limit);
    return ok({ json: { items: items.map(keyView), next_cursor: wanted.length > limit ? (items.at(-1)?.id ?? null) : null } });
  },
});

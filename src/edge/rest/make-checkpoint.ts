import { err, ok } from "../../base/result.ts";
import { encodeCheckpoint } from "../../governance/ledger/checkpoint.ts";
import { principalOf } from "./principal.ts";
import { route } from "./route.ts";

/** Signs where the chains of the ledger end, and answers with the checkpoint as the ledger keeps it: to be kept elsewhere. */
export const makeCheckpoint = route({
  method: "POST",
  path: "/api/v1/audit/checkpoint",
  handle: async ({ headers }, { checkpoints }) => {
    const by = principalOf(headers);
    if (!by.ok) return by;
    const made = await checkpoints.make();
    if (!made.ok)
      return err({ status: 409, code: made.error, detail: "the server's configuration names no key that signs: see `checkpoints.key`" });
    if (made.value === null) return err({ status: 409, code: "empty-ledger", detail: "there is nothing in the ledger yet" });
    const checkpoint: unknown = JSON.parse(Buffer.from(encodeCheckpoint(made.value)).toString());
    return ok({ json: { checkpoint } });
  },
});

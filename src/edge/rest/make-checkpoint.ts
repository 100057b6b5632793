import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { encodeCheckpoint } from "../../governance/ledger/checkpoint.ts";
import { principalCodes, principalOf } from "./principal.ts";
import { route } from "./route.ts";

/** Signs where the chains of the ledger end, and answers with the checkpoint as the ledger keeps it: to be kept elsewhere. */
export const makeCheckpoint = route({
  method: "POST",
  path: "/api/v1/audit/checkpoint",
  summary: "Signs where the chains of the ledger end",
  success: { json: z.object({ checkpoint: z.record(z.string(), z.unknown()) }) },
  problems: { ...principalCodes, "no-checkpoint-key": 409, "empty-ledger": 409 },
  idempotent: true,
  handle: async ({ headers }, { checkpoints }) => {
    const by = principalOf(headers);
    if (!by.ok) return by;
    const made = await checkpoints.make();
    if (!made.ok)
      return err({ status: 409, code: made.error, detail: "the server's configuration names no key that signs: see `checkpoints.key`" });
    if (made.value === null) return err({ status: 409, code: "empty-ledger", detail: "there is nothing in the ledger yet" });
    const checkpoint = JSON.parse(Buffer.from(encodeCheckpoint(made.value)).toString()) as { [field: string]: unknown };
    return ok({ json: { checkpoint } });
  },
});

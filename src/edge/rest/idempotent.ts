import type { IncomingHttpHeaders } from "node:http";
import { canonicalJson } from "../../base/canonical-json.ts";
import { err, type Result } from "../../base/result.ts";
import { sha256Hex } from "../../base/sha256.ts";
import type { Idempotency } from "../../service/idempotency.ts";
import { headerOf } from "./header.ts";
import { idempotencyKeyOf, keyCodes } from "./idempotency-key.ts";
import type { Problem, ProblemCodes } from "./problem.ts";
import { tenantOf } from "./tenant.ts";

export const idempotentCodes: ProblemCodes = { ...keyCodes, "idempotency-key-reused": 409 };

/** An answer of a route that may be asked again: JSON, as it is stored. */
export type Repeatable = Result<{ readonly json: unknown; readonly headers?: { readonly etag: string } }, Problem>;

/**
 * Lets `act` answer, or repeats what it answered when a request of the same `Idempotency-Key` had an effect before. A key is of a tenant and a
 * route, and stands for one path, query, body, principal and precondition. Refusals are not repeated: what they depend on may change.
 */
export async function answerOnce(
  { route, headers, ...asked }: { route: string; headers: IncomingHttpHeaders; params: unknown; query: unknown; body: unknown },
  { idempotency, newId }: { readonly idempotency: Idempotency; readonly newId: () => string },
  act: (requestId: string) => Promise<Repeatable>,
): Promise<Repeatable> {
  const read = idempotencyKeyOf(headers);
  if (!read.ok) return read;
  const key = read.value;
  if (key === null) return act(newId());
  const who = ["x-principal-id", "x-principal-role", "x-principal-kind", "if-match"].map((name) => headerOf(headers, name));
  const fingerprint = sha256Hex(canonicalJson([asked, who]));
  const answer = await idempotency.once({ scope: [tenantOf(headers), route], key, fingerprint }, async (requestId) => {
    const answered = await act(requestId);
    return { answer: JSON.stringify(answered), hadEffect: answered.ok };
  });
  if (answer.ok) return JSON.parse(answer.value) as Repeatable;
  return err({ status: 409, code: answer.error, detail: "this `Idempotency-Key` stands for another request: take a new one" });
}

import type { IncomingHttpHeaders } from "node:http";
import { err, ok, type Result } from "../../base/result.ts";
import { headerOf } from "./header.ts";
import { badRequest, type Problem, type ProblemCodes } from "./problem.ts";

const lettersMax = 256;

/** Of a request that is to be carried out once, however often it is sent; null when it says nothing. A header goes before what is `given` elsewhere. */
export function idempotencyKeyOf(headers: IncomingHttpHeaders, given: string | null = null): Result<string | null, Problem> {
  const key = headerOf(headers, "idempotency-key") ?? headerOf(headers, "x-idempotency-key") ?? given;
  if (key !== null && key.length > lettersMax)
    return err(badRequest("bad-idempotency-key", `\`Idempotency-Key\` has more than ${lettersMax} letters`));
  return ok(key);
}

export const keyCodes: ProblemCodes = { "bad-idempotency-key": 400 };

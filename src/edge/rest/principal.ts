import type { IncomingHttpHeaders } from "node:http";
import { err, ok, type Result } from "../../base/result.ts";
import type { Principal } from "../../governance/action.ts";
import { headerOf } from "./header.ts";
import { badRequest, type Problem, type ProblemCodes } from "./problem.ts";

/**
 * Who is asking. Where callers have to prove it, these headers say what was proved (`identify.ts`); elsewhere what they say is believed: `X-Principal-Id`, `X-Principal-Role` (several with commas
 * between them) and `X-Principal-Kind` (`human`, the default, or `service`).
 */
export function principalOf(headers: IncomingHttpHeaders): Result<Principal, Problem> {
  const id = headerOf(headers, "x-principal-id");
  if (id === null) return err(badRequest("principal-required", "principal required: name yourself with the header `X-Principal-Id`"));
  const kind = headerOf(headers, "x-principal-kind")?.toLowerCase() ?? "human";
  if (kind !== "human" && kind !== "service") return err(badRequest("bad-principal", "`X-Principal-Kind` is `human` or `service`"));
  const roles = (headerOf(headers, "x-principal-role") ?? "").split(",").map((role) => role.trim());
  return ok({ id, kind, roles: roles.filter((role) => role !== "") });
}

export const principalCodes: ProblemCodes = { "principal-required": 400, "bad-principal": 400 };

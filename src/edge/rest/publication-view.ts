import type { IncomingHttpHeaders } from "node:http";
import { err, ok, type Result } from "../../base/result.ts";
import type { Publication } from "../../service/policy/policy-documents.ts";
import { headerOf } from "./header.ts";
import { badRequest, type Problem } from "./problem.ts";

/** How a snapshot came into force. */
export const publicationView = ({ number, hash, parent, cause, by, author, at, message, note, bundles }: Publication) => ({
  number,
  id: hash,
  parent,
  cause,
  by: by?.id ?? null,
  roles: by?.roles ?? [],
  author,
  message,
  note,
  created_at: new Date(at).toISOString(),
  bundles,
});

/** The snapshot that must be in force for a publication to take its place; null for whichever is. */
export function parentIn(headers: IncomingHttpHeaders): Result<string | null, Problem> {
  const condition = headerOf(headers, "if-match");
  if (condition === null || condition === "*") return ok(null);
  const hash = /^"([0-9a-f]{64})"$/.exec(condition)?.[1];
  return hash === undefined ? err(badRequest("bad-condition", 'expected `If-Match: "<hash of a snapshot>"`')) : ok(hash);
}

import type { IncomingHttpHeaders } from "node:http";
import * as z from "zod/mini";
import { err, ok, type Result } from "../../base/result.ts";
import type { Publication } from "../../service/policy/policy-documents.ts";
import { headerOf } from "./header.ts";
import { badRequest, type Problem } from "./problem.ts";
import { count, listOf, named, textOrNull, texts, timeText } from "./schema.ts";

export const publicationSchema = named(
  "Publication",
  z.object({
    number: count,
    id: z.string(),
    parent: z.string(),
    cause: z.enum(["file", "api", "rollback", "server"]),
    by: textOrNull,
    roles: texts,
    author: z.string(),
    message: z.string(),
    note: z.string(),
    created_at: timeText,
    bundles: listOf(z.object({ id: z.string(), origin: z.string(), sha256: z.string() })),
  }),
);

/** What turns one snapshot into another. */
export const changeSchema = named(
  "PolicyChange",
  z.object({
    kind: z.enum(["added", "removed", "changed", "moved"]),
    what: z.string(),
    bundle: z.string(),
    fields: listOf(z.object({ field: z.string(), before: textOrNull, after: textOrNull })),
  }),
);

/** How a snapshot came into force. */
export const publicationView = ({
  number,
  hash,
  parent,
  cause,
  by,
  author,
  at,
  message,
  note,
  bundles,
}: Publication): z.infer<typeof publicationSchema> => ({
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

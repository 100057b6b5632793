import type { IncomingHttpHeaders } from "node:http";
import * as z from "zod/mini";
import { err, ok, type Result } from "../../base/result.ts";
import { artifactRetentions, isContentType, pointerOf } from "../../service/artifacts/artifact.ts";
import { artifactCodes, artifactProblem } from "./artifact-view.ts";
import { askerOf } from "./asker.ts";
import { headerOf } from "./header.ts";
import { badRequest, type Problem } from "./problem.ts";
import { wholeNumber } from "./query.ts";
import { route } from "./route.ts";
import { count } from "./schema.ts";

const labelsMax = 50;
const nameLettersMax = 128;
const valueLettersMax = 256;
/** What a body has beside its content: labels of letters that take several bytes each. */
const bytesBeside = 2 ** 18;

const contentType = z
  .string("expected a text")
  .check(z.refine((text) => isContentType(text), "expected a media type such as text/plain; charset=utf-8"));
const labels = z
  .record(
    z.string().check(z.maxLength(nameLettersMax, `expected names of at most ${nameLettersMax} letters`)),
    z.string("expected texts by name").check(z.maxLength(valueLettersMax, `expected at most ${valueLettersMax} letters`)),
    "expected texts by name",
  )
  .check(z.refine((given) => Object.keys(given).length <= labelsMax, `expected at most ${labelsMax} labels`));

export const saveArtifact = route({
  method: "POST",
  path: "/api/v1/artifacts",
  summary: "Keeps a file, as text or as base64, and answers with a pointer to it",
  query: z.strictObject({ max_bytes: z.optional(wholeNumber(0, Number.MAX_SAFE_INTEGER)) }),
  body: z.strictObject({
    content_base64: z.optional(z.string("expected a text")),
    content: z.optional(z.string("expected a text")),
    content_type: z.optional(contentType),
    retention: z.optional(z.enum(artifactRetentions, `expected one of ${artifactRetentions.join(", ")}`)),
    labels: z.optional(labels),
  }),
  // Base64 has four letters for three bytes.
  bodyBytesMax: ({ artifacts }) => Math.ceil(artifacts.bytesMax / 3) * 4 + bytesBeside,
  success: { json: z.object({ artifact_ptr: z.string(), size_bytes: count }) },
  problems: {
    ...artifactCodes("no-such-namespace", "artifact-too-large", "no-room-for-artifact", "busy"),
    "one-content": 400,
    "bad-content": 400,
    "bad-artifact-limit": 400,
  },
  idempotent: true,
  handle: async ({ headers, requestId, query, body }, { artifacts }) => {
    const bytesMax = bytesMaxIn(headers, query.max_bytes ?? null);
    if (!bytesMax.ok) return bytesMax;
    const content = contentIn(body);
    if (!content.ok) return content;
    const { namespace, by } = askerOf(headers);
    const saved = await artifacts.save(namespace, {
      id: requestId,
      content: content.value,
      contentType: body.content_type ?? (body.content === undefined ? "application/octet-stream" : "text/plain; charset=utf-8"),
      retention: body.retention ?? "standard",
      labels: { ...body.labels, tenant_id: namespace },
      by,
      bytesMax: bytesMax.value,
    });
    if (!saved.ok) return err(artifactProblem(saved.error));
    return ok({ json: { artifact_ptr: pointerOf(saved.value), size_bytes: saved.value.size } });
  },
});

/** What whoever sends it wants it to have at most: the lesser of query and header. */
function bytesMaxIn(headers: IncomingHttpHeaders, inQuery: number | null): Result<number, Problem> {
  const header = headerOf(headers, "x-max-artifact-bytes");
  if (header !== null && !/^\d{1,15}$/.test(header))
    return err(badRequest("bad-artifact-limit", "`X-Max-Artifact-Bytes` is a whole number of bytes"));
  return ok(Math.min(inQuery ?? Number.POSITIVE_INFINITY, header === null ? Number.POSITIVE_INFINITY : Number(header)));
}

/** The bytes, which are those that are given back. */
function contentIn({
  content,
  content_base64: base64,
}: {
  readonly content?: string | undefined;
  readonly content_base64?: string | undefined;
}): Result<Uint8Array, Problem> {
  if ((content === undefined) === (base64 === undefined))
    return err(badRequest("one-content", "give either `content` or `content_base64`"));
  const bytes = base64 === undefined ? Buffer.from(content ?? "") : Buffer.from(base64, "base64");
  if (base64 !== undefined && bytes.toString("base64") !== base64)
    return err(badRequest("bad-content", "`content_base64` is not base64 with its padding (RFC 4648, section 4)"));
  if (content !== undefined && bytes.toString() !== content)
    return err(badRequest("bad-content", "`content` is not well-formed Unicode: send its bytes as `content_base64`"));
  return ok(bytes);
}

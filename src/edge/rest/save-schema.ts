import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import type { Json } from "../../dag/json.ts";
import { askerOf } from "./asker.ts";
import { headerOf, tagIn } from "./header.ts";
import { badRequest } from "./problem.ts";
import { route } from "./route.ts";
import { schemaCodes, schemaProblem } from "./schema-problem.ts";

export const saveSchema = route({
  method: "POST",
  path: "/api/v1/schemas",
  summary: "Creates or changes a JSON Schema for steps to name: workflows that are there keep what they were created with",
  body: z.strictObject({
    id: z.string("expected a text"),
    schema: z.union([z.record(z.string(), z.unknown()), z.boolean()], "expected a JSON Schema"),
  }),
  success: { status: 204 },
  problems: {
    ...schemaCodes("no-such-namespace", "bad-schema-id", "too-many-schemas", "schema-changed", "busy"),
    "invalid-schema": 400,
    "bad-condition": 400,
  },
  handle: async ({ headers, body: { id, schema } }, { schemas }) => {
    const asker = askerOf(headers);
    const seen = tagIn(headerOf(headers, "if-match"));
    if (seen === undefined) return err(badRequest("bad-condition", "expected `If-Match` with one tag"));
    const saved = await schemas.save(asker.namespace, { id, schema: schema as Json, by: asker.by, seen });
    return saved.ok ? ok({ nothing: true }) : err(schemaProblem(saved.error));
  },
});

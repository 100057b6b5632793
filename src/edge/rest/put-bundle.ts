import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { bundleIdIn, bundleSchema, bundleView, conditionCodes, etagOf, seenIn } from "./bundle-view.ts";
import { headerOf } from "./header.ts";
import { brokenPolicyCode, policyCodes, policyProblem } from "./policy-problem.ts";
import { principalCodes, principalOf } from "./principal.ts";
import { badRequest } from "./problem.ts";
import { remark, route } from "./route.ts";

/** Creates or changes a draft; `enabled` alone switches it. Nothing decides by it before it is published. */
export const putBundle = route({
  method: "PUT",
  path: "/api/v1/policy/bundles/:id",
  summary: "Writes a draft: nothing decides by it before it is published",
  params: z.object({ id: z.string() }),
  body: z.strictObject({
    content: z.optional(z.string("expected a text")),
    enabled: z.optional(z.boolean("expected true or false")),
    signature: z.optional(z.nullable(z.string("expected a text"))),
    author: remark,
    message: remark,
  }),
  success: { json: bundleSchema, etag: true },
  problems: {
    ...principalCodes,
    ...conditionCodes,
    ...brokenPolicyCode,
    ...policyCodes("bad-bundle-id", "content-required", "bundle-of-file", "bundle-changed", "too-many-bundles"),
  },
  handle: async ({ headers, params, body }, { policies }) => {
    const by = principalOf(headers);
    if (!by.ok) return by;
    const seen = seenIn(headerOf(headers, "if-match"), headerOf(headers, "if-none-match"));
    if (seen === null) return err(badRequest("bad-condition", "expected `If-Match` with one tag, or `If-None-Match: *`"));
    const { content, enabled, signature, author, message } = body;
    const saved = await policies.save({
      id: bundleIdIn(params.id),
      content,
      enabled,
      signature,
      seen,
      by: by.value,
      author: author ?? "",
      message: message ?? "",
    });
    if (!saved.ok) return err(policyProblem(saved.error));
    return ok({ json: bundleView(saved.value), headers: { etag: etagOf(saved.value) } });
  },
});

import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { bundleFields, bundleIdIn, bundleView, etagOf } from "./bundle-view.ts";
import { policyCodes, policyProblem } from "./policy-problem.ts";
import { route } from "./route.ts";
import { textOrNull } from "./schema.ts";

export const getBundle = route({
  method: "GET",
  path: "/api/v1/policy/bundles/:id",
  summary: "One bundle, with its text",
  params: z.object({ id: z.string() }),
  success: { json: z.object({ ...bundleFields, content: z.string(), signature: textOrNull }), etag: true },
  problems: policyCodes("no-such-bundle", "bad-bundle-id"),
  handle: async ({ params }, { policies }) => {
    const bundle = await policies.bundle(bundleIdIn(params.id));
    if (!bundle.ok) return err(policyProblem(bundle.error));
    const { content, signature } = bundle.value;
    return ok({ json: { ...bundleView(bundle.value), content, signature }, headers: { etag: etagOf(bundle.value) } });
  },
});

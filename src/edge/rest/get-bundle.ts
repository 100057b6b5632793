import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { bundleIdIn, bundleView, etagOf } from "./bundle-view.ts";
import { policyProblem } from "./policy-problem.ts";
import { route } from "./route.ts";

export const getBundle = route({
  method: "GET",
  path: "/api/v1/policy/bundles/:id",
  params: z.object({ id: z.string() }),
  handle: async ({ params }, { policies }) => {
    const bundle = await policies.bundle(bundleIdIn(params.id));
    if (!bundle.ok) return err(policyProblem(bundle.error));
    const { content, signature } = bundle.value;
    return ok({ json: { ...bundleView(bundle.value), content, signature }, headers: { etag: etagOf(bundle.value) } });
  },
});

import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { policyProblem } from "./policy-problem.ts";
import { route } from "./route.ts";

/** The texts of a snapshot that is or was in force, by its hash. */
export const getPolicySnapshot = route({
  method: "GET",
  path: "/api/v1/policy/snapshots/:hash",
  params: z.object({ hash: z.string() }),
  handle: async ({ params: { hash } }, { kernel, policies }) => {
    const bundles = await policies.snapshot(hash);
    if (!bundles.ok) return err(policyProblem(bundles.error));
    return ok({ json: { id: hash, in_force: kernel.snapshot().hash === hash, bundles: bundles.value } });
  },
});

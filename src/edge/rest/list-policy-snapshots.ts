import { ok } from "../../base/result.ts";
import { route } from "./route.ts";

/** The snapshots that decide: the one in force. */
export const listPolicySnapshots = route({
  method: "GET",
  path: "/api/v1/policy/snapshots",
  handle: async (_, { kernel }) => {
    const { hash, version, bundles, rules, unpublished } = kernel.snapshot();
    const inForce = {
      hash,
      version,
      published: unpublished === null,
      rules: rules.length,
      bundles: bundles.map(({ id, policy }) => ({ id, mode: policy.mode, rules: policy.rules.length })),
    };
    return ok({ json: { snapshots: [hash], in_force: inForce } });
  },
});

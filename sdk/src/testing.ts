import type { Info } from "@temporalio/activity";
import { MockActivityEnvironment } from "@temporalio/testing";
import { DefaultLogger } from "@temporalio/worker";
import type { ActionFields } from "./action.ts";
import { type ActivityState, begin, type Usage } from "./activity-state.ts";
import type { Constraints } from "./decision.ts";

export { type AskedAction, askKernel, type KernelDecision, type KernelOptions } from "./kernel.ts";

/** Runs activities as if a policy had permitted them within these constraints, and knows what they reported. */
export type GovernedEnvironment = {
  readonly run: MockActivityEnvironment["run"];
  usage(): Usage | null;
};

export function governedEnvironment(
  constraints: Constraints = {},
  { fields = {}, info = {} }: { readonly fields?: ActionFields; readonly info?: Partial<Info> } = {},
): GovernedEnvironment {
  const decision = { effect: "ALLOW_WITH_CONSTRAINTS", rule: "test", reason: "permitted by a test", snapshot: "", constraints };
  let state: ActivityState | undefined;
  const environment = new MockActivityEnvironment(info, {
    // Refusals are what tests are about; the worker's account of them would drown the report.
    logger: new DefaultLogger("ERROR"),
    interceptors: [
      (context) => {
        state = begin(context, { fields, decision });
        return {};
      },
    ],
  });
  return { run: (activity, ...args) => environment.run(activity, ...args), usage: () => state?.usage ?? null };
}

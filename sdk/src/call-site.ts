import type { ActionFields } from "./action.ts";

/* What the workflow says of the calls that it is just making. A workflow has a module state of its own. */

let installed = false;
let said: ActionFields | undefined;

export const markInstalled = (): void => {
  installed = true;
};

/** Without our interceptor the fields would be lost on the way, and a rule that needs them would not see the action. */
export function assertInstalled(): void {
  if (!installed)
    throw new TypeError(
      "the interceptors of @holdfast/sdk are not in this workflow's bundle: give holdfastPlugin() to the worker, and to bundleWorkflowCode where the code is bundled beforehand",
    );
}

export const saidNow = (): ActionFields | undefined => said;

export function saying<T>(fields: ActionFields, call: () => T): T {
  const outer = said;
  said = fields;
  try {
    return call();
  } finally {
    said = outer;
  }
}

import { AsyncLocalStorage } from "node:async_hooks";
import type { WorkflowClientInterceptor } from "@temporalio/client";
import type { Headers } from "@temporalio/common";
import { type ActionFields, actionHeader, actionPayload, combined } from "./action.ts";

export type { ActionFields } from "./action.ts";
export { type Denial, denialOf, isPolicyDenied, type Remediation } from "./denial.ts";

const said = new AsyncLocalStorage<ActionFields>();
let installed = false;

/** For `interceptors.workflow` of a client: says what the workflows mean that it starts, and the signals that it sends. */
export function holdfastInterceptor(
  fields?: ActionFields,
): Required<Pick<WorkflowClientInterceptor, "start" | "startWithDetails" | "signal" | "signalWithStart" | "startUpdateWithStart">> {
  installed = true;
  const withAction = (headers: Headers): Headers => {
    const all = combined(fields, said.getStore());
    return all === undefined ? headers : { ...headers, [actionHeader]: actionPayload(all) };
  };
  return {
    start: (input, next) => next({ ...input, headers: withAction(input.headers) }),
    startWithDetails: (input, next) => next({ ...input, headers: withAction(input.headers) }),
    signal: (input, next) => next({ ...input, headers: withAction(input.headers) }),
    signalWithStart: (input, next) => next({ ...input, headers: withAction(input.headers) }),
    startUpdateWithStart: (input, next) => next({ ...input, workflowStartHeaders: withAction(input.workflowStartHeaders) }),
  };
}

/** Makes calls of a client that has our interceptor, and says what they mean. */
export function acting<T>(fields: ActionFields, call: () => T): T {
  if (!installed) throw new TypeError("no client has the interceptor of @holdfast/sdk: give holdfastInterceptor() to it");
  return said.run(combined(said.getStore(), fields) ?? fields, call);
}

import type { Headers, WorkflowInterceptorsFactory } from "@temporalio/workflow";
import { actionHeader, actionPayload, combined, fieldsIn } from "./action.ts";
import { markInstalled, saidNow } from "./call-site.ts";

/* The module that `holdfastPlugin` puts into workflow bundles. */

export const interceptors: WorkflowInterceptorsFactory = () => {
  markInstalled();
  return {
    outbound: [
      {
        scheduleActivity: (input, next) => next({ ...input, headers: withAction(input.headers, input.options) }),
        scheduleLocalActivity: (input, next) => next({ ...input, headers: withAction(input.headers, input.options) }),
        startChildWorkflowExecution: (input, next) => next({ ...input, headers: withAction(input.headers, input.options) }),
        signalWorkflow: (input, next) => next({ ...input, headers: withAction(input.headers, {}) }),
      },
    ],
  };
};

function withAction(headers: Headers, options: object): Headers {
  const fields = combined(saidNow(), fieldsIn(options));
  return fields === undefined ? headers : { ...headers, [actionHeader]: actionPayload(fields) };
}

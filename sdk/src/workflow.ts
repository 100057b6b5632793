import type { ActivityOptions } from "@temporalio/workflow";
import { type ActionFields, combined, fieldsIn, optionsKey } from "./action.ts";
import { assertInstalled, saying } from "./call-site.ts";

export type { ActionFields } from "./action.ts";
export { type ApprovalEnd, type ApprovalRefusal, type ApprovalRequest, type Approved, approval, approvalRefusalOf } from "./approval.ts";
export { type Denial, denialOf, isPolicyDenied, type Remediation } from "./denial.ts";
export { type Notice, notify } from "./notify.ts";

/**
 * The activities of `proxyActivities` or `proxyLocalActivities`, whose calls say what they mean. Cheap: call it within the workflow when a
 * label depends on the input. Fields add up when it is called on its own result.
 */
export const governed = <Activities extends object>(activities: Activities, fields: ActionFields): Activities =>
  new Proxy(activities, {
    get(target, name) {
      const activity: unknown = Reflect.get(target, name);
      return isActivity(activity) ? governedActivity(activity, fields) : activity;
    },
  });

/** Makes a call that starts a child workflow, or signals another workflow, and says what it means. Only the call itself: nothing awaited. */
export function acting<T>(fields: ActionFields, call: () => T): T {
  assertInstalled();
  return saying(fields, call);
}

type Activity = { executeWithOptions(options: ActivityOptions, args: unknown[]): Promise<unknown> };

const isActivity = (value: unknown): value is Activity => typeof value === "function" && "executeWithOptions" in value;

function governedActivity(activity: Activity, fields: ActionFields): Activity {
  const executeWithOptions: Activity["executeWithOptions"] = (options, args) => {
    assertInstalled();
    const said = { ...options, [optionsKey]: combined(fields, fieldsIn(options)) };
    return activity.executeWithOptions(said, args);
  };
  return Object.assign((...args: unknown[]) => executeWithOptions({}, args), { executeWithOptions });
}

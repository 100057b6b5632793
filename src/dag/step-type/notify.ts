import { type Template, withDefaults } from "../expression/template.ts";
import type { ActionFields, StepFields } from "../spec/fields.ts";
import { type ActivityKind, activityKind, builtIn, refuseTarget } from "./activity.ts";

/** Tells whoever listens, by a built-in activity. */
export function linkNotify(fields: ActionFields): ActivityKind | undefined {
  const message = "a notification is sent by the server: a job or an activity goes to a worker";
  return refuseTarget(fields, message) ? activityKind(fields, "notify", builtIn("holdfast.notify")) : undefined;
}

export const notifyInput = (id: string, fields: StepFields): Template =>
  withDefaults(fields.input?.value, { level: "INFO", message: fields.name ?? id });

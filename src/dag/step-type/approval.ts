import { formatDuration } from "../../base/quantity.ts";
import { anyValue, holdsMapping, mapping, type Place, report } from "../../language/reader.ts";
import { type Template, withDefaults } from "../expression/template.ts";
import type { StepFields } from "../spec/fields.ts";
import { type ActivityKind, activityKind, builtIn, refuseTarget, timeoutOf } from "./activity.ts";

/** What people are asked. The values may be templates, so that only the names are checked here: the activity checks the rest. */
const readAsk = mapping({
  title: anyValue,
  reason: anyValue,
  approvers: anyValue,
  quorum: anyValue,
  fourEyes: anyValue,
  expiresAfter: anyValue,
  onExpiry: anyValue,
  escalation: anyValue,
  reasonRequired: anyValue,
  context: anyValue,
});

/** A held activity: it waits for people, and gives their decision. */
export function linkApproval(fields: StepFields, at: Place): ActivityKind | undefined {
  if (!refuseTarget(fields, "an approval is asked of people, not of a worker")) return undefined;
  if (fields.input !== undefined && !asksWell(fields.input.at)) return undefined;
  if (fields.retry !== undefined || fields.retries !== undefined) return report(at, "an approval is asked once: it has no retries");
  return activityKind(fields, "approval", builtIn("holdfast.approval"));
}

const asksWell = (at: Place): boolean =>
  at.node === null || (holdsMapping(at) ? readAsk(at) !== undefined : report(at, "an approval's input is a mapping") !== undefined);

/** The input of the approval: as written, with what the step says already where it has none. */
export const approvalInput = (id: string, fields: StepFields): Template => {
  const timeoutMs = timeoutOf(fields);
  return withDefaults(fields.input?.value, {
    title: fields.name ?? id,
    reason: fields.description ?? null,
    expires_after: timeoutMs === null ? null : formatDuration(timeoutMs),
  });
};

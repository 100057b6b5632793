import { assert } from "../base/assert.ts";
import type { Command } from "../protocol/generated/temporal/api/command/v1/message.ts";
import type { Payloads } from "../protocol/generated/temporal/api/common/v1/message.ts";
import { WorkflowTaskFailedCause } from "../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import type { Failure } from "../protocol/generated/temporal/api/failure/v1/message.ts";
import { denialText, type WantedAction } from "./admission.ts";
import type { CommandRefusal } from "./commands/command.ts";
import type { Draft } from "./execution.ts";
import { policyDenied } from "./failures.ts";

/* Local activities: their worker runs them without asking, and leaves a marker each. */

type Details = { readonly [key: string]: Payloads };

/** What of a local activity its marker tells. Texts that cannot be read, because the worker encrypts them, are empty. */
type LocalActivity = { readonly type: string; readonly id: string; readonly attempt: number; readonly input: Payloads | undefined };

/**
 * Markers of local activities by their name, and how to read them. Source: `LocalActivityMarkerData` of the Rust core (TypeScript, Python,
 * .NET, Ruby), `localActivityMarkerData` of the Go SDK (also PHP), `LocalActivityMarkerUtils` of the Java SDK.
 */
const readers: ReadonlyMap<string, (details: Details) => LocalActivity> = new Map([
  [
    "core_local_activity",
    ({ data }) => {
      const { activity_type: type, activity_id: id, attempt } = fieldsOf(data);
      return { type: text(type), id: text(id), attempt: count(attempt), input: undefined };
    },
  ],
  [
    "LocalActivity",
    // Java has details of their own for type and id; `data` is the result in its old versions.
    ({ data, type, activityId, input }) => {
      const { ActivityType, ActivityID, Attempt } = type === undefined ? fieldsOf(data) : {};
      return { type: text(ActivityType ?? json(type)), id: text(ActivityID ?? json(activityId)), attempt: count(Attempt), input };
    },
  ],
]);

/**
 * Decides the local activities of a completion, and says why it cannot be taken in if the policy refuses one. Their code has run by then,
 * but nothing of the completion happens.
 */
export function refusedLocalActivity(draft: Draft, commands: readonly Command[]): CommandRefusal | null {
  const { admit } = draft.context;
  if (admit === undefined) return null;
  for (const { attributes } of commands) {
    if (attributes?.$case !== "recordMarkerCommandAttributes") continue;
    const { markerName, details, header, failure } = attributes.value;
    const activity = readers.get(markerName)?.(details);
    // A worker that asked beforehand and was refused has not run it: its code reads the denial.
    if (activity === undefined || isDenial(failure)) continue;
    const wanted: WantedAction = {
      kind: "local-activity",
      name: activity.type,
      id: activity.id,
      taskQueue: draft.started.taskQueue?.name ?? "",
      header,
      input: activity.input,
      attempt: activity.attempt,
      scheduledEventId: 0,
      grant: null,
    };
    const admission = admit(wanted, draft);
    if (admission.effect === "allow") continue;
    assert(admission.effect === "refuse", "what has happened already does not wait");
    return {
      cause: WorkflowTaskFailedCause.BAD_RECORD_MARKER_ATTRIBUTES,
      message: denialText(`local activity \`${activity.type}\``, admission),
    };
  }
  return null;
}

const isDenial = (failure: Failure | undefined): boolean =>
  failure?.failureInfo?.$case === "applicationFailureInfo" && failure.failureInfo.value.type === policyDenied;

/** The first payload as JSON; undefined if it is none. */
function json(payloads: Payloads | undefined): unknown {
  const [payload] = payloads?.payloads ?? [];
  if (payload === undefined || Buffer.from(payload.metadata.encoding ?? []).toString() !== "json/plain") return undefined;
  try {
    return JSON.parse(Buffer.from(payload.data).toString());
  } catch {
    return undefined;
  }
}

function fieldsOf(payloads: Payloads | undefined): { readonly [field: string]: unknown } {
  const value = json(payloads);
  return typeof value === "object" && value !== null ? { ...value } : {};
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const count = (value: unknown): number => (typeof value === "number" && value > 0 ? value : 1);

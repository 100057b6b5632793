import { err, ok } from "../../base/result.ts";
import { make } from "../../protocol/codec.ts";
import { WorkflowTaskFailedCause } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { MarkerRecordedEventAttributes } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import { payloadsBytes } from "../activity.ts";
import { appendEvent } from "../history.ts";
import { idProblem } from "../validation.ts";
import type { HandleCommand } from "./command.ts";

/** Patches, side effects, versions and local activities: the worker's own notes, kept as they are. */
export const recordMarker: HandleCommand<"recordMarkerCommandAttributes"> = (draft, attributes, scope) => {
  const { limits } = draft.context;
  const cause = WorkflowTaskFailedCause.BAD_RECORD_MARKER_ATTRIBUTES;
  const problem = idProblem("MarkerName", attributes.markerName, limits);
  if (problem !== null) return err({ cause, message: problem });
  const bytes = Object.values(attributes.details).reduce((sum, details) => sum + payloadsBytes(details), 0);
  if (bytes > limits.blobSizeError)
    return err({ cause, message: "RecordMarkerCommandAttributes.Details exceeds size limit.", terminate: true });
  const { workflowTaskCompletedEventId } = scope;
  appendEvent(
    draft,
    { $case: "markerRecordedEventAttributes", value: make(MarkerRecordedEventAttributes, { ...attributes, workflowTaskCompletedEventId }) },
    scope.metadata,
  );
  return ok(undefined);
};

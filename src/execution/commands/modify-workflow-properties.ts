import { err, ok } from "../../base/result.ts";
import { make } from "../../protocol/codec.ts";
import { Memo } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { WorkflowTaskFailedCause } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { WorkflowPropertiesModifiedEventAttributes } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import { appendEvent } from "../history.ts";
import { mergeMemo } from "../search-attributes.ts";
import type { HandleCommand } from "./command.ts";

export const modifyWorkflowProperties: HandleCommand<"modifyWorkflowPropertiesCommandAttributes"> = (draft, { upsertedMemo }, scope) => {
  const cause = WorkflowTaskFailedCause.BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES;
  if (upsertedMemo === undefined) return err({ cause, message: "UpsertedMemo is not set on ModifyWorkflowPropertiesCommand." });
  if (Memo.encode(mergeMemo(draft.core.memo, upsertedMemo)).finish().length > draft.context.limits.memoSizeError) {
    return err({ cause, message: "ModifyWorkflowPropertiesCommandAttributes.UpsertedMemo exceeds size limit.", terminate: true });
  }
  const { workflowTaskCompletedEventId } = scope;
  appendEvent(
    draft,
    {
      $case: "workflowPropertiesModifiedEventAttributes",
      value: make(WorkflowPropertiesModifiedEventAttributes, { upsertedMemo, workflowTaskCompletedEventId }),
    },
    scope.metadata,
  );
  return ok(undefined);
};

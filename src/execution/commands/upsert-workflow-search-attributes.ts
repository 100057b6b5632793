import { err, ok } from "../../base/result.ts";
import { make } from "../../protocol/codec.ts";
import { WorkflowTaskFailedCause } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { UpsertWorkflowSearchAttributesEventAttributes } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import { appendEvent } from "../history.ts";
import { validateSearchAttributes, withTypes } from "../search-attributes.ts";
import type { HandleCommand } from "./command.ts";

export const upsertWorkflowSearchAttributes: HandleCommand<"upsertWorkflowSearchAttributesCommandAttributes"> = (
  draft,
  attributes,
  scope,
) => {
  const { searchAttributeTypes } = draft.context;
  const searchAttributes = attributes.searchAttributes ?? { indexedFields: {} };
  const problem =
    attributes.searchAttributes === undefined
      ? "SearchAttributes are not set on UpsertWorkflowSearchAttributesCommand."
      : validateSearchAttributes(searchAttributes, searchAttributeTypes);
  if (problem !== null) return err({ cause: WorkflowTaskFailedCause.BAD_SEARCH_ATTRIBUTES, message: problem });
  appendEvent(
    draft,
    {
      $case: "upsertWorkflowSearchAttributesEventAttributes",
      value: make(UpsertWorkflowSearchAttributesEventAttributes, {
        searchAttributes: withTypes(searchAttributes, searchAttributeTypes),
        workflowTaskCompletedEventId: scope.workflowTaskCompletedEventId,
      }),
    },
    scope.metadata,
  );
  return ok(undefined);
};

import { encode } from "../../../protocol/codec.ts";
import {
  GetWorkflowExecutionHistoryReverseRequest,
  GetWorkflowExecutionHistoryReverseResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { appendField } from "../append-field.ts";
import { methodWithHistory } from "../method.ts";
import { requiredExecution, requiredNamespace } from "../validate.ts";

export const getWorkflowExecutionHistoryReverse = methodWithHistory({
  request: GetWorkflowExecutionHistoryReverseRequest,
  validate: (request) => requiredNamespace(request.namespace) ?? requiredExecution(request.execution),
  encodeAnswer: (response: GetWorkflowExecutionHistoryReverseResponse, history) => {
    const rest = encode(GetWorkflowExecutionHistoryReverseResponse, response);
    return history === null ? rest : appendField(rest, historyField, history);
  },
});

const historyField = 1;

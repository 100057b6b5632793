import { encode } from "../../../protocol/codec.ts";
import {
  GetWorkflowExecutionHistoryRequest,
  GetWorkflowExecutionHistoryResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { appendField } from "../append-field.ts";
import { methodWithHistory } from "../method.ts";
import { requiredExecution, requiredNamespace } from "../validate.ts";

export const getWorkflowExecutionHistory = methodWithHistory({
  request: GetWorkflowExecutionHistoryRequest,
  validate: (request) => requiredNamespace(request.namespace) ?? requiredExecution(request.execution),
  encodeAnswer: (response: GetWorkflowExecutionHistoryResponse, history) => {
    const rest = encode(GetWorkflowExecutionHistoryResponse, response);
    return history === null ? rest : appendField(rest, historyField, history);
  },
});

const historyField = 1;

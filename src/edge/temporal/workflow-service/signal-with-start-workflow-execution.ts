import { WorkflowIdConflictPolicy } from "../../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import {
  SignalWithStartWorkflowExecutionRequest,
  SignalWithStartWorkflowExecutionResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { invalidArgument } from "../../../protocol/refusal.ts";
import { method } from "../method.ts";
import { required } from "../validate.ts";
import { validPolicies, validStartFields } from "./start-workflow-execution.ts";

export const signalWithStartWorkflowExecution = method({
  request: SignalWithStartWorkflowExecutionRequest,
  response: SignalWithStartWorkflowExecutionResponse,
  validate: (request) =>
    validStartFields(request) ?? required("SignalName", request.signalName) ?? signalNeverFails(request) ?? validPolicies(request),
});

/** A run that already runs takes the signal: there is no conflict that could fail the request. */
const signalNeverFails = ({ workflowIdConflictPolicy }: SignalWithStartWorkflowExecutionRequest) =>
  workflowIdConflictPolicy === WorkflowIdConflictPolicy.FAIL
    ? invalidArgument("Invalid WorkflowIDConflictPolicy: WORKFLOW_ID_CONFLICT_POLICY_FAIL is not supported for this operation.")
    : null;

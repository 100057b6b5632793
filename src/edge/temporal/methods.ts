import type { Services } from "../../service/services.ts";
import type { Method } from "./method.ts";
import { addSearchAttributes } from "./operator-service/add-search-attributes.ts";
import { deleteNamespace } from "./operator-service/delete-namespace.ts";
import { listSearchAttributes } from "./operator-service/list-search-attributes.ts";
import { removeSearchAttributes } from "./operator-service/remove-search-attributes.ts";
import { countWorkflowExecutions } from "./workflow-service/count-workflow-executions.ts";
import { deleteWorkflowExecution } from "./workflow-service/delete-workflow-execution.ts";
import { describeNamespace } from "./workflow-service/describe-namespace.ts";
import { describeTaskQueue } from "./workflow-service/describe-task-queue.ts";
import { describeWorkflowExecution } from "./workflow-service/describe-workflow-execution.ts";
import { executeMultiOperation } from "./workflow-service/execute-multi-operation.ts";
import { getClusterInfo } from "./workflow-service/get-cluster-info.ts";
import { getSearchAttributes } from "./workflow-service/get-search-attributes.ts";
import { getSystemInfo } from "./workflow-service/get-system-info.ts";
import { getWorkflowExecutionHistory } from "./workflow-service/get-workflow-execution-history.ts";
import { getWorkflowExecutionHistoryReverse } from "./workflow-service/get-workflow-execution-history-reverse.ts";
import { listClosedWorkflowExecutions } from "./workflow-service/list-closed-workflow-executions.ts";
import { listNamespaces } from "./workflow-service/list-namespaces.ts";
import { listOpenWorkflowExecutions } from "./workflow-service/list-open-workflow-executions.ts";
import { listTaskQueuePartitions } from "./workflow-service/list-task-queue-partitions.ts";
import { listWorkflowExecutions } from "./workflow-service/list-workflow-executions.ts";
import { pollActivityTaskQueue } from "./workflow-service/poll-activity-task-queue.ts";
import { pollWorkflowExecutionUpdate } from "./workflow-service/poll-workflow-execution-update.ts";
import { pollWorkflowTaskQueue } from "./workflow-service/poll-workflow-task-queue.ts";
import { queryWorkflow } from "./workflow-service/query-workflow.ts";
import { recordActivityTaskHeartbeat } from "./workflow-service/record-activity-task-heartbeat.ts";
import { recordActivityTaskHeartbeatById } from "./workflow-service/record-activity-task-heartbeat-by-id.ts";
import { registerNamespace } from "./workflow-service/register-namespace.ts";
import { requestCancelWorkflowExecution } from "./workflow-service/request-cancel-workflow-execution.ts";
import { resetStickyTaskQueue } from "./workflow-service/reset-sticky-task-queue.ts";
import { respondActivityTaskCanceled } from "./workflow-service/respond-activity-task-canceled.ts";
import { respondActivityTaskCanceledById } from "./workflow-service/respond-activity-task-canceled-by-id.ts";
import { respondActivityTaskCompleted } from "./workflow-service/respond-activity-task-completed.ts";
import { respondActivityTaskCompletedById } from "./workflow-service/respond-activity-task-completed-by-id.ts";
import { respondActivityTaskFailed } from "./workflow-service/respond-activity-task-failed.ts";
import { respondActivityTaskFailedById } from "./workflow-service/respond-activity-task-failed-by-id.ts";
import { respondQueryTaskCompleted } from "./workflow-service/respond-query-task-completed.ts";
import { respondWorkflowTaskCompleted } from "./workflow-service/respond-workflow-task-completed.ts";
import { respondWorkflowTaskFailed } from "./workflow-service/respond-workflow-task-failed.ts";
import { scanWorkflowExecutions } from "./workflow-service/scan-workflow-executions.ts";
import { shutdownWorker } from "./workflow-service/shutdown-worker.ts";
import { signalWithStartWorkflowExecution } from "./workflow-service/signal-with-start-workflow-execution.ts";
import { signalWorkflowExecution } from "./workflow-service/signal-workflow-execution.ts";
import { startWorkflowExecution } from "./workflow-service/start-workflow-execution.ts";
import { terminateWorkflowExecution } from "./workflow-service/terminate-workflow-execution.ts";
import { updateNamespace } from "./workflow-service/update-namespace.ts";
import { updateWorkflowExecution } from "./workflow-service/update-workflow-execution.ts";

/** The RPCs of one gRPC service that are answered, by the name of the use case that answers them. */
export type Methods<U> = { readonly [K in keyof U]: Method<U[K]> };

type OperatorServices = Pick<Services, "addSearchAttributes" | "removeSearchAttributes" | "listSearchAttributes" | "deleteNamespace">;
type WorkflowServices = Omit<Services, keyof OperatorServices>;

/** temporal.api.workflowservice.v1.WorkflowService: every use case of the server that is not an operator's. */
export const workflowServiceMethods: Methods<WorkflowServices> = {
  getSystemInfo,
  getClusterInfo,
  registerNamespace,
  describeNamespace,
  listNamespaces,
  updateNamespace,
  startWorkflowExecution,
  signalWorkflowExecution,
  signalWithStartWorkflowExecution,
  executeMultiOperation,
  queryWorkflow,
  updateWorkflowExecution,
  pollWorkflowExecutionUpdate,
  requestCancelWorkflowExecution,
  terminateWorkflowExecution,
  describeWorkflowExecution,
  listWorkflowExecutions,
  countWorkflowExecutions,
  scanWorkflowExecutions,
  listOpenWorkflowExecutions,
  listClosedWorkflowExecutions,
  getSearchAttributes,
  respondWorkflowTaskFailed,
  respondQueryTaskCompleted,
  recordActivityTaskHeartbeat,
  recordActivityTaskHeartbeatById,
  respondActivityTaskCompleted,
  respondActivityTaskCompletedById,
  respondActivityTaskFailed,
  respondActivityTaskFailedById,
  respondActivityTaskCanceled,
  respondActivityTaskCanceledById,
  pollActivityTaskQueue,
  shutdownWorker,
  resetStickyTaskQueue,
  describeTaskQueue,
  listTaskQueuePartitions,
  deleteWorkflowExecution,
  pollWorkflowTaskQueue,
  respondWorkflowTaskCompleted,
  getWorkflowExecutionHistory,
  getWorkflowExecutionHistoryReverse,
};

/** temporal.api.operatorservice.v1.OperatorService. */
export const operatorServiceMethods: Methods<OperatorServices> = {
  addSearchAttributes,
  removeSearchAttributes,
  listSearchAttributes,
  deleteNamespace,
};

/** The name of an RPC, as gRPC paths spell it: `GetSystemInfo` for `getSystemInfo`. */
export const rpcName = (useCase: string): string => useCase.charAt(0).toUpperCase() + useCase.slice(1);

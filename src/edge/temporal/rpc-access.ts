import type { Permission } from "../../access/permission.ts";
import type { Command } from "../../protocol/generated/temporal/api/command/v1/message.ts";
import { TaskQueueKind } from "../../protocol/generated/temporal/api/enums/v1/task_queue.ts";
import type { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import type { RespondWorkflowTaskCompletedRequest } from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { AccessLookup } from "../../service/access/access.ts";
import type { Services } from "../../service/services.ts";
import type { TestServices } from "../../service/test-service.ts";
import type { RequestOf } from "./method.ts";

/** Who may call an RPC. */
export type RpcAccess<Request> =
  /** Whoever proves who they are. */
  | { readonly to: "everybody" }
  /** What belongs to no namespace: whoever has the permission in all of them. */
  | { readonly to: "everywhere"; readonly permission: Permission }
  | WithinNamespace<Request>;

type WithinNamespace<Request> = {
  readonly to: "namespace";
  /** One of them is enough. */
  readonly permissions: readonly Permission[];
  /** Null when the request names none that there is. */
  readonly namespace: (request: Request, lookup: AccessLookup) => string | null;
  /**
   * Of RPCs about tasks: whose queue it is, for principals that are kept to some. Null when it cannot be told: then they may not. Null in
   * place of the function where it does not matter.
   */
  readonly taskQueue: ((request: Request, lookup: AccessLookup) => string | null | Promise<string | null>) | null;
  /** Namespaces that the request reaches into besides: there, `workflows.write` is needed. */
  readonly reaches?: (request: Request) => readonly string[];
};

/** Every RPC has its row, or this does not compile. */
export type RpcAccessTable<U> = { readonly [K in keyof U]: RpcAccess<RequestOf<U[K]>> };

type InNamespace = { readonly namespace: string };
type OfExecution = InNamespace & { readonly execution?: { readonly workflowId: string; readonly runId: string } | undefined };
type OfTask = InNamespace & { readonly taskToken: Uint8Array };
type OfQueue = InNamespace & { readonly taskQueue?: TaskQueue | undefined };

const everybody = { to: "everybody" } as const;
const everywhere = (permission: Permission) => ({ to: "everywhere", permission }) as const;

const within = (...permissions: readonly Permission[]): WithinNamespace<InNamespace> => ({
  to: "namespace",
  permissions,
  namespace: ({ namespace }) => namespace,
  taskQueue: null,
});

/** A namespace may be named by its id, if it is not named at all; and what stands there may be a name. */
const describeNamespace: WithinNamespace<InNamespace & { readonly id: string }> = {
  to: "namespace",
  permissions: ["namespaces.read"],
  namespace: ({ namespace, id }, { namespaceOfId }) => namespace || (namespaceOfId(id) ?? id),
  taskQueue: null,
};

/** What SDKs end the names of sticky queues with, and nobody those of others: a UUID, or its digits alone. */
const stickyEnd = /[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;

/** A sticky queue is its worker's own, which nobody else knows the name of: what counts is the one that it stands for. */
const queue: WithinNamespace<OfQueue> = {
  to: "namespace",
  permissions: ["tasks.work"],
  namespace: ({ namespace }) => namespace,
  taskQueue: ({ taskQueue }) =>
    taskQueue?.kind === TaskQueueKind.STICKY && stickyEnd.test(taskQueue.name) ? taskQueue.normalName : (taskQueue?.name ?? ""),
};

/** Who polls a queue and what waits there: of their own queues, for who is kept to some. */
const lookAtQueue: WithinNamespace<OfQueue> = {
  ...within("workers.read", "tasks.work"),
  taskQueue: ({ taskQueue }) => taskQueue?.name ?? "",
};

/** Whatever waits on a queue that is given up is moved: another's queue is not theirs to give up, whichever field it stands in. */
const giveUpQueue: WithinNamespace<InNamespace & { readonly stickyTaskQueue: string; readonly taskQueue: string }> = {
  ...within("tasks.work"),
  taskQueue: ({ stickyTaskQueue, taskQueue }) => (stickyTaskQueue === "" || stickyEnd.test(stickyTaskQueue) ? taskQueue : stickyTaskQueue),
};

/** The token is the proof that the task was given to whoever answers it; it has to be of the namespace that is named. */
const answer: WithinNamespace<OfTask> = {
  to: "namespace",
  permissions: ["tasks.work"],
  namespace: ({ namespace, taskToken }, { namespaceOfToken }) => {
    const owner = namespaceOfToken(taskToken);
    return namespace === "" || owner === null || owner === namespace ? (owner ?? namespace) : null;
  },
  taskQueue: null,
};

/** Workflows start children in other namespaces, and signal and cancel what runs there. */
const completion: WithinNamespace<RespondWorkflowTaskCompletedRequest> = {
  ...answer,
  reaches: ({ commands }) => commands.flatMap(({ attributes }) => (attributes === undefined ? [] : reachedBy(attributes))),
};

function reachedBy(attributes: NonNullable<Command["attributes"]>): readonly string[] {
  switch (attributes.$case) {
    case "startChildWorkflowExecutionCommandAttributes":
    case "signalExternalWorkflowExecutionCommandAttributes":
    case "requestCancelExternalWorkflowExecutionCommandAttributes":
      return attributes.value.namespace === "" ? [] : [attributes.value.namespace];
    default:
      return [];
  }
}

/** Without a token anybody could answer for anybody: not for who is kept to some queues. */
const answerById: WithinNamespace<InNamespace> = {
  to: "namespace",
  permissions: ["tasks.work"],
  namespace: ({ namespace }) => namespace,
  taskQueue: () => null,
};

const ofWorker: WithinNamespace<OfExecution> = {
  to: "namespace",
  permissions: ["tasks.work"],
  namespace: ({ namespace }) => namespace,
  taskQueue: ({ namespace, execution }, { taskQueueOf }) => (execution === undefined ? null : taskQueueOf(namespace, execution)),
};

/** A worker reads the histories of the workflows that it works on. */
const history: WithinNamespace<OfExecution> = { ...ofWorker, permissions: ["workflows.read", "tasks.work"] };

export const rpcAccess: RpcAccessTable<Services> = {
  getSystemInfo: everybody,
  getClusterInfo: everybody,
  getSearchAttributes: everybody,
  /** Shows those that the caller may see. */
  listNamespaces: everybody,
  registerNamespace: everywhere("namespaces.write"),
  deleteNamespace: everywhere("namespaces.write"),
  describeNamespace,
  updateNamespace: within("namespaces.write"),
  addSearchAttributes: within("namespaces.write"),
  removeSearchAttributes: within("namespaces.write"),
  listSearchAttributes: within("namespaces.read"),

  startWorkflowExecution: within("workflows.write"),
  signalWorkflowExecution: within("workflows.write"),
  signalWithStartWorkflowExecution: within("workflows.write"),
  executeMultiOperation: within("workflows.write"),
  updateWorkflowExecution: within("workflows.write"),
  requestCancelWorkflowExecution: within("workflows.write"),
  terminateWorkflowExecution: within("workflows.write"),
  deleteWorkflowExecution: within("workflows.delete"),

  queryWorkflow: within("workflows.read"),
  pollWorkflowExecutionUpdate: within("workflows.read"),
  describeWorkflowExecution: within("workflows.read"),
  listWorkflowExecutions: within("workflows.read"),
  countWorkflowExecutions: within("workflows.read"),
  scanWorkflowExecutions: within("workflows.read"),
  listOpenWorkflowExecutions: within("workflows.read"),
  listClosedWorkflowExecutions: within("workflows.read"),
  getWorkflowExecutionHistory: history,
  getWorkflowExecutionHistoryReverse: history,

  pollWorkflowTaskQueue: queue,
  pollActivityTaskQueue: queue,
  respondWorkflowTaskCompleted: completion,
  respondWorkflowTaskFailed: answer,
  respondQueryTaskCompleted: answer,
  recordActivityTaskHeartbeat: answer,
  respondActivityTaskCompleted: answer,
  respondActivityTaskFailed: answer,
  respondActivityTaskCanceled: answer,
  recordActivityTaskHeartbeatById: answerById,
  respondActivityTaskCompletedById: answerById,
  respondActivityTaskFailedById: answerById,
  respondActivityTaskCanceledById: answerById,
  resetStickyTaskQueue: ofWorker,
  shutdownWorker: giveUpQueue,
  describeTaskQueue: lookAtQueue,
  listTaskQueuePartitions: within("workers.read"),
};

/** A clock that all runs share is moved by whoever runs the tests. */
export const testServiceAccess: RpcAccessTable<TestServices> = {
  lockTimeSkipping: everybody,
  unlockTimeSkipping: everybody,
  sleep: everybody,
  sleepUntil: everybody,
  unlockTimeSkippingWithSleep: everybody,
  getCurrentTime: everybody,
};

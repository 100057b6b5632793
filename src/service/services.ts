import type { Result } from "../base/result.ts";
import type { EpochMs } from "../base/time.ts";
import type { Principal } from "../protocol/generated/temporal/api/common/v1/message.ts";
import type {
  AddSearchAttributesRequest,
  AddSearchAttributesResponse,
  DeleteNamespaceRequest,
  DeleteNamespaceResponse,
  ListSearchAttributesRequest,
  ListSearchAttributesResponse,
  RemoveSearchAttributesRequest,
  RemoveSearchAttributesResponse,
} from "../protocol/generated/temporal/api/operatorservice/v1/request_response.ts";
import type {
  CountWorkflowExecutionsRequest,
  CountWorkflowExecutionsResponse,
  DeleteWorkflowExecutionRequest,
  DeleteWorkflowExecutionResponse,
  DescribeNamespaceRequest,
  DescribeNamespaceResponse,
  DescribeTaskQueueRequest,
  DescribeTaskQueueResponse,
  DescribeWorkflowExecutionRequest,
  DescribeWorkflowExecutionResponse,
  ExecuteMultiOperationRequest,
  ExecuteMultiOperationResponse,
  GetClusterInfoRequest,
  GetClusterInfoResponse,
  GetSearchAttributesRequest,
  GetSearchAttributesResponse,
  GetSystemInfoRequest,
  GetSystemInfoResponse,
  GetWorkflowExecutionHistoryRequest,
  GetWorkflowExecutionHistoryResponse,
  GetWorkflowExecutionHistoryReverseRequest,
  GetWorkflowExecutionHistoryReverseResponse,
  ListClosedWorkflowExecutionsRequest,
  ListClosedWorkflowExecutionsResponse,
  ListNamespacesRequest,
  ListNamespacesResponse,
  ListOpenWorkflowExecutionsRequest,
  ListOpenWorkflowExecutionsResponse,
  ListTaskQueuePartitionsRequest,
  ListTaskQueuePartitionsResponse,
  ListWorkflowExecutionsRequest,
  ListWorkflowExecutionsResponse,
  PollActivityTaskQueueRequest,
  PollActivityTaskQueueResponse,
  PollWorkflowExecutionUpdateRequest,
  PollWorkflowExecutionUpdateResponse,
  PollWorkflowTaskQueueRequest,
  PollWorkflowTaskQueueResponse,
  QueryWorkflowRequest,
  QueryWorkflowResponse,
  RecordActivityTaskHeartbeatByIdRequest,
  RecordActivityTaskHeartbeatByIdResponse,
  RecordActivityTaskHeartbeatRequest,
  RecordActivityTaskHeartbeatResponse,
  RegisterNamespaceRequest,
  RegisterNamespaceResponse,
  RequestCancelWorkflowExecutionRequest,
  RequestCancelWorkflowExecutionResponse,
  ResetStickyTaskQueueRequest,
  ResetStickyTaskQueueResponse,
  RespondActivityTaskCanceledByIdRequest,
  RespondActivityTaskCanceledByIdResponse,
  RespondActivityTaskCanceledRequest,
  RespondActivityTaskCanceledResponse,
  RespondActivityTaskCompletedByIdRequest,
  RespondActivityTaskCompletedByIdResponse,
  RespondActivityTaskCompletedRequest,
  RespondActivityTaskCompletedResponse,
  RespondActivityTaskFailedByIdRequest,
  RespondActivityTaskFailedByIdResponse,
  RespondActivityTaskFailedRequest,
  RespondActivityTaskFailedResponse,
  RespondQueryTaskCompletedRequest,
  RespondQueryTaskCompletedResponse,
  RespondWorkflowTaskCompletedRequest,
  RespondWorkflowTaskCompletedResponse,
  RespondWorkflowTaskFailedRequest,
  RespondWorkflowTaskFailedResponse,
  ScanWorkflowExecutionsRequest,
  ScanWorkflowExecutionsResponse,
  ShutdownWorkerRequest,
  ShutdownWorkerResponse,
  SignalWithStartWorkflowExecutionRequest,
  SignalWithStartWorkflowExecutionResponse,
  SignalWorkflowExecutionRequest,
  SignalWorkflowExecutionResponse,
  StartWorkflowExecutionRequest,
  StartWorkflowExecutionResponse,
  TerminateWorkflowExecutionRequest,
  TerminateWorkflowExecutionResponse,
  UpdateNamespaceRequest,
  UpdateNamespaceResponse,
  UpdateWorkflowExecutionRequest,
  UpdateWorkflowExecutionResponse,
} from "../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { Refusal } from "../protocol/refusal.ts";
import type { Session } from "./access/session.ts";

/** Who calls, and for how long the answer matters. */
export type Caller = {
  /** Metadata `client-name`, empty if none was sent. */
  readonly clientName: string;
  readonly clientVersion: string;
  /** When the caller stops waiting, null for never. */
  readonly deadline: EpochMs | null;
  /** Aborted when the caller has gone away or the server drains. */
  readonly signal: AbortSignal;
  /** Who it has proved to be; absent for the server itself. */
  readonly session?: Session;
  /** Metadata `temporal-namespace`: which namespace the caller means, whatever its request says. */
  readonly namespace?: string;
};

/** What events say of whoever caused them, if they proved who they are. */
export const provenBy = ({ session }: Caller): { readonly principal: Principal | undefined } => {
  const principal = session?.principal ?? null;
  return { principal: principal === null ? undefined : { type: principal.credential.kind, name: principal.id } };
};

/** Who calls, for the record; null when they did not have to prove it. */
export const nameOf = ({ session }: Caller): string | null => session?.principal?.id ?? null;

/** One request of the protocol, validated in its form by the edge, answered once. */
export type UseCase<Request, Response> = (request: Request, caller: Caller) => Promise<Result<Response, Refusal>>;

/** A response whose `history` field is given as stored bytes (a `temporal.api.history.v1.History`), so that nothing is decoded only to be encoded again. */
export type WithHistory<Response> = { readonly response: Response; readonly history: Uint8Array | null };

/** The whole of what the server can be asked. Edges know nothing else of it. */
export type Services = {
  readonly getSystemInfo: UseCase<GetSystemInfoRequest, GetSystemInfoResponse>;
  readonly getClusterInfo: UseCase<GetClusterInfoRequest, GetClusterInfoResponse>;
  readonly registerNamespace: UseCase<RegisterNamespaceRequest, RegisterNamespaceResponse>;
  readonly describeNamespace: UseCase<DescribeNamespaceRequest, DescribeNamespaceResponse>;
  readonly listNamespaces: UseCase<ListNamespacesRequest, ListNamespacesResponse>;
  readonly updateNamespace: UseCase<UpdateNamespaceRequest, UpdateNamespaceResponse>;
  readonly startWorkflowExecution: UseCase<StartWorkflowExecutionRequest, StartWorkflowExecutionResponse>;
  readonly signalWorkflowExecution: UseCase<SignalWorkflowExecutionRequest, SignalWorkflowExecutionResponse>;
  readonly signalWithStartWorkflowExecution: UseCase<SignalWithStartWorkflowExecutionRequest, SignalWithStartWorkflowExecutionResponse>;
  readonly executeMultiOperation: UseCase<ExecuteMultiOperationRequest, ExecuteMultiOperationResponse>;
  readonly queryWorkflow: UseCase<QueryWorkflowRequest, QueryWorkflowResponse>;
  readonly updateWorkflowExecution: UseCase<UpdateWorkflowExecutionRequest, UpdateWorkflowExecutionResponse>;
  readonly pollWorkflowExecutionUpdate: UseCase<PollWorkflowExecutionUpdateRequest, PollWorkflowExecutionUpdateResponse>;
  readonly requestCancelWorkflowExecution: UseCase<RequestCancelWorkflowExecutionRequest, RequestCancelWorkflowExecutionResponse>;
  readonly terminateWorkflowExecution: UseCase<TerminateWorkflowExecutionRequest, TerminateWorkflowExecutionResponse>;
  readonly describeWorkflowExecution: UseCase<DescribeWorkflowExecutionRequest, DescribeWorkflowExecutionResponse>;
  readonly listWorkflowExecutions: UseCase<ListWorkflowExecutionsRequest, ListWorkflowExecutionsResponse>;
  readonly countWorkflowExecutions: UseCase<CountWorkflowExecutionsRequest, CountWorkflowExecutionsResponse>;
  readonly scanWorkflowExecutions: UseCase<ScanWorkflowExecutionsRequest, ScanWorkflowExecutionsResponse>;
  readonly listOpenWorkflowExecutions: UseCase<ListOpenWorkflowExecutionsRequest, ListOpenWorkflowExecutionsResponse>;
  readonly listClosedWorkflowExecutions: UseCase<ListClosedWorkflowExecutionsRequest, ListClosedWorkflowExecutionsResponse>;
  readonly getSearchAttributes: UseCase<GetSearchAttributesRequest, GetSearchAttributesResponse>;
  readonly respondWorkflowTaskFailed: UseCase<RespondWorkflowTaskFailedRequest, RespondWorkflowTaskFailedResponse>;
  readonly respondQueryTaskCompleted: UseCase<RespondQueryTaskCompletedRequest, RespondQueryTaskCompletedResponse>;
  readonly recordActivityTaskHeartbeat: UseCase<RecordActivityTaskHeartbeatRequest, RecordActivityTaskHeartbeatResponse>;
  readonly recordActivityTaskHeartbeatById: UseCase<RecordActivityTaskHeartbeatByIdRequest, RecordActivityTaskHeartbeatByIdResponse>;
  readonly respondActivityTaskCompleted: UseCase<RespondActivityTaskCompletedRequest, RespondActivityTaskCompletedResponse>;
  readonly respondActivityTaskCompletedById: UseCase<RespondActivityTaskCompletedByIdRequest, RespondActivityTaskCompletedByIdResponse>;
  readonly respondActivityTaskFailed: UseCase<RespondActivityTaskFailedRequest, RespondActivityTaskFailedResponse>;
  readonly respondActivityTaskFailedById: UseCase<RespondActivityTaskFailedByIdRequest, RespondActivityTaskFailedByIdResponse>;
  readonly respondActivityTaskCanceled: UseCase<RespondActivityTaskCanceledRequest, RespondActivityTaskCanceledResponse>;
  readonly respondActivityTaskCanceledById: UseCase<RespondActivityTaskCanceledByIdRequest, RespondActivityTaskCanceledByIdResponse>;
  readonly pollActivityTaskQueue: UseCase<PollActivityTaskQueueRequest, PollActivityTaskQueueResponse>;
  readonly shutdownWorker: UseCase<ShutdownWorkerRequest, ShutdownWorkerResponse>;
  readonly resetStickyTaskQueue: UseCase<ResetStickyTaskQueueRequest, ResetStickyTaskQueueResponse>;
  readonly describeTaskQueue: UseCase<DescribeTaskQueueRequest, DescribeTaskQueueResponse>;
  readonly listTaskQueuePartitions: UseCase<ListTaskQueuePartitionsRequest, ListTaskQueuePartitionsResponse>;
  readonly deleteWorkflowExecution: UseCase<DeleteWorkflowExecutionRequest, DeleteWorkflowExecutionResponse>;
  /** `history` is the task's history; an empty `taskToken` is the answer when nothing came. */
  readonly pollWorkflowTaskQueue: UseCase<PollWorkflowTaskQueueRequest, WithHistory<PollWorkflowTaskQueueResponse>>;
  /** `history` belongs to the inline `workflowTask`. */
  readonly respondWorkflowTaskCompleted: UseCase<RespondWorkflowTaskCompletedRequest, WithHistory<RespondWorkflowTaskCompletedResponse>>;
  readonly getWorkflowExecutionHistory: UseCase<GetWorkflowExecutionHistoryRequest, WithHistory<GetWorkflowExecutionHistoryResponse>>;
  readonly getWorkflowExecutionHistoryReverse: UseCase<
    GetWorkflowExecutionHistoryReverseRequest,
    WithHistory<GetWorkflowExecutionHistoryReverseResponse>
  >;
  readonly addSearchAttributes: UseCase<AddSearchAttributesRequest, AddSearchAttributesResponse>;
  readonly removeSearchAttributes: UseCase<RemoveSearchAttributesRequest, RemoveSearchAttributesResponse>;
  readonly listSearchAttributes: UseCase<ListSearchAttributesRequest, ListSearchAttributesResponse>;
  readonly deleteNamespace: UseCase<DeleteNamespaceRequest, DeleteNamespaceResponse>;
};

import { type Codec, encode, make } from "../../protocol/codec.ts";
import type { Any } from "../../protocol/generated/google/protobuf/any.ts";
import {
  MultiOperationExecutionFailure,
  NamespaceAlreadyExistsFailure,
  NamespaceInvalidStateFailure,
  NamespaceNotFoundFailure,
  NotFoundFailure,
  MultiOperationExecutionFailure_OperationStatus as OperationStatus,
  PermissionDeniedFailure,
  QueryFailedFailure,
  ResourceExhaustedFailure,
  WorkflowExecutionAlreadyStartedFailure,
  WorkflowNotReadyFailure,
} from "../../protocol/generated/temporal/api/errordetails/v1/message.ts";
import { MultiOperationExecutionAborted } from "../../protocol/generated/temporal/api/failure/v1/message.ts";
import type { Refusal } from "../../protocol/refusal.ts";
import { Code } from "./grpc/code.ts";
import { type Status, trailerText } from "./grpc/status.ts";

/** A `google.rpc.Status`, whose details are not yet encoded. */
type DetailedStatus = { readonly code: Code; readonly message: string; readonly details: readonly Any[] };

type OfKind<K extends Refusal["kind"]> = Extract<Refusal, { readonly kind: K }>;

/** Source: the status codes and `temporal.api.errordetails.v1` details of the Temporal server; its clients match on both. */
const statuses: { readonly [K in Refusal["kind"]]: (refusal: OfKind<K>) => DetailedStatus } = {
  "invalid-argument": ({ message }) => plain(Code.INVALID_ARGUMENT, message),
  "namespace-not-found": ({ namespace }) =>
    detailed(Code.NOT_FOUND, `Namespace ${namespace} is not found.`, "NamespaceNotFoundFailure", NamespaceNotFoundFailure, { namespace }),
  "namespace-already-exists": ({ message }) =>
    detailed(Code.ALREADY_EXISTS, message, "NamespaceAlreadyExistsFailure", NamespaceAlreadyExistsFailure, {}),
  "namespace-invalid-state": ({ message, namespace }) =>
    detailed(Code.FAILED_PRECONDITION, message, "NamespaceInvalidStateFailure", NamespaceInvalidStateFailure, { namespace }),
  "not-found": ({ message }) => detailed(Code.NOT_FOUND, message, "NotFoundFailure", NotFoundFailure, {}),
  "already-exists": ({ message }) => plain(Code.ALREADY_EXISTS, message),
  "workflow-already-started": ({ message, startRequestId, runId, firstExecutionRunId }) =>
    detailed(Code.ALREADY_EXISTS, message, "WorkflowExecutionAlreadyStartedFailure", WorkflowExecutionAlreadyStartedFailure, {
      startRequestId,
      runId,
      firstExecutionRunId,
    }),
  "query-failed": ({ message, failure }) => detailed(Code.INVALID_ARGUMENT, message, "QueryFailedFailure", QueryFailedFailure, { failure }),
  "workflow-not-ready": ({ message }) =>
    detailed(Code.FAILED_PRECONDITION, message, "WorkflowNotReadyFailure", WorkflowNotReadyFailure, {}),
  "failed-precondition": ({ message }) => plain(Code.FAILED_PRECONDITION, message),
  "resource-exhausted": ({ message, cause, scope }) =>
    detailed(Code.RESOURCE_EXHAUSTED, message, "ResourceExhaustedFailure", ResourceExhaustedFailure, { cause, scope }),
  "permission-denied": ({ message, reason }) =>
    detailed(Code.PERMISSION_DENIED, message, "PermissionDeniedFailure", PermissionDeniedFailure, { reason }),
  unauthenticated: ({ message }) => plain(Code.UNAUTHENTICATED, message),
  aborted: ({ message }) => plain(Code.ABORTED, message),
  unavailable: ({ message }) => plain(Code.UNAVAILABLE, message),
  unimplemented: ({ message }) => plain(Code.UNIMPLEMENTED, message),
  "deadline-exceeded": ({ message }) => plain(Code.DEADLINE_EXCEEDED, message),
  cancelled: ({ message }) => plain(Code.CANCELLED, message),
  "multi-operation": ({ message, statuses: refusals }) => {
    const operations = refusals.map((refusal) => (refusal === null ? abortedOperation : detailedStatusOf(refusal)));
    const code = operations.find((operation) => operation !== abortedOperation)?.code ?? Code.ABORTED;
    return detailed(code, message, "MultiOperationExecutionFailure", MultiOperationExecutionFailure, {
      statuses: operations.map(operationStatus),
    });
  },
};

/** How a call ends that is refused. Total: every kind has its status. */
export function statusOf(refusal: Refusal): Status {
  const { code, message, details } = detailedStatusOf(refusal);
  const cut = trailerText(message);
  return {
    code,
    message: cut,
    details: details.length === 0 ? null : encode(OperationStatus, operationStatus({ code, message: cut, details })),
  };
}

function detailedStatusOf<K extends Refusal["kind"]>(refusal: OfKind<K> & { readonly kind: K }): DetailedStatus {
  return statuses[refusal.kind](refusal);
}

/** `google.rpc.Status` and the status of an operation have the same three fields with the same numbers. */
const operationStatus = ({ code, message, details }: DetailedStatus): OperationStatus => ({
  code,
  message,
  details: [...details],
});

const plain = (code: Code, message: string): DetailedStatus => ({ code, message, details: [] });

function detailed<T extends object>(code: Code, message: string, name: string, codec: Codec<T>, fields: Partial<T>): DetailedStatus {
  return { code, message, details: [any(`temporal.api.errordetails.v1.${name}`, codec, fields)] };
}

const any = <T extends object>(name: string, codec: Codec<T>, fields: Partial<T>): Any => ({
  typeUrl: `type.googleapis.com/${name}`,
  value: encode(codec, make(codec, fields)),
});

const abortedOperation: DetailedStatus = {
  code: Code.ABORTED,
  message: "Operation was aborted.",
  details: [any("temporal.api.failure.v1.MultiOperationExecutionAborted", MultiOperationExecutionAborted, {})],
};

import { type Codec, encode, make } from "../../protocol/codec.ts";
import type { Any } from "../../protocol/generated/google/protobuf/any.ts";
import {
  MultiOperationExecutionFailure,
  MultiOperationExecutionFailure_OperationStatus,
  NamespaceAlreadyExistsFailure,
  NamespaceInvalidStateFailure,
  NamespaceNotFoundFailure,
  NotFoundFailure,
  PermissionDeniedFailure,
  QueryFailedFailure,
  ResourceExhaustedFailure,
  WorkflowExecutionAlreadyStartedFailure,
  WorkflowNotReadyFailure,
} from "../../protocol/generated/temporal/api/errordetails/v1/message.ts";
import { MultiOperationExecutionAborted } from "../../protocol/generated/temporal/api/failure/v1/message.ts";
import type { Refusal } from "../../protocol/refusal.ts";
import { Code } from "./code.ts";

/** What the caller of an RPC sees of a refusal. */
export type GrpcStatus = { readonly code: Code; readonly message: string; readonly details: readonly Any[] };

type OfKind<K extends Refusal["kind"]> = Extract<Refusal, { readonly kind: K }>;

/** Source: the status codes and `temporal.api.errordetails.v1` details of the Temporal server; its clients match on both. */
const statuses: { readonly [K in Refusal["kind"]]: (refusal: OfKind<K>) => GrpcStatus } = {
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
  aborted: ({ message }) => plain(Code.ABORTED, message),
  unavailable: ({ message }) => plain(Code.UNAVAILABLE, message),
  unimplemented: ({ message }) => plain(Code.UNIMPLEMENTED, message),
  "deadline-exceeded": ({ message }) => plain(Code.DEADLINE_EXCEEDED, message),
  cancelled: ({ message }) => plain(Code.CANCELLED, message),
  "multi-operation": ({ message, statuses: refusals }) => {
    const operations = refusals.map((refusal) => (refusal === null ? abortedOperation : statusOf(refusal)));
    const code = operations.find((operation) => operation !== abortedOperation)?.code ?? Code.ABORTED;
    return detailed(code, message, "MultiOperationExecutionFailure", MultiOperationExecutionFailure, {
      statuses: operations.map(operationStatus),
    });
  },
};

/** The status of a refusal. Total: every kind has one. */
export function statusOf<K extends Refusal["kind"]>(refusal: OfKind<K> & { readonly kind: K }): GrpcStatus {
  return statuses[refusal.kind](refusal);
}

/**
 * The value of the trailer `grpc-status-details-bin`, a `google.rpc.Status`; null when the status has no details, or has more than a
 * trailer may carry: code and message alone still reach the caller, while a header block over its limit would reset the call.
 */
export function encodeDetails(status: GrpcStatus): Uint8Array | null {
  if (status.details.length === 0) return null;
  const bytes = encode(MultiOperationExecutionFailure_OperationStatus, operationStatus(status));
  return bytes.length <= detailsBytesMax ? bytes : null;
}

/** As much of a message as a trailer may carry, which holds it percent-encoded; half of a surrogate pair becomes U+FFFD. */
export function trailerText(message: string): string {
  let text = Buffer.from(message.slice(0, trailerTextBytesMax)).toString();
  while (encodeURI(text).length > trailerTextBytesMax) text = `${Buffer.from(text.slice(0, text.length * 0.75)).toString()}…`;
  return text;
}

// The Rust core accepts 16 KiB of headers in one block. Both bounds together, with base64 making 4 bytes of 3, leave it half of that.
export const detailsBytesMax = 4 * 1024;
export const trailerTextBytesMax = 3 * 1024;

/** `google.rpc.Status` and the status of an operation have the same three fields with the same numbers. */
const operationStatus = ({ code, message, details }: GrpcStatus): MultiOperationExecutionFailure_OperationStatus => ({
  code,
  message,
  details: [...details],
});

const plain = (code: Code, message: string): GrpcStatus => ({ code, message, details: [] });

function detailed<T extends object>(code: Code, message: string, name: string, codec: Codec<T>, fields: Partial<T>): GrpcStatus {
  return { code, message, details: [any(`temporal.api.errordetails.v1.${name}`, codec, fields)] };
}

const any = <T extends object>(name: string, codec: Codec<T>, fields: Partial<T>): Any => ({
  typeUrl: `type.googleapis.com/${name}`,
  value: encode(codec, make(codec, fields)),
});

const abortedOperation: GrpcStatus = {
  code: Code.ABORTED,
  message: "Operation was aborted.",
  details: [any("temporal.api.failure.v1.MultiOperationExecutionAborted", MultiOperationExecutionAborted, {})],
};

import type { ResourceExhaustedCause, ResourceExhaustedScope } from "./generated/temporal/api/enums/v1/failed_cause.ts";
import type { Failure } from "./generated/temporal/api/failure/v1/message.ts";

/**
 * Why a request was not carried out: the typed errors of the protocol. Each edge maps all of them with one table.
 * Source: temporal.api.errordetails.v1.
 */
export type Refusal =
  | { readonly kind: "invalid-argument"; readonly message: string }
  | { readonly kind: "namespace-not-found"; readonly namespace: string }
  | { readonly kind: "namespace-already-exists"; readonly message: string }
  | { readonly kind: "namespace-invalid-state"; readonly message: string; readonly namespace: string }
  | { readonly kind: "not-found"; readonly message: string }
  | { readonly kind: "already-exists"; readonly message: string }
  | {
      readonly kind: "workflow-already-started";
      readonly message: string;
      readonly startRequestId: string;
      readonly runId: string;
      readonly firstExecutionRunId: string;
    }
  | { readonly kind: "query-failed"; readonly message: string; readonly failure: Failure | undefined }
  | { readonly kind: "workflow-not-ready"; readonly message: string }
  | { readonly kind: "failed-precondition"; readonly message: string }
  | {
      readonly kind: "resource-exhausted";
      readonly message: string;
      readonly cause: ResourceExhaustedCause;
      readonly scope: ResourceExhaustedScope;
      /** Of a quota of the namespace: which one, and after how many milliseconds to try again. */
      readonly quota?: { readonly name: string; readonly retryAfter: number };
    }
  | { readonly kind: "permission-denied"; readonly message: string; readonly reason: string }
  /** The caller has not proved who it is. */
  | { readonly kind: "unauthenticated"; readonly message: string }
  | { readonly kind: "aborted"; readonly message: string }
  | { readonly kind: "unavailable"; readonly message: string }
  | { readonly kind: "unimplemented"; readonly message: string }
  | { readonly kind: "deadline-exceeded"; readonly message: string }
  | { readonly kind: "cancelled"; readonly message: string }
  /** One entry per operation: its own refusal, or null for an operation that was aborted because the other one was refused. */
  | { readonly kind: "multi-operation"; readonly message: string; readonly statuses: readonly (Refusal | null)[] };

export const invalidArgument = (message: string): Refusal => ({ kind: "invalid-argument", message });
export const notFound = (message: string): Refusal => ({ kind: "not-found", message });
export const failedPrecondition = (message: string): Refusal => ({ kind: "failed-precondition", message });

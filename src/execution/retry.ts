import { type DurationMs, type EpochMs, fromProtoTime, secondMs, toProtoTime } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import { RetryPolicy } from "../protocol/generated/temporal/api/common/v1/message.ts";
import { RetryState, TimeoutType } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { Failure } from "../protocol/generated/temporal/api/failure/v1/message.ts";

export type RetryVerdict =
  | { readonly retry: true; readonly delay: DurationMs }
  | { readonly retry: false; readonly retryState: RetryState };

/** Decides whether an attempt that ended in `failure` is followed by another one. Source: temporal.api.common.v1.RetryPolicy. */
export function decideRetry(attempt: {
  readonly policy: RetryPolicy | undefined;
  /** The attempt that failed, from 1. */
  readonly number: number;
  readonly failure: Failure | undefined;
  readonly now: EpochMs;
  /** No attempt starts at or after this; 0 for no limit. */
  readonly expiration: EpochMs;
}): RetryVerdict {
  const { policy, failure } = attempt;
  if (policy === undefined) return { retry: false, retryState: RetryState.RETRY_POLICY_NOT_SET };
  if (!isRetryable(failure, policy)) return { retry: false, retryState: RetryState.NON_RETRYABLE_FAILURE };
  if (policy.maximumAttempts > 0 && attempt.number >= policy.maximumAttempts)
    return { retry: false, retryState: RetryState.MAXIMUM_ATTEMPTS_REACHED };
  const delay = nextRetryDelay(failure) ?? backoff(policy, attempt.number);
  if (attempt.expiration > 0 && attempt.now + delay >= attempt.expiration) return { retry: false, retryState: RetryState.TIMEOUT };
  return { retry: true, delay };
}

function isRetryable(failure: Failure | undefined, policy: RetryPolicy): boolean {
  const info = failure?.failureInfo;
  switch (info?.$case) {
    case "applicationFailureInfo":
      return !info.value.nonRetryable && !policy.nonRetryableErrorTypes.includes(info.value.type);
    case "timeoutFailureInfo": {
      const { timeoutType } = info.value;
      if (timeoutType === TimeoutType.START_TO_CLOSE) return !policy.nonRetryableErrorTypes.includes("TemporalTimeout:StartToClose");
      if (timeoutType === TimeoutType.HEARTBEAT) return !policy.nonRetryableErrorTypes.includes("TemporalTimeout:Heartbeat");
      return false;
    }
    case "serverFailureInfo":
      return !info.value.nonRetryable;
    case "terminatedFailureInfo":
    case "canceledFailureInfo":
      return false;
    default:
      return true;
  }
}

/** The delay that the failure itself asks for. It is not cut to the policy's maximum. */
function nextRetryDelay(failure: Failure | undefined): DurationMs | undefined {
  const info = failure?.failureInfo;
  return info?.$case === "applicationFailureInfo" && info.value.nextRetryDelay !== undefined
    ? fromProtoTime(info.value.nextRetryDelay)
    : undefined;
}

function backoff(policy: RetryPolicy, attempt: number): DurationMs {
  const delay = Math.round(fromProtoTime(policy.initialInterval) * policy.backoffCoefficient ** (attempt - 1));
  return Math.min(delay, fromProtoTime(policy.maximumInterval));
}

/** The policy with the server's defaults for what it leaves open: 1 s, doubling, at most 100 times the first interval, no limit of attempts. */
export function withRetryDefaults(policy: RetryPolicy | undefined): RetryPolicy {
  const initial = fromProtoTime(policy?.initialInterval) || secondMs;
  return make(RetryPolicy, {
    ...policy,
    initialInterval: toProtoTime(initial),
    backoffCoefficient: policy?.backoffCoefficient || 2,
    maximumInterval: toProtoTime(fromProtoTime(policy?.maximumInterval) || 100 * initial),
    maximumAttempts: policy?.maximumAttempts ?? 0,
  });
}

/** The policy with at most so many attempts; null for no cap. */
export const withAttemptsCap = (policy: RetryPolicy, attempts: number | null): RetryPolicy =>
  attempts === null || (policy.maximumAttempts > 0 && policy.maximumAttempts <= attempts)
    ? policy
    : { ...policy, maximumAttempts: attempts };

/** What is wrong with a retry policy as sent, null if nothing is. */
export function retryPolicyProblem(policy: RetryPolicy | undefined): string | null {
  if (policy === undefined) return null;
  const initial = fromProtoTime(policy.initialInterval);
  const maximum = fromProtoTime(policy.maximumInterval);
  if (initial < 0) return "InitialInterval cannot be negative on retry policy.";
  if (policy.backoffCoefficient !== 0 && policy.backoffCoefficient < 1) return "BackoffCoefficient cannot be less than 1 on retry policy.";
  if (maximum < 0) return "MaximumInterval cannot be negative on retry policy.";
  if (maximum > 0 && maximum < initial) return "MaximumInterval cannot be less than InitialInterval on retry policy.";
  if (policy.maximumAttempts < 0) return "MaximumAttempts cannot be negative on retry policy.";
  return null;
}

/** The failure, cut so that its encoding takes about `bytesMax`: what must not grow is kept short, what identifies it is kept. */
export function truncateFailure(failure: Failure, bytesMax: number): Failure {
  if (Failure.encode(failure).finish().length <= bytesMax) return failure;
  const share = Math.floor(bytesMax / 4);
  const info = failure.failureInfo;
  return make(Failure, {
    message: failure.message.slice(0, 2 * share),
    source: failure.source.slice(0, 100),
    stackTrace: failure.stackTrace.slice(0, share),
    failureInfo: info?.$case === "applicationFailureInfo" ? { $case: info.$case, value: { ...info.value, details: undefined } } : info,
  });
}

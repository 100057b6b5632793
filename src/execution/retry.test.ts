import { describe, expect, test } from "vitest";
import { secondMs, toProtoTime } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import { RetryPolicy } from "../protocol/generated/temporal/api/common/v1/message.ts";
import { RetryState, TimeoutType } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import {
  CanceledFailureInfo,
  Failure,
  ServerFailureInfo,
  TerminatedFailureInfo,
} from "../protocol/generated/temporal/api/failure/v1/message.ts";
import { applicationFailure, payloads } from "./execution.test-kit.ts";
import { timeoutFailure } from "./failures.ts";
import { decideRetry, retryPolicyProblem, truncateFailure, withRetryDefaults } from "./retry.ts";

const seconds = (count: number) => toProtoTime(count * secondMs);
const policy = (fields: Partial<RetryPolicy> = {}): RetryPolicy => withRetryDefaults(make(RetryPolicy, fields));
const application = applicationFailure({ type: "OutOfStock" });

const decided = (attempt: { number: number; policy?: RetryPolicy | undefined; failure?: Failure; left?: number }) => {
  const verdict = decideRetry({
    policy: attempt.policy,
    number: attempt.number,
    failure: attempt.failure ?? application,
    now: 1_000_000,
    expiration: attempt.left === undefined ? 0 : 1_000_000 + attempt.left * secondMs,
  });
  return verdict.retry
    ? `${verdict.delay / secondMs} s`
    : Object.entries(RetryState).find(([, value]) => value === verdict.retryState)?.[0];
};

describe("the delay before the next attempt", () => {
  test.each([
    // policy                                                                  attempt that failed   delay
    [{}, 1, "1 s"],
    [{}, 2, "2 s"],
    [{}, 3, "4 s"],
    [{}, 8, "100 s"], // 128 s, cut to 100 times the first interval
    [{}, 2_000, "100 s"],
    [{ initialInterval: seconds(3), backoffCoefficient: 1 }, 50, "3 s"],
    [{ initialInterval: seconds(3), backoffCoefficient: 1.5 }, 2, "4.5 s"],
    [{ initialInterval: seconds(1), backoffCoefficient: 1.5 }, 5, "5.063 s"], // whole milliseconds
    [{ initialInterval: toProtoTime(0.4), backoffCoefficient: 1 }, 1, "0.001 s"],
    [{ initialInterval: seconds(3), maximumInterval: seconds(5) }, 2, "5 s"],
  ] as const)("%j after attempt %i: %s", (fields, number, delay) => {
    expect(decided({ policy: policy(fields), number })).toBe(delay);
  });

  test("the failure itself may ask for another one, even a longer one than the policy's most", () => {
    const failure = applicationFailure({ nextRetryDelay: seconds(500) });
    expect(decided({ policy: policy({ maximumInterval: seconds(5) }), number: 1, failure })).toBe("500 s");
    expect(decided({ policy: policy(), number: 1, failure: applicationFailure({ nextRetryDelay: seconds(0) }) })).toBe("0 s");
  });
});

describe("no further attempt", () => {
  test.each([
    ["without a policy", undefined, 1, undefined, "RETRY_POLICY_NOT_SET"],
    ["at the last attempt", { maximumAttempts: 3 }, 3, undefined, "MAXIMUM_ATTEMPTS_REACHED"],
    ["before the last attempt", { maximumAttempts: 3 }, 2, undefined, "2 s"],
    ["when it would begin as the time is over", {}, 2, 2, "TIMEOUT"],
    ["when it begins just before", {}, 2, 2.001, "2 s"],
    ["attempts are counted before time", { maximumAttempts: 1 }, 1, 0.5, "MAXIMUM_ATTEMPTS_REACHED"],
  ] as const)("%s", (_, fields, number, left, outcome) => {
    const given = fields === undefined ? undefined : policy(fields);
    expect(decided({ policy: given, number, ...(left === undefined ? {} : { left }) })).toBe(outcome);
  });
});

describe("what is tried again", () => {
  const timeout = (timeoutType: TimeoutType) => timeoutFailure({ message: "timeout", timeoutType });
  const of = (failureInfo: Failure["failureInfo"]) => make(Failure, { failureInfo });
  const retry = "1 s";
  const final = "NON_RETRYABLE_FAILURE";
  test.each([
    ["an application failure", application, [], retry],
    ["one that says it is final", applicationFailure({ nonRetryable: true }), [], final],
    ["one of a listed type", application, ["OutOfStock"], final],
    ["one of another type", application, ["CardDeclined"], retry],
    ["start-to-close", timeout(TimeoutType.START_TO_CLOSE), [], retry],
    ["start-to-close, listed", timeout(TimeoutType.START_TO_CLOSE), ["TemporalTimeout:StartToClose"], final],
    ["heartbeat", timeout(TimeoutType.HEARTBEAT), ["TemporalTimeout:StartToClose"], retry],
    ["heartbeat, listed", timeout(TimeoutType.HEARTBEAT), ["TemporalTimeout:Heartbeat"], final],
    ["schedule-to-start", timeout(TimeoutType.SCHEDULE_TO_START), [], final],
    ["schedule-to-close", timeout(TimeoutType.SCHEDULE_TO_CLOSE), [], final],
    ["a failure of a server", of({ $case: "serverFailureInfo", value: make(ServerFailureInfo) }), [], retry],
    ["a final one", of({ $case: "serverFailureInfo", value: make(ServerFailureInfo, { nonRetryable: true }) }), [], final],
    ["a termination", of({ $case: "terminatedFailureInfo", value: make(TerminatedFailureInfo) }), [], final],
    ["a cancellation", of({ $case: "canceledFailureInfo", value: make(CanceledFailureInfo) }), [], final],
    ["a failure that says nothing more", make(Failure), [], retry],
  ] as const)("%s, listed %j", (_, failure, nonRetryableErrorTypes, outcome) => {
    expect(decided({ policy: policy({ nonRetryableErrorTypes: [...nonRetryableErrorTypes] }), number: 1, failure })).toBe(outcome);
  });
});

test("defaults fill what a policy leaves open", () => {
  const defaults = { initialInterval: seconds(1), backoffCoefficient: 2, maximumInterval: seconds(100), maximumAttempts: 0 };
  expect(withRetryDefaults(undefined)).toMatchObject(defaults);
  expect(policy({ maximumAttempts: 7 })).toMatchObject({ ...defaults, maximumAttempts: 7 });
  expect(policy({ initialInterval: seconds(5) })).toMatchObject({ initialInterval: seconds(5), maximumInterval: seconds(500) });
});

test.each([
  [{}, null],
  [{ initialInterval: seconds(-1) }, "InitialInterval cannot be negative on retry policy."],
  [{ backoffCoefficient: 0.5 }, "BackoffCoefficient cannot be less than 1 on retry policy."],
  [{ maximumInterval: seconds(-1) }, "MaximumInterval cannot be negative on retry policy."],
  [{ initialInterval: seconds(2), maximumInterval: seconds(1) }, "MaximumInterval cannot be less than InitialInterval on retry policy."],
  [{ maximumAttempts: -1 }, "MaximumAttempts cannot be negative on retry policy."],
] as const)("the policy %j: %s", (fields, problem) => {
  expect(retryPolicyProblem(make(RetryPolicy, fields))).toBe(problem);
});

describe("a failure that is kept for the next attempt", () => {
  test("stays as it is while it is small", () => {
    expect(truncateFailure(application, 1_000)).toBe(application);
  });

  test("is cut where it grows, and keeps what it is", () => {
    const large = {
      ...applicationFailure({ type: "OutOfStock", details: payloads(10_000) }, "m".repeat(10_000)),
      stackTrace: "s".repeat(10_000),
      cause: application,
    };
    const cut = truncateFailure(large, 4_096);
    expect(Failure.encode(cut).finish().length).toBeLessThanOrEqual(4_096);
    expect(cut).toMatchObject({ message: "m".repeat(2_048), stackTrace: "s".repeat(1_024), cause: undefined });
    expect(cut.failureInfo).toMatchObject({ value: { type: "OutOfStock", details: undefined } });
  });
});

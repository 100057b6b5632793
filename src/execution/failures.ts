import { make } from "../protocol/codec.ts";
import { Payload, Payloads } from "../protocol/generated/temporal/api/common/v1/message.ts";
import type { TimeoutType } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import {
  ApplicationFailureInfo,
  Failure,
  ServerFailureInfo,
  TimeoutFailureInfo,
} from "../protocol/generated/temporal/api/failure/v1/message.ts";
import { UserMetadata } from "../protocol/generated/temporal/api/sdk/v1/user_metadata.ts";

/** Failures that the server itself produces. */

export const serverFailure = (message: string): Failure =>
  make(Failure, {
    message,
    source: "Server",
    failureInfo: { $case: "serverFailureInfo", value: make(ServerFailureInfo, { nonRetryable: true }) },
  });

export const applicationFailure = (message: string, type: string): Failure =>
  make(Failure, {
    message,
    source: "Server",
    failureInfo: { $case: "applicationFailureInfo", value: make(ApplicationFailureInfo, { type, nonRetryable: true }) },
  });

/** Type of the failure that a refused activity ends with. */
export const policyDenied = "PolicyDenied";

/** What a refusal by policy tells an ordinary `catch`, as the failure's first detail. */
export type Denial = {
  readonly rule: string | null;
  readonly reason: string;
  /** Hash of the policy snapshot. */
  readonly snapshot: string;
  readonly jobHash?: string;
  /** The approval that was asked for, if there was one. */
  readonly approval?: string;
  readonly remediations: readonly object[];
};

export const denialFailure = (denial: Denial): Failure => detailedFailure(policyDenied, denial.reason, denial);

/** How a request for approval ended that was not granted: what an ordinary `catch` sees, with the same fields as the result of a granted one. */
export function notApprovedFailure(
  type: "ApprovalRejected" | "ApprovalExpired",
  message: string,
  end: {
    readonly approval_id: string;
    readonly reason: string;
    readonly decided_by: readonly { readonly principal: string; readonly reason: string; readonly at: string }[];
    readonly decided_at: string;
  },
): Failure {
  return detailedFailure(type, message, { approved: false, ...end });
}

/** Says it on an event that has no place for a failure. */
export const failureSummary = ({ message, failureInfo }: Failure): UserMetadata => {
  const type = failureInfo?.$case === "applicationFailureInfo" ? failureInfo.value.type : "";
  return make(UserMetadata, { summary: json(`${type}: ${message}`.slice(0, summaryLettersMax)) });
};

/** User metadata may have 400 bytes as a summary. */
export const summaryLettersMax = 120;

const json = (value: unknown): Payload => make(Payload, { metadata: { encoding: utf8("json/plain") }, data: utf8(JSON.stringify(value)) });

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function detailedFailure(type: string, message: string, details: object): Failure {
  return make(Failure, {
    message,
    source: "Server",
    failureInfo: {
      $case: "applicationFailureInfo",
      value: make(ApplicationFailureInfo, { type, nonRetryable: true, details: make(Payloads, { payloads: [json(details)] }) }),
    },
  });
}

export const timeoutFailure = (timeout: {
  message: string;
  timeoutType: TimeoutType;
  lastHeartbeatDetails?: Payloads | undefined;
  cause?: Failure | undefined;
}): Failure =>
  make(Failure, {
    message: timeout.message,
    source: "Server",
    cause: timeout.cause,
    failureInfo: {
      $case: "timeoutFailureInfo",
      value: make(TimeoutFailureInfo, { timeoutType: timeout.timeoutType, lastHeartbeatDetails: timeout.lastHeartbeatDetails }),
    },
  });

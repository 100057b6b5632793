import { make } from "../protocol/codec.ts";
import type { Payloads } from "../protocol/generated/temporal/api/common/v1/message.ts";
import type { TimeoutType } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import {
  ApplicationFailureInfo,
  Failure,
  ServerFailureInfo,
  TimeoutFailureInfo,
} from "../protocol/generated/temporal/api/failure/v1/message.ts";

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

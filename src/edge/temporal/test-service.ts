import { Empty } from "../../protocol/generated/google/protobuf/empty.ts";
import {
  GetCurrentTimeResponse,
  LockTimeSkippingRequest,
  LockTimeSkippingResponse,
  SleepRequest,
  SleepResponse,
  SleepUntilRequest,
  UnlockTimeSkippingRequest,
  UnlockTimeSkippingResponse,
} from "../../protocol/generated/temporal/api/testservice/v1/request_response.ts";
import { invalidArgument } from "../../protocol/refusal.ts";
import type { UseCase } from "../../service/services.ts";
import { type Method, method } from "./method.ts";
import { validDuration } from "./validate.ts";

/**
 * What a test server offers besides the workflow service: a clock that skips the time in which nothing runs.
 * Source: temporal.api.testservice.v1.TestService.
 */
export type TestServiceHandlers = {
  /** One more lock; time skips only while there is none. */
  readonly lockTimeSkipping: UseCase<LockTimeSkippingRequest, LockTimeSkippingResponse>;
  /** One lock less; refused below zero. */
  readonly unlockTimeSkipping: UseCase<UnlockTimeSkippingRequest, UnlockTimeSkippingResponse>;
  /** Answers once `duration` of virtual time has passed. */
  readonly sleep: UseCase<SleepRequest, SleepResponse>;
  /** Answers once virtual time has reached `timestamp`. */
  readonly sleepUntil: UseCase<SleepUntilRequest, SleepResponse>;
  /** Unlock, sleep, lock. */
  readonly unlockTimeSkippingWithSleep: UseCase<SleepRequest, SleepResponse>;
  readonly getCurrentTime: UseCase<Empty, GetCurrentTimeResponse>;
};

const validSleep = (request: SleepRequest) => validDuration("Duration", request.duration);

export const testServiceMethods: { readonly [K in keyof TestServiceHandlers]: Method<TestServiceHandlers[K]> } = {
  lockTimeSkipping: method({ request: LockTimeSkippingRequest, response: LockTimeSkippingResponse, validate: () => null }),
  unlockTimeSkipping: method({ request: UnlockTimeSkippingRequest, response: UnlockTimeSkippingResponse, validate: () => null }),
  sleep: method({ request: SleepRequest, response: SleepResponse, validate: validSleep }),
  sleepUntil: method({
    request: SleepUntilRequest,
    response: SleepResponse,
    validate: (request) => (request.timestamp === undefined ? invalidArgument("Timestamp is not set on request.") : null),
  }),
  unlockTimeSkippingWithSleep: method({ request: SleepRequest, response: SleepResponse, validate: validSleep }),
  getCurrentTime: method({ request: Empty, response: GetCurrentTimeResponse, validate: () => null }),
};

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
import type { TestServices } from "../../service/test-service.ts";
import { method } from "./method.ts";
import type { Methods } from "./methods.ts";
import { validDuration } from "./validate.ts";

const validSleep = (request: SleepRequest) => validDuration("Duration", request.duration);

/** temporal.api.testservice.v1.TestService. */
export const testServiceMethods: Methods<TestServices> = {
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

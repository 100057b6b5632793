import { ok } from "../base/result.ts";
import { fromProtoTime } from "../base/time.ts";
import type { Empty } from "../protocol/generated/google/protobuf/empty.ts";
import type {
  GetCurrentTimeResponse,
  LockTimeSkippingRequest,
  LockTimeSkippingResponse,
  SleepRequest,
  SleepResponse,
  SleepUntilRequest,
  UnlockTimeSkippingRequest,
  UnlockTimeSkippingResponse,
} from "../protocol/generated/temporal/api/testservice/v1/request_response.ts";
import type { UseCase } from "./services.ts";
import type { SkippingClock } from "./skipping-clock.ts";

/** How tests move the server's clock. Source: temporal.api.testservice.v1.TestService. */
export type TestServices = {
  readonly lockTimeSkipping: UseCase<LockTimeSkippingRequest, LockTimeSkippingResponse>;
  readonly unlockTimeSkipping: UseCase<UnlockTimeSkippingRequest, UnlockTimeSkippingResponse>;
  readonly sleep: UseCase<SleepRequest, SleepResponse>;
  readonly sleepUntil: UseCase<SleepUntilRequest, SleepResponse>;
  readonly unlockTimeSkippingWithSleep: UseCase<SleepRequest, SleepResponse>;
  readonly getCurrentTime: UseCase<Empty, GetCurrentTimeResponse>;
};

export function createTestServices(clock: SkippingClock): TestServices {
  return {
    lockTimeSkipping: async () => {
      clock.lock();
      return ok({});
    },
    unlockTimeSkipping: async () => {
      const unlocked = clock.unlock();
      return unlocked.ok ? ok({}) : unlocked;
    },
    sleep: async ({ duration }) => {
      await clock.sleepUntil(clock.now() + fromProtoTime(duration));
      return ok({});
    },
    sleepUntil: async ({ timestamp }) => {
      await clock.sleepUntil(timestamp?.getTime() ?? 0);
      return ok({});
    },
    unlockTimeSkippingWithSleep: async ({ duration }) => {
      const until = clock.now() + fromProtoTime(duration);
      const unlocked = clock.unlock();
      if (!unlocked.ok) return unlocked;
      await clock.sleepUntil(until).finally(() => clock.lock());
      return ok({});
    },
    getCurrentTime: async () => ok({ time: new Date(clock.now()) }),
  };
}

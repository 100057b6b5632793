import { type DurationMs, fromProtoTime, secondMs } from "../../base/time.ts";
import { make } from "../../protocol/codec.ts";
import {
  type PollActivityTaskQueueResponse,
  RecordActivityTaskHeartbeatRequest,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Services } from "../services.ts";
import { here } from "./server-worker.ts";

/** Why an attempt is over before its time: nobody waits for it, somebody cancelled it, or the server stops. */
export type Ending = "gone" | "cancelled" | "stopping";

/** An attempt that the server itself works on. */
export type AttemptWatch = {
  /** Aborts when nobody wants the outcome any more. */
  readonly signal: AbortSignal;
  /** Null while it is wanted. */
  readonly why: Ending | null;
  /** To be called when the outcome is there. */
  end(): void;
};

/** Cancellation is heard of by heartbeats, and should be soon. */
const heartbeatEveryMsMax: DurationMs = 5 * secondMs;
const timerMsMax = 2 ** 31 - 1;

/**
 * Says that the attempt is alive as often as it has to, and hears whether it should stop. Of an attempt without a heartbeat time-out nothing
 * is said, unless `always`.
 */
export function watchAttempt(
  { taskToken, workflowNamespace: namespace, heartbeatTimeout, startToCloseTimeout }: PollActivityTaskQueueResponse,
  {
    requests,
    stopping,
    identity,
    log,
    always = false,
  }: {
    readonly requests: Pick<Services, "recordActivityTaskHeartbeat">;
    readonly stopping: AbortSignal;
    readonly identity: string;
    readonly log: Log;
    readonly always?: boolean;
  },
): AttemptWatch {
  const ended = new AbortController();
  let why: Ending | null = null;
  const end = (ending: Ending) => {
    why ??= ending;
    ended.abort();
  };
  const stop = () => end("stopping");
  if (stopping.aborted) stop();
  stopping.addEventListener("abort", stop);
  const lapse = setTimeout(() => end("gone"), Math.min(fromProtoTime(startToCloseTimeout) || timerMsMax, timerMsMax));

  const beat = async (): Promise<void> => {
    const request = make(RecordActivityTaskHeartbeatRequest, { taskToken, namespace, identity });
    const heard = await requests.recordActivityTaskHeartbeat(request, here());
    if (heard.ok && heard.value.cancelRequested) end("cancelled");
    else if (!heard.ok && heard.error.kind === "not-found") end("gone");
  };
  const wanted = fromProtoTime(heartbeatTimeout) / 2 || (always ? heartbeatEveryMsMax : 0);
  const beating =
    wanted === 0
      ? undefined
      : setInterval(
          () => {
            beat().catch((error: unknown) => log.warn("cannot record a heartbeat", {}, error));
          },
          Math.min(wanted, heartbeatEveryMsMax),
        );
  return {
    signal: ended.signal,
    get why() {
      return why;
    },
    end: () => {
      clearInterval(beating);
      clearTimeout(lapse);
      stopping.removeEventListener("abort", stop);
    },
  };
}

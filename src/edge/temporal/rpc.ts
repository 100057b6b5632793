import { randomUUID } from "node:crypto";
import { err, type Result } from "../../base/result.ts";
import { secondMs } from "../../base/time.ts";
import { ResourceExhaustedCause, ResourceExhaustedScope } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import type { Refusal } from "../../protocol/refusal.ts";
import type { Authenticated, AuthenticationRefusal } from "../../service/access/authenticator.ts";
import { StoreError } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { GrpcCaller } from "./caller.ts";
import type { Call } from "./grpc/call.ts";
import { Code, codeName } from "./grpc/code.ts";
import { type Status, status } from "./grpc/status.ts";
import type { Answer } from "./grpc/unary.ts";
import type { Serve } from "./method.ts";
import { statusOf } from "./status.ts";

/** Proves who makes a call. */
export type Authenticate = (call: Call) => Authenticated | Promise<Authenticated>;

/** What all RPCs of one edge share. */
export type Traffic = {
  readonly authenticate: Authenticate;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "rpcs" | "rpcSeconds">;
  readonly openPollsMax: number;
  openPolls: number;
  draining: boolean;
};

/** Answers the calls of one RPC, and counts them: with its response or one status, whatever the use case does. */
export function rpc(name: string, serve: Serve, { authenticate, log, metrics }: Pick<Traffic, "authenticate" | "log" | "metrics">): Answer {
  const attempt = async (message: Uint8Array, call: Call): Promise<Result<Uint8Array, Status>> => {
    let stopListening = (): void => {};
    try {
      const asked = authenticate(call);
      const proved = asked instanceof Promise ? await asked : asked;
      if (!proved.ok) return err(statusOf(refusalOf(proved.error)));
      const session = proved.value;
      // A call that waits ends with the credential of whoever waits.
      stopListening = session.onEnd(() => call.cut(ended));
      const answer = await serve(message, new GrpcCaller(call, session));
      return answer.ok ? answer : err(statusOf(answer.error));
    } catch (thrown) {
      return err(statusOfThrown(name, thrown, log));
    } finally {
      stopListening();
    }
  };
  return async (message, call) => {
    const began = performance.now();
    const answer = await attempt(message, call);
    metrics.rpcs.add(1, name, answer.ok ? "OK" : codeName(answer.error.code));
    metrics.rpcSeconds.observe((performance.now() - began) / secondMs, name);
    return answer;
  };
}

/** Polls are bounded together, and refused while the server drains: their callers come back to another server, or to this one later. */
export function polling(serve: Serve, traffic: Traffic): Serve {
  return async (request, caller) => {
    if (traffic.draining) return err(shuttingDown);
    if (traffic.openPolls >= traffic.openPollsMax) return err(tooManyPolls(traffic.openPollsMax));
    traffic.openPolls++;
    try {
      return await serve(request, caller);
    } finally {
      traffic.openPolls--;
    }
  };
}

const ended = status(Code.UNAUTHENTICATED, "the credentials of this call hold no more");

function refusalOf(refusal: AuthenticationRefusal): Refusal {
  switch (refusal.kind) {
    case "no-credentials":
      return { kind: "unauthenticated", message: "credentials are required: an API key or a token as `authorization: Bearer …`" };
    case "bad-credentials":
      return { kind: "unauthenticated", message: "the credentials are not valid" };
    case "unavailable":
      return { kind: "unavailable", message: "the credentials cannot be checked right now" };
    case "locked-out":
      return {
        kind: "resource-exhausted",
        message: `too many wrong credentials: try again after ${Math.ceil(refusal.retryAfter / secondMs)} s`,
        cause: ResourceExhaustedCause.RPS_LIMIT,
        scope: ResourceExhaustedScope.SYSTEM,
      };
  }
}

const shuttingDown: Refusal = { kind: "unavailable", message: "server is shutting down" };

const tooManyPolls = (openPollsMax: number): Refusal => ({
  kind: "resource-exhausted",
  message: `limit on concurrent polls has been reached (${openPollsMax})`,
  cause: ResourceExhaustedCause.CONCURRENT_LIMIT,
  scope: ResourceExhaustedScope.SYSTEM,
});

/** The caller gets a safe sentence and an id; the log gets the whole chain of causes under that id. */
function statusOfThrown(name: string, thrown: unknown, log: Log): Status {
  const errorId = randomUUID();
  log.error("call failed unexpectedly", { rpc: name, errorId }, thrown);
  return thrown instanceof StoreError
    ? status(Code.UNAVAILABLE, `the store is not available (error ${errorId})`)
    : status(Code.INTERNAL, `internal error (error ${errorId})`);
}

import { randomUUID } from "node:crypto";
import { err, type Result } from "../../base/result.ts";
import { secondMs } from "../../base/time.ts";
import { ResourceExhaustedCause, ResourceExhaustedScope } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import type { Refusal } from "../../protocol/refusal.ts";
import type { AccessLookup } from "../../service/access/access.ts";
import type { Authenticated, AuthenticationRefusal } from "../../service/access/authenticator.ts";
import { type Concurrency, callerOf, createConcurrency } from "../../service/access/concurrency.ts";
import type { Admission } from "../../service/fairness/admission.ts";
import type { Caller } from "../../service/services.ts";
import { StoreError } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { GrpcCaller } from "./caller.ts";
import type { Call } from "./grpc/call.ts";
import { Code, codeName } from "./grpc/code.ts";
import { type Status, status } from "./grpc/status.ts";
import type { Answer } from "./grpc/unary.ts";
import type { Permits, Serve } from "./method.ts";
import type { RpcAccess } from "./rpc-access.ts";
import { statusOf } from "./status.ts";

/** Proves who makes a call. */
export type Authenticate = (call: Call) => Authenticated | Promise<Authenticated>;

type Shared = {
  readonly authenticate: Authenticate;
  readonly admission: Admission;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "rpcs" | "rpcSeconds" | "refusedByLimit">;
};

export type CallLimits = {
  readonly openPollsMax: number;
  readonly pollsPerPrincipalMax: number;
  readonly pollsPerNamespaceMax: number;
  readonly callsPerPrincipalMax: number;
};

/** What all RPCs of one edge share. */
export type Traffic = Shared & {
  readonly openPollsMax: number;
  openPolls: number;
  draining: boolean;
  readonly pollsOf: Room;
  readonly callsOf: Room;
  readonly pollsIn: Room;
  /** Of a poll that is under way: how to give back its room in its namespace. */
  readonly leaving: WeakMap<Caller, () => void>;
};

/** How much one caller, or one namespace, may have under way. */
type Room = Concurrency & { readonly limit: string; readonly refusal: Refusal };

export const createTraffic = (
  shared: Shared,
  { openPollsMax, pollsPerPrincipalMax, pollsPerNamespaceMax, callsPerPrincipalMax }: CallLimits,
): Traffic => ({
  ...shared,
  openPollsMax,
  openPolls: 0,
  draining: false,
  pollsOf: room("polls-per-principal", pollsPerPrincipalMax, "concurrent polls of one principal"),
  callsOf: room("calls-per-principal", callsPerPrincipalMax, "concurrent calls of one principal"),
  pollsIn: room("polls-per-namespace", pollsPerNamespaceMax, "concurrent polls of one namespace", ResourceExhaustedScope.NAMESPACE),
  leaving: new WeakMap(),
});

const room = (limit: string, max: number, what: string, scope: ResourceExhaustedScope = ResourceExhaustedScope.SYSTEM): Room => ({
  ...createConcurrency(max),
  limit,
  refusal: tooMany(what, max, scope),
});

/** Answers the calls of one RPC, and counts them: with its response or one status, whatever the use case does. */
export function rpc(
  name: string,
  serve: Serve,
  { authenticate, admission, log, metrics }: Shared,
  { enter, limit, refusal }: Room,
): Answer {
  const attempt = async (message: Uint8Array, call: Call): Promise<Result<Uint8Array, Status>> => {
    let stopListening = (): void => {};
    let leave: (() => void) | null = null;
    try {
      const asked = authenticate(call);
      const proved = asked instanceof Promise ? await asked : asked;
      if (!proved.ok) {
        await admission.enterStranger();
        return err(statusOf(refusalOf(proved.error)));
      }
      const session = proved.value;
      leave = enter(callerOf(session, call.peer.address));
      if (leave === null) {
        metrics.refusedByLimit.add(1, "grpc", limit);
        return err(statusOf(refusal));
      }
      // A call that waits ends with the credential of whoever waits.
      stopListening = session.onEnd(() => call.cut(ended));
      const answer = await serve(message, new GrpcCaller(call, session));
      return answer.ok ? answer : err(statusOf(answer.error));
    } catch (thrown) {
      return err(statusOfThrown(name, thrown, log));
    } finally {
      stopListening();
      leave?.();
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
    if (traffic.openPolls >= traffic.openPollsMax) {
      traffic.metrics.refusedByLimit.add(1, "grpc", "polls");
      return err(tooMany("concurrent polls", traffic.openPollsMax, ResourceExhaustedScope.SYSTEM));
    }
    traffic.openPolls++;
    try {
      return await serve(request, caller);
    } finally {
      traffic.openPolls--;
      traffic.leaving.get(caller)?.();
    }
  };
}

/** Bounds the polls of each namespace as well, once it is known that the caller may poll there, and ends them when the caller may not any more. */
export function permitsPoll<Request>(
  may: Permits<Request>,
  access: RpcAccess<Request>,
  lookup: AccessLookup,
  { pollsIn, leaving, metrics }: Pick<Traffic, "pollsIn" | "leaving" | "metrics">,
): Permits<Request> {
  return async (request, caller) => {
    const permitted = await may(request, caller);
    if (!permitted.ok || access.to !== "namespace") return permitted;
    const leave = pollsIn.enter(access.namespace(request, lookup) ?? "");
    if (leave === null) {
      metrics.refusedByLimit.add(1, "grpc", pollsIn.limit);
      return err(pollsIn.refusal);
    }
    // Whoever may not poll any more gets no task, however long they have waited for one.
    const stopListening = caller.session?.onChange(async () => {
      const still = await may(request, caller);
      if (!still.ok) caller.cut?.(still.error);
    });
    leaving.set(caller, () => {
      leave();
      stopListening?.();
    });
    return permitted;
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

const tooMany = (what: string, max: number, scope: ResourceExhaustedScope): Refusal => ({
  kind: "resource-exhausted",
  message: `limit on ${what} has been reached (${max})`,
  cause: ResourceExhaustedCause.CONCURRENT_LIMIT,
  scope,
});

/** The caller gets a safe sentence and an id; the log gets the whole chain of causes under that id. */
function statusOfThrown(name: string, thrown: unknown, log: Log): Status {
  const errorId = randomUUID();
  log.error("call failed unexpectedly", { rpc: name, errorId }, thrown);
  return thrown instanceof StoreError
    ? status(Code.UNAVAILABLE, `the store is not available (error ${errorId})`)
    : status(Code.INTERNAL, `internal error (error ${errorId})`);
}

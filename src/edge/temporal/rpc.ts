import { randomUUID } from "node:crypto";
import { err, type Result } from "../../base/result.ts";
import { ResourceExhaustedCause, ResourceExhaustedScope } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import type { Refusal } from "../../protocol/refusal.ts";
import { StoreError } from "../../store/store.ts";
import { GrpcCaller } from "./caller.ts";
import { Code } from "./grpc/code.ts";
import { type Status, status } from "./grpc/status.ts";
import type { Answer } from "./grpc/unary.ts";
import type { Serve } from "./method.ts";
import { statusOf } from "./status.ts";

/** Where the edge tells what went wrong. A pino logger is one. */
export type EdgeLogger = { error(fields: object, message: string): void };

/** What all RPCs of one edge share. */
export type Traffic = {
  readonly logger: EdgeLogger;
  readonly openPollsMax: number;
  openPolls: number;
  draining: boolean;
};

/** Answers the calls of one RPC: with its response or one status, whatever the use case does. */
export function rpc(path: string, serve: Serve, traffic: Traffic): Answer {
  return async (message, call): Promise<Result<Uint8Array, Status>> => {
    try {
      const answer = await serve(message, new GrpcCaller(call));
      return answer.ok ? answer : err(statusOf(answer.error));
    } catch (thrown) {
      return err(statusOfThrown(path, thrown, traffic.logger));
    }
  };
}

/** Polls are bounded together, and refused while the server drains: their callers come back to another server, or to this one later. */
export function polling(answer: Answer, traffic: Traffic): Answer {
  return async (message, call) => {
    if (traffic.draining) return err(statusOf(shuttingDown));
    if (traffic.openPolls >= traffic.openPollsMax) return err(statusOf(tooManyPolls(traffic.openPollsMax)));
    traffic.openPolls++;
    const answered = await answer(message, call);
    traffic.openPolls--;
    return answered;
  };
}

const shuttingDown: Refusal = { kind: "unavailable", message: "server is shutting down" };

const tooManyPolls = (openPollsMax: number): Refusal => ({
  kind: "resource-exhausted",
  message: `limit on concurrent polls has been reached (${openPollsMax})`,
  cause: ResourceExhaustedCause.CONCURRENT_LIMIT,
  scope: ResourceExhaustedScope.SYSTEM,
});

/** The caller gets a safe sentence and an id; the log gets the whole chain of causes under that id. */
function statusOfThrown(path: string, thrown: unknown, logger: EdgeLogger): Status {
  const errorId = randomUUID();
  logger.error({ err: thrown, rpc: path, errorId }, "call failed unexpectedly");
  return thrown instanceof StoreError
    ? status(Code.UNAVAILABLE, `the store is not available (error ${errorId})`)
    : status(Code.INTERNAL, `internal error (error ${errorId})`);
}

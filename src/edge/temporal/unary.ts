import { randomUUID } from "node:crypto";
import { type handleUnaryCall, Metadata, type ServerErrorResponse } from "@grpc/grpc-js";
import { ResourceExhaustedCause, ResourceExhaustedScope } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import type { Refusal } from "../../protocol/refusal.ts";
import { StoreError } from "../../store/store.ts";
import { GrpcCaller } from "./caller.ts";
import { Code } from "./code.ts";
import type { Serve } from "./method.ts";
import { encodeDetails, type GrpcStatus, statusOf, trailerText } from "./status.ts";
import type { Traffic } from "./traffic.ts";

/** The gRPC handler of one RPC: bytes in; one answer or one status out, whatever the use case does. */
export function unary(path: string, serve: Serve, traffic: Traffic): handleUnaryCall<Uint8Array, Uint8Array> {
  return async (call, respond) => {
    const caller = new GrpcCaller(call, traffic);
    try {
      const answer = await serve(call.request, caller);
      if (answer.ok) respond(null, answer.value);
      else respond(errorResponse(statusOf(answer.error)));
    } catch (thrown) {
      respond(errorResponse(statusOfThrown(path, thrown, traffic)));
    } finally {
      caller.answered();
    }
  };
}

/** Polls are bounded together, and refused while the server drains: their callers come back to another server, or to this one later. */
export function polling(handle: handleUnaryCall<Uint8Array, Uint8Array>, traffic: Traffic): handleUnaryCall<Uint8Array, Uint8Array> {
  return (call, respond) => {
    if (traffic.draining) return respond(errorResponse(statusOf(drainingRefusal)));
    if (traffic.openPolls >= traffic.openPollsMax) return respond(errorResponse(statusOf(tooManyPolls(traffic.openPollsMax))));
    traffic.openPolls++;
    handle(call, (...answer) => {
      traffic.openPolls--;
      respond(...answer);
    });
  };
}

const drainingRefusal: Refusal = { kind: "unavailable", message: "server is shutting down" };

const tooManyPolls = (openPollsMax: number): Refusal => ({
  kind: "resource-exhausted",
  message: `limit on concurrent polls has been reached (${openPollsMax})`,
  cause: ResourceExhaustedCause.CONCURRENT_LIMIT,
  scope: ResourceExhaustedScope.SYSTEM,
});

/** The caller gets a safe sentence and an id; the log gets the whole chain of causes under that id. */
function statusOfThrown(path: string, thrown: unknown, { logger }: Traffic): GrpcStatus {
  const errorId = randomUUID();
  logger.error({ err: thrown, rpc: path, errorId }, "call failed unexpectedly");
  return thrown instanceof StoreError
    ? { code: Code.UNAVAILABLE, message: `the store is not available (error ${errorId})`, details: [] }
    : { code: Code.INTERNAL, message: `internal error (error ${errorId})`, details: [] };
}

function errorResponse(refused: GrpcStatus): ServerErrorResponse {
  const status = { ...refused, message: trailerText(refused.message) };
  const metadata = new Metadata();
  const details = encodeDetails(status);
  if (details !== null) metadata.set("grpc-status-details-bin", Buffer.from(details));
  return { name: "ServiceError", message: status.message, code: status.code, details: status.message, metadata };
}

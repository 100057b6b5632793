import type { Server, ServerWritableStream } from "@grpc/grpc-js";
import { err, ok } from "../../base/result.ts";
import { encode, make } from "../../protocol/codec.ts";
import {
  HealthCheckRequest,
  HealthCheckResponse,
  HealthCheckResponse_ServingStatus as Status,
} from "../../protocol/generated/health/v1/health.ts";
import { notFound } from "../../protocol/refusal.ts";
import type { UseCase } from "../../service/services.ts";
import { method } from "./method.ts";
import { receiveRaw, sendRaw } from "./raw.ts";
import type { Traffic } from "./traffic.ts";
import { unary } from "./unary.ts";

export const healthService = "grpc.health.v1.Health";

/** What load balancers and `temporal operator cluster health` are told. */
export type Health = {
  /** From now on nothing is serving. Watchers learn it and are let go, so that their streams do not hold up a drain. */
  stopServing(): void;
};

/**
 * Registers Check and Watch for the given services and for the server as a whole, which has the empty name.
 * Source: grpc/health/v1/health.proto.
 */
export function addHealth(server: Server, services: readonly string[], traffic: Traffic): Health {
  const known = new Set(["", ...services]);
  const watchers = new Set<ServerWritableStream<Uint8Array, Uint8Array>>();
  let serving = true;
  const statusOf = (service: string): Status => {
    if (!known.has(service)) return Status.SERVICE_UNKNOWN;
    return serving ? Status.SERVING : Status.NOT_SERVING;
  };

  const check: UseCase<HealthCheckRequest, HealthCheckResponse> = async ({ service }) => {
    const status = statusOf(service);
    return status === Status.SERVICE_UNKNOWN ? err(notFound(`unknown service ${service}`)) : ok(make(HealthCheckResponse, { status }));
  };
  const watch = (call: ServerWritableStream<Uint8Array, Uint8Array>): void => {
    // The watcher of an unknown service is told so and stays, since a service may come later.
    call.write(encodeStatus(statusOf(HealthCheckRequest.decode(call.request).service)));
    if (!serving) return void call.end();
    watchers.add(call);
    call.once("cancelled", () => watchers.delete(call));
  };
  const checkPath = `/${healthService}/Check`;
  server.register(checkPath, unary(checkPath, healthCheck.bind(check), traffic), sendRaw, receiveRaw, "unary");
  server.register(`/${healthService}/Watch`, watch, sendRaw, receiveRaw, "serverStream");

  return {
    stopServing() {
      serving = false;
      for (const watcher of watchers) {
        watcher.write(encodeStatus(Status.NOT_SERVING));
        watcher.end();
      }
      watchers.clear();
    },
  };
}

const healthCheck = method({ request: HealthCheckRequest, response: HealthCheckResponse, validate: () => null });

const encodeStatus = (status: Status): Uint8Array => encode(HealthCheckResponse, make(HealthCheckResponse, { status }));

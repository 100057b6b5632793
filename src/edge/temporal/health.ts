import { err, ok } from "../../base/result.ts";
import { encode, make } from "../../protocol/codec.ts";
import {
  HealthCheckRequest,
  HealthCheckResponse,
  HealthCheckResponse_ServingStatus as Status,
} from "../../protocol/generated/health/v1/health.ts";
import { invalidArgument, notFound } from "../../protocol/refusal.ts";
import { openSession } from "../../service/access/session.ts";
import type { UseCase } from "../../service/services.ts";
import { permitsAnybody } from "./authorize.ts";
import type { Handler } from "./grpc/call.ts";
import { unary } from "./grpc/unary.ts";
import { method } from "./method.ts";
import { type Authenticate, rpc, type Traffic } from "./rpc.ts";
import { statusOf } from "./status.ts";

export const healthService = "grpc.health.v1.Health";

/**
 * What load balancers and `temporal operator cluster health` ask, for each of the given services and for the server as a whole, which has
 * the empty name. Source: grpc/health/v1/health.proto.
 */
export function healthHandlers(services: readonly string[], traffic: Traffic): ReadonlyMap<string, Handler> {
  const known = new Set(["", ...services]);
  const statusNow = (service: string): Status => {
    if (!known.has(service)) return Status.SERVICE_UNKNOWN;
    return traffic.draining ? Status.NOT_SERVING : Status.SERVING;
  };
  const check: UseCase<HealthCheckRequest, HealthCheckResponse> = async ({ service }) => {
    const status = statusNow(service);
    return status === Status.SERVICE_UNKNOWN ? err(notFound(`unknown service ${service}`)) : ok(make(HealthCheckResponse, { status }));
  };
  const checkPath = `/${healthService}/Check`;
  return new Map<string, Handler>([
    [checkPath, unary(rpc("Check", healthCheck.bind(check, permitsAnybody), { ...traffic, authenticate: nobody }, traffic.callsOf))],
    [`/${healthService}/Watch`, watching(statusNow)],
  ]);
}

/** Load balancers have no credentials. */
const nobody: Authenticate = () => ok(openSession);

/** Tells the status now, and once more when the server drains. The watcher of an unknown service waits too, as it may come with the next server. */
const watching =
  (statusNow: (service: string) => Status): Handler =>
  (call) => ({
    message(request) {
      const service = requestedService(request);
      if (service === null) return call.refuse(statusOf(invalidArgument("request is not a HealthCheckRequest")));
      call.send(encodeStatus(statusNow(service)));
      call.signal.addEventListener("abort", () => call.complete(encodeStatus(statusNow(service))));
    },
    end() {},
  });

const healthCheck = method({ request: HealthCheckRequest, response: HealthCheckResponse, validate: () => null });

function requestedService(request: Uint8Array): string | null {
  try {
    return HealthCheckRequest.decode(request).service;
  } catch {
    return null;
  }
}

const encodeStatus = (status: Status): Uint8Array => encode(HealthCheckResponse, make(HealthCheckResponse, { status }));

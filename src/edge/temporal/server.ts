import { type handleUnaryCall, Server, ServerCredentials } from "@grpc/grpc-js";
import { type DurationMs, secondMs } from "../../base/time.ts";
import type { Services } from "../../service/services.ts";
import { Code } from "./code.ts";
import { addHealth, healthService } from "./health.ts";
import { refusingCompression, wordingOversize } from "./interceptors.ts";
import type { Method } from "./method.ts";
import { type Methods, operatorServiceMethods, rpcName, workflowServiceMethods } from "./methods.ts";
import { receiveRaw, sendRaw } from "./raw.ts";
import { addReflection, reflectionServices } from "./reflection.ts";
import { type TestServiceHandlers, testServiceMethods } from "./test-service.ts";
import type { EdgeLogger, Traffic } from "./traffic.ts";
import { polling, unary } from "./unary.ts";
import { unimplementedOperatorServiceRpcs, unimplementedWorkflowServiceRpcs } from "./unimplemented.ts";

export type TemporalEdgeOptions = {
  readonly services: Services;
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly logger: EdgeLogger;
  /** Given only by a test server, whose clock can skip time. */
  readonly testService?: TestServiceHandlers;
  readonly limits?: Partial<TemporalEdgeLimits>;
  /** Asks the Rust core of SDKs to send uncompressed, which it otherwise does never. For an edge that workers reach over a slow network, false. */
  readonly refuseCompression?: boolean;
};

export type TemporalEdgeLimits = {
  /** The largest request, before and after decompression. */
  readonly receiveBytesMax: number;
  readonly sendBytesMax: number;
  /** Calls open at one time on one connection; a client that shares one connection keeps further calls waiting. */
  readonly callsPerConnectionMax: number;
  /** Polls for tasks open at one time on all connections. */
  readonly openPollsMax: number;
  /** A connection that does not answer a ping within 15 s is dropped: the polls of a worker that vanished take no more tasks. */
  readonly keepaliveMs: DurationMs;
  /** After this time clients are told to connect anew, as behind a load balancer; null for never. */
  readonly connectionAgeMaxMs: DurationMs | null;
};

export const defaultLimits: TemporalEdgeLimits = {
  receiveBytesMax: 4 * 1024 * 1024,
  // What the Rust core accepts.
  sendBytesMax: 128 * 1024 * 1024,
  callsPerConnectionMax: 10_000,
  openPollsMax: 20_000,
  keepaliveMs: 30 * secondMs,
  connectionAgeMaxMs: null,
};

export type TemporalEdge = {
  readonly address: string;
  readonly port: number;
  /** Takes no new connections and polls, answers open polls empty (by their signal) and resolves when the last call is answered. */
  drain(): Promise<void>;
  /** Ends everything at once. */
  stop(): Promise<void>;
};

const workflowService = "temporal.api.workflowservice.v1.WorkflowService";
const operatorService = "temporal.api.operatorservice.v1.OperatorService";
const testServiceName = "temporal.api.testservice.v1.TestService";

/**
 * Serves Temporal's gRPC API: WorkflowService, OperatorService, health and reflection, and TestService if its handlers are given.
 * Rejects when the address cannot be bound.
 */
export async function startTemporalEdge(options: TemporalEdgeOptions): Promise<TemporalEdge> {
  const limits = { ...defaultLimits, ...options.limits };
  const server = new Server(serverOptions(limits, options.refuseCompression ?? true));
  const traffic: Traffic = {
    logger: options.logger,
    openPollsMax: limits.openPollsMax,
    openPolls: 0,
    draining: false,
    listening: new Set(),
  };

  addService(server, workflowService, workflowServiceMethods, options.services, traffic);
  addUnimplemented(server, workflowService, unimplementedWorkflowServiceRpcs);
  addService(server, operatorService, operatorServiceMethods, options.services, traffic);
  addUnimplemented(server, operatorService, unimplementedOperatorServiceRpcs);
  if (options.testService !== undefined) addService(server, testServiceName, testServiceMethods, options.testService, traffic);
  const offered = [
    workflowService,
    operatorService,
    ...(options.testService === undefined ? [] : [testServiceName]),
    healthService,
    ...reflectionServices,
  ];
  const health = addHealth(server, offered, traffic);
  const reflection = addReflection(server, offered, options.logger);

  const port = await bind(server, options.host, options.port);
  return {
    address: `${options.host}:${port}`,
    port,
    async drain() {
      traffic.draining = true;
      health.stopServing();
      reflection.close();
      for (const abort of traffic.listening) abort.abort();
      traffic.listening.clear();
      await new Promise<void>((resolve, reject) => server.tryShutdown((error) => (error === undefined ? resolve() : reject(error))));
    },
    async stop() {
      traffic.draining = true;
      for (const abort of traffic.listening) abort.abort();
      traffic.listening.clear();
      server.forceShutdown();
    },
  };
}

const serverOptions = (limits: TemporalEdgeLimits, refuseCompression: boolean) => ({
  "grpc.max_receive_message_length": limits.receiveBytesMax,
  "grpc.max_send_message_length": limits.sendBytesMax,
  "grpc.max_concurrent_streams": limits.callsPerConnectionMax,
  // Clients ping as often as they like: grpc-js counts no strikes. These two are the pings that the server sends.
  "grpc.keepalive_time_ms": limits.keepaliveMs,
  "grpc.keepalive_timeout_ms": 15 * secondMs,
  ...(limits.connectionAgeMaxMs === null ? {} : { "grpc.max_connection_age_ms": limits.connectionAgeMaxMs }),
  // Books about every call, which nobody reads here; 10 % of the cost of a small call.
  "grpc.enable_channelz": 0,
  interceptors: [wordingOversize, ...(refuseCompression ? [refusingCompression] : [])],
});

function addService<U extends object>(server: Server, service: string, methods: Methods<U>, useCases: U, traffic: Traffic): void {
  for (const name in methods) {
    const path = `/${service}/${rpcName(name)}`;
    const { poll, bind }: Method<U[typeof name]> = methods[name];
    const handle = unary(path, bind(useCases[name]), traffic);
    server.register(path, poll ? polling(handle, traffic) : handle, sendRaw, receiveRaw, "unary");
  }
}

function addUnimplemented(server: Server, service: string, names: readonly string[]): void {
  for (const name of names) {
    const details = `method ${name} is not implemented by this server`;
    const refuse: handleUnaryCall<Uint8Array, Uint8Array> = (_call, respond) => respond({ code: Code.UNIMPLEMENTED, details });
    server.register(`/${service}/${name}`, refuse, sendRaw, receiveRaw, "unary");
  }
}

const bind = (server: Server, host: string, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });

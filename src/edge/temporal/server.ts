import { err, ok } from "../../base/result.ts";
import { minuteMs, secondMs } from "../../base/time.ts";
import type { AccessLookup } from "../../service/access/access.ts";
import { openSession } from "../../service/access/session.ts";
import { type Admission, unguarded } from "../../service/fairness/admission.ts";
import type { Services } from "../../service/services.ts";
import type { TestServices } from "../../service/test-service.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { ServerTls } from "../../tls/server-tls.ts";
import { admitted } from "./admitted.ts";
import { permits } from "./authorize.ts";
import { refusingCompression } from "./compression.ts";
import type { Handler } from "./grpc/call.ts";
import { Code } from "./grpc/code.ts";
import { type GrpcLimits, startGrpcServer } from "./grpc/grpc.ts";
import { status } from "./grpc/status.ts";
import { type Answer, unary } from "./grpc/unary.ts";
import { healthHandlers, healthService } from "./health.ts";
import type { Method, RequestOf } from "./method.ts";
import { type Methods, operatorServiceMethods, rpcName, workflowServiceMethods } from "./methods.ts";
import { reflectionHandlers, reflectionServices } from "./reflection.ts";
import { type Authenticate, createTraffic, permitsPoll, polling, rpc, type Traffic } from "./rpc.ts";
import { type RpcAccess, type RpcAccessTable, rpcAccess, testServiceAccess } from "./rpc-access.ts";
import { testServiceMethods } from "./test-service.ts";

export type TemporalEdgeOptions = {
  readonly services: Services;
  /** Who calls, and what is known of what they ask about; without it everybody may do everything. */
  readonly access?: { readonly authenticate: Authenticate; readonly lookup: AccessLookup };
  /** Lets requests begin in the turn of their namespace; without it at once. */
  readonly admission?: Admission;
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "rpcs" | "rpcSeconds" | "refusedByLimit">;
  /** Given only by a test server, whose clock can skip time. */
  readonly testService?: TestServices;
  readonly limits?: Partial<TemporalEdgeLimits>;
  /**
   * Asks the Rust core of SDKs, which otherwise compresses every request, to send uncompressed: the default. False where workers reach
   * the server over a slow network.
   */
  readonly refuseCompression?: boolean;
  /** Null serves without TLS. */
  readonly tls?: ServerTls | null;
};

export type TemporalEdgeLimits = GrpcLimits & {
  /** Polls for tasks open at one time on all connections. */
  readonly openPollsMax: number;
  /** Of them, those of one principal, and those of one namespace. */
  readonly pollsPerPrincipalMax: number;
  readonly pollsPerNamespaceMax: number;
  /** Other calls of one principal that are under way at one time. */
  readonly callsPerPrincipalMax: number;
};

export const defaultLimits: TemporalEdgeLimits = {
  receiveBytesMax: 4 * 1024 * 1024,
  // What the Rust core accepts.
  sendBytesMax: 128 * 1024 * 1024,
  connectionsMax: 10_000,
  // A client that awaits the results of many workflows has a call open for each, on one connection.
  callsPerConnectionMax: 10_000,
  connectionsPerAddressMax: 1_000,
  openPollsMax: 20_000,
  pollsPerPrincipalMax: 10_000,
  pollsPerNamespaceMax: 10_000,
  callsPerPrincipalMax: 10_000,
  keepaliveMs: 30 * secondMs,
  keepaliveAnswerMsMax: 15 * secondMs,
  connectionAgeMaxMs: null,
  requestMsMax: 60 * secondMs,
  answerMsMax: 5 * minuteMs,
  firstCallMsMax: 60 * secondMs,
  receivingBytesPerAddressMax: 256 * 1024 * 1024,
};

export type TemporalEdge = {
  readonly address: string;
  readonly port: number;
  /** Takes no new connections and polls, aborts the signals of open calls, and resolves when the last of them is answered; `stop` cuts it short. */
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
  const { services, testService, host, log, metrics, refuseCompression = true, tls = null } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const { authenticate, lookup } = options.access ?? open;
  const traffic = createTraffic({ authenticate, admission: options.admission ?? unguarded, log, metrics }, limits);

  const answers = new Map([
    ...answersOf(workflowService, workflowServiceMethods, services, rpcAccess, lookup, traffic),
    ...answersOf(operatorService, operatorServiceMethods, services, rpcAccess, lookup, traffic),
    ...(testService === undefined ? [] : answersOf(testServiceName, testServiceMethods, testService, testServiceAccess, lookup, traffic)),
  ]);
  const systemInfo = answers.get(systemInfoPath);
  if (refuseCompression && systemInfo !== undefined) answers.set(systemInfoPath, refusingCompression(systemInfo));

  const offered = [
    workflowService,
    operatorService,
    ...(testService === undefined ? [] : [testServiceName]),
    healthService,
    ...reflectionServices,
  ];
  const handlers = new Map<string, Handler>([
    ...[...answers].map(([path, answer]) => [path, unary(answer)] as const),
    ...healthHandlers(offered, traffic),
    ...reflectionHandlers(offered, log),
  ]);
  const server = await startGrpcServer({
    host,
    port: options.port,
    limits,
    tls,
    handlerOf: (path) => handlers.get(path) ?? unimplemented(path, offered),
    refused: (bound) => metrics.refusedByLimit.add(1, "grpc", bound),
  });
  return {
    address: `${host}:${server.port}`,
    port: server.port,
    drain() {
      traffic.draining = true;
      return server.drain();
    },
    async stop() {
      traffic.draining = true;
      server.stop();
    },
  };
}

const systemInfoPath = `/${workflowService}/GetSystemInfo`;

/** Nobody has to say who they are. */
const open: NonNullable<TemporalEdgeOptions["access"]> = {
  authenticate: () => ok(openSession),
  lookup: { namespaceOfId: () => null, namespaceOfToken: () => null, taskQueueOf: async () => null },
};

/** The answer of each RPC of one service, by its path. */
function* answersOf<U extends object>(
  service: string,
  methods: Methods<U>,
  useCases: U,
  access: RpcAccessTable<U>,
  lookup: AccessLookup,
  traffic: Traffic,
): Generator<[path: string, answer: Answer]> {
  for (const name in methods) {
    const path = `/${service}/${rpcName(name)}`;
    const { poll, bind }: Method<U[typeof name]> = methods[name];
    const row: RpcAccess<RequestOf<U[typeof name]>> = access[name];
    const may = admitted(permits(row, lookup), row, { poll, lookup, admission: traffic.admission });
    yield [
      path,
      poll
        ? rpc(rpcName(name), polling(bind(useCases[name], permitsPoll(may, row, lookup, traffic)), traffic), traffic, traffic.pollsOf)
        : rpc(rpcName(name), bind(useCases[name], may), traffic, traffic.callsOf),
    ];
  }
}

/** Names what is missing, so that tools that probe for a feature go on without it, and people know what they asked for. */
function unimplemented(path: string, offered: readonly string[]): Handler {
  const [, service = "", name = ""] = path.split("/");
  const message = offered.includes(service) ? `method ${name} is not implemented by this server` : `unknown service ${service}`;
  return unary(async () => err(status(Code.UNIMPLEMENTED, message)));
}

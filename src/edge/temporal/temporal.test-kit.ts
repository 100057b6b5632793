import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { assert } from "../../base/assert.ts";
import { err } from "../../base/result.ts";
import { type Codec, encode, make } from "../../protocol/codec.ts";
import type { Services, UseCase } from "../../service/services.ts";
import { silentLog } from "../../telemetry/log.ts";
import { startTemporalEdge, type TemporalEdge, type TemporalEdgeOptions } from "./server.ts";

export const sendRaw = (message: Uint8Array): Buffer => Buffer.from(message);
export const receiveRaw = (message: Buffer): Uint8Array => new Uint8Array(message);

// What the tests of this folder share: an edge on a free port over use cases that a test makes up, and a client that speaks bytes.

export const workflowService = "temporal.api.workflowservice.v1.WorkflowService";

/** Every use case not given here refuses with its own name. */
export function fakeServices(given: Partial<Services>): Services {
  const refuse =
    (name: string): UseCase<unknown, never> =>
    async () =>
      err({ kind: "unimplemented", message: `no fake for ${name}` });
  return new Proxy(given, { get: (target, name: string) => Reflect.get(target, name) ?? refuse(name) }) as Services;
}

export type Edge = TemporalEdge & {
  /** Every line of the log, and every call that was counted. */
  readonly logged: readonly unknown[];
  readonly counted: readonly string[];
  readonly call: (path: string, request: Uint8Array, options?: CallOptions) => Promise<Uint8Array>;
  readonly client: Client;
};

export type CallOptions = { readonly deadline?: number; readonly metadata?: Record<string, string>; readonly signal?: AbortSignal };

export async function openEdge(services: Partial<Services>, options: Partial<TemporalEdgeOptions> = {}): Promise<Edge> {
  const logged: unknown[] = [];
  const counted: string[] = [];
  const edge = await startTemporalEdge({
    services: fakeServices(services),
    host: "127.0.0.1",
    port: 0,
    log: { ...silentLog, error: (message, fields, error) => void logged.push({ message, fields, error }) },
    metrics: {
      rpcs: { add: (_amount, rpc, code) => void counted.push(`${rpc} ${code}`) },
      rpcSeconds: { observe: () => {} },
      refusedByLimit: { add: () => {} },
    },
    ...options,
  });
  const client = openClient(edge);
  return {
    ...edge,
    logged,
    counted,
    client,
    call: (path, request, callOptions) => callRaw(client, path, request, callOptions),
    async stop() {
      client.close();
      await edge.stop();
    },
  };
}

export const openClient = (edge: TemporalEdge, options: object = {}): Client =>
  new Client(edge.address, credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
    ...options,
  });

/** The encoded answer; throws the `ServiceError` of a refused call. */
export function callRaw(
  client: Client,
  path: string,
  request: Uint8Array,
  { deadline, metadata, signal }: CallOptions = {},
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const sent = Metadata.fromHttp2Headers(metadata ?? {});
    const call = client.makeUnaryRequest(
      path,
      sendRaw,
      receiveRaw,
      request,
      sent,
      deadline === undefined ? {} : { deadline },
      (error, answer) => {
        if (error !== null) reject(error);
        else {
          assert(answer !== undefined, "an answered call has an answer");
          resolve(answer);
        }
      },
    );
    signal?.addEventListener("abort", () => call.cancel());
  });
}

/** What the caller sees of a refused call. */
export async function refused(answer: Promise<unknown>): Promise<ServiceError> {
  return answer.then(
    () => {
      throw new Error("the call was answered");
    },
    (error: ServiceError) => error,
  );
}

export const encoded = <T extends object>(codec: Codec<T>, fields: Partial<T>): Uint8Array => encode(codec, make(codec, fields));

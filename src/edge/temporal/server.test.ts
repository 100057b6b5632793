import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { afterEach, describe, expect, test } from "vitest";
import { ok } from "../../base/result.ts";
import { encode, make } from "../../protocol/codec.ts";
import {
  HealthCheckRequest,
  HealthCheckResponse,
  HealthCheckResponse_ServingStatus as Status,
} from "../../protocol/generated/health/v1/health.ts";
import { EventType } from "../../protocol/generated/temporal/api/enums/v1/event_type.ts";
import { History, HistoryEvent } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import { GetCurrentTimeResponse } from "../../protocol/generated/temporal/api/testservice/v1/request_response.ts";
import {
  GetClusterInfoResponse,
  GetSystemInfoResponse,
  GetWorkflowExecutionHistoryRequest,
  GetWorkflowExecutionHistoryResponse,
  PollWorkflowTaskQueueRequest,
  PollWorkflowTaskQueueResponse,
  RespondWorkflowTaskCompletedRequest,
  RespondWorkflowTaskCompletedResponse,
  SignalWorkflowExecutionRequest,
  SignalWorkflowExecutionResponse,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { Caller, Services } from "../../service/services.ts";
import { StoreError } from "../../store/store.ts";
import { loadDescriptors } from "./descriptors.ts";
import { Code } from "./grpc/code.ts";
import { callRaw, type Edge, encoded, openEdge, receiveRaw, refused, sendRaw, workflowService } from "./temporal.test-kit.ts";

const path = (rpc: string): string => `/${workflowService}/${rpc}`;
const empty = new Uint8Array(0);
const execution = { workflowId: "order-7", runId: "" };
const taskQueue = { name: "orders", kind: 0, normalName: "" } as const;
const history = make(History, { events: [make(HistoryEvent, { eventId: 1, eventType: EventType.WORKFLOW_EXECUTION_STARTED })] });
const historyBytes = encode(History, history);

let edge: Edge | undefined;
const open = async (...options: Parameters<typeof openEdge>): Promise<Edge> => {
  edge = await openEdge(...options);
  return edge;
};
afterEach(() => edge?.stop());

describe("answers", () => {
  test("a request reaches its use case, and the answer its caller", async () => {
    const asked: SignalWorkflowExecutionRequest[] = [];
    const { call } = await open({
      signalWorkflowExecution: async (request) => {
        asked.push(request);
        return ok(make(SignalWorkflowExecutionResponse));
      },
    });
    const request = make(SignalWorkflowExecutionRequest, { namespace: "default", workflowExecution: execution, signalName: "ship" });
    expect(await call(path("SignalWorkflowExecution"), encode(SignalWorkflowExecutionRequest, request))).toEqual(empty);
    expect(asked).toEqual([request]);
  });

  test.each([
    [
      "PollWorkflowTaskQueue",
      encoded(PollWorkflowTaskQueueRequest, { namespace: "default", taskQueue }),
      (bytes: Uint8Array) => PollWorkflowTaskQueueResponse.decode(bytes).history,
    ],
    [
      "GetWorkflowExecutionHistory",
      encoded(GetWorkflowExecutionHistoryRequest, { namespace: "default", execution }),
      (bytes: Uint8Array) => GetWorkflowExecutionHistoryResponse.decode(bytes).history,
    ],
    [
      "RespondWorkflowTaskCompleted",
      encoded(RespondWorkflowTaskCompletedRequest, { taskToken: Uint8Array.of(1) }),
      (bytes: Uint8Array) => RespondWorkflowTaskCompletedResponse.decode(bytes).workflowTask?.history,
    ],
  ])("%s carries the stored bytes of a history", async (rpc, request, historyOf) => {
    const task = make(PollWorkflowTaskQueueResponse, { taskToken: Uint8Array.of(7) });
    const { call } = await open({
      pollWorkflowTaskQueue: async () => ok({ response: task, history: historyBytes }),
      getWorkflowExecutionHistory: async () => ok({ response: make(GetWorkflowExecutionHistoryResponse), history: historyBytes }),
      respondWorkflowTaskCompleted: async () =>
        ok({ response: make(RespondWorkflowTaskCompletedResponse, { workflowTask: task, resetHistoryEventId: 3 }), history: historyBytes }),
    });
    expect(historyOf(await call(path(rpc), request))).toEqual(history);
  });

  test("calls are counted by RPC and code", async () => {
    const { call, counted } = await open({ getSystemInfo: async () => ok(make(GetSystemInfoResponse)) });
    await call(path("GetSystemInfo"), empty);
    await refused(call(path("GetClusterInfo"), empty));
    await refused(call(path("CreateSchedule"), empty));
    expect(counted).toEqual(["GetSystemInfo OK", "GetClusterInfo UNIMPLEMENTED"]);
  });

  test("a test server has TestService, any other has not", async () => {
    const getCurrentTime = async () => ok(make(GetCurrentTimeResponse));
    const refuse = async () => Promise.reject(new Error("not asked"));
    const testService = {
      getCurrentTime,
      lockTimeSkipping: refuse,
      unlockTimeSkipping: refuse,
      sleep: refuse,
      sleepUntil: refuse,
      unlockTimeSkippingWithSleep: refuse,
    };
    const rpc = "/temporal.api.testservice.v1.TestService/GetCurrentTime";
    const testServer = await open({}, { testService });
    expect(await testServer.call(rpc, empty)).toEqual(empty);
    await testServer.stop();
    expect((await refused((await open({})).call(rpc, empty))).code).toBe(Code.UNIMPLEMENTED);
  });
});

describe("refusals", () => {
  test.each([
    [path("CreateSchedule"), "method CreateSchedule is not implemented by this server"],
    ["/temporal.api.operatorservice.v1.OperatorService/ListClusters", "method ListClusters is not implemented by this server"],
  ])("%s is refused by name", async (rpc, message) => {
    const { code, details } = await refused((await open({})).call(rpc, empty));
    expect([code, details]).toEqual([Code.UNIMPLEMENTED, message]);
  });

  test("no RPC of the protocol is unknown", async () => {
    const { call } = await open({});
    const { FileDescriptorProto } = await import("../../protocol/generated/google/protobuf/descriptor.ts");
    const descriptors = await loadDescriptors();
    for (const name of ["workflowservice.v1.WorkflowService", "operatorservice.v1.OperatorService"]) {
      const [file = empty] = descriptors.files(descriptors.fileOfSymbol(`temporal.api.${name}`) ?? "");
      const methods = FileDescriptorProto.decode(file).service[0]?.method ?? [];
      expect(methods.length).toBeGreaterThan(10);
      for (const { name: rpc } of methods) {
        const { details } = await refused(call(`/temporal.api.${name}/${rpc}`, Uint8Array.of(0xff)));
        expect(details).toMatch(/^request is not a valid protobuf message|is not implemented by this server$/);
      }
    }
  });

  test("bytes that are no message are an invalid argument", async () => {
    const { call } = await open({});
    const { code, details } = await refused(call(path("StartWorkflowExecution"), Uint8Array.of(0x0a, 0x7f, 1, 2, 3)));
    expect(code).toBe(Code.INVALID_ARGUMENT);
    expect(details).toMatch(/^request is not a valid protobuf message: /);
  });

  test("a malformed request does not reach its use case", async () => {
    const { call } = await open({});
    const { code, details } = await refused(call(path("SignalWorkflowExecution"), encoded(SignalWorkflowExecutionRequest, {})));
    expect([code, details]).toEqual([Code.INVALID_ARGUMENT, "Namespace is not set on request."]);
  });

  test.each([
    ["sent as it is", (bytes: Buffer) => bytes, "identity", /^grpc: received message larger than max/],
    ["sent compressed", gzipSync, "gzip", /^grpc: received message after decompression larger than max/],
  ])("a message over the limit, %s, is refused with the text that the Rust core knows", async (_how, pack, encoding, text) => {
    const { port } = await open({}, { limits: { receiveBytesMax: 1_000 } });
    const trailers = await callHttp2(port, path("GetClusterInfo"), pack(Buffer.alloc(100_000)), { "grpc-encoding": encoding });
    expect(trailers["grpc-status"]).toBe(String(Code.RESOURCE_EXHAUSTED));
    expect(decodeURI(String(trailers["grpc-message"]))).toMatch(text);
  });

  test.each([
    ["an unexpected error", new Error("secret: table runs"), Code.INTERNAL, /^internal error \(error [0-9a-f-]{36}\)$/],
    ["a broken store", new StoreError("secret: disk full"), Code.UNAVAILABLE, /^the store is not available \(error [0-9a-f-]{36}\)$/],
  ])("%s tells its caller nothing but an id, under which the log has the cause", async (_what, thrown, code, text) => {
    const { call, logged } = await open({ getSystemInfo: async () => Promise.reject(thrown) });
    const error = await refused(call(path("GetSystemInfo"), empty));
    expect([error.code, error.details]).toEqual([code, expect.stringMatching(text)]);
    expect(logged).toEqual([
      { message: "call failed unexpectedly", fields: { rpc: "GetSystemInfo", errorId: error.details.slice(-37, -1) }, error: thrown },
    ]);
  });

  test("garbage on the port closes that connection, and the server lives on", async () => {
    const { port, call } = await open({ getSystemInfo: async () => ok(make(GetSystemInfoResponse)) });
    const socket = connect(port, "127.0.0.1")
      .on("error", () => {})
      .resume();
    socket.write(Buffer.from("GET / HTTP/1.1\r\n\r\n\0\x01\x02".repeat(1_000)));
    await once(socket, "close");
    expect(await call(path("GetSystemInfo"), empty)).toEqual(empty);
  });
});

describe("compression", () => {
  const core = { "user-agent": "tonic/0.14.2", "client-name": "temporal-typescript", "grpc-encoding": "gzip" };
  const rows = [
    // who                               headers                                            rpc                refuse  status
    ["the Rust core's first call", core, "GetSystemInfo", true, Code.UNIMPLEMENTED],
    ["its other calls", core, "GetClusterInfo", true, Code.OK],
    ["it, where compression is welcome", core, "GetSystemInfo", false, Code.OK],
    ["it, uncompressed", { ...core, "grpc-encoding": "identity" }, "GetSystemInfo", true, Code.OK],
    ["another client", { ...core, "user-agent": "grpc-go/1.70" }, "GetSystemInfo", true, Code.OK],
  ] as const;
  test.each(rows)("%s", async (_who, headers, rpc, refuseCompression, status) => {
    const { port } = await open(
      { getSystemInfo: async () => ok(make(GetSystemInfoResponse)), getClusterInfo: async () => ok(make(GetClusterInfoResponse)) },
      { refuseCompression },
    );
    const body = headers["grpc-encoding"] === "gzip" ? gzipSync(empty) : Buffer.alloc(0);
    const trailers = await callHttp2(port, path(rpc), body, headers);
    expect(Number(trailers["grpc-status"])).toBe(status);
    if (status !== Code.OK) expect(decodeURI(String(trailers["grpc-message"]))).toContain("grpc-encoding");
  });
});

describe("the caller", () => {
  const poll = encoded(PollWorkflowTaskQueueRequest, { namespace: "default", taskQueue });
  const nothing = { response: make(PollWorkflowTaskQueueResponse), history: null };

  /** A poll that finds no work, and the caller of the last one. */
  const waiting = () => {
    const { promise: polled, resolve } = withResolvers<Caller>();
    const { promise: answered, resolve: answer } = withResolvers<void>();
    const services: Partial<Services> = {
      pollWorkflowTaskQueue: async (_request, caller) => {
        resolve(caller);
        await new Promise<void>((aborted) => {
          if (caller.signal.aborted) aborted();
          caller.signal.addEventListener("abort", () => aborted());
        });
        answer();
        return ok(nothing);
      },
    };
    return { services, polled, answered };
  };

  test("is known by its metadata and deadline", async () => {
    const { services, polled } = waiting();
    const { call } = await open(services);
    const deadline = Date.now() + 5_000;
    const gone = new AbortController();
    const answer = refused(
      call(path("PollWorkflowTaskQueue"), poll, {
        deadline,
        metadata: { "client-name": "temporal-go", "client-version": "1.30.0" },
        signal: gone.signal,
      }),
    );
    const caller = await polled;
    expect([caller.clientName, caller.clientVersion]).toEqual(["temporal-go", "1.30.0"]);
    expect(Math.abs((caller.deadline ?? 0) - deadline)).toBeLessThan(1_000);
    gone.abort();
    await answer;
  });

  test("has no deadline and no name if it sends none", async () => {
    const { services, polled } = waiting();
    const { call, drain } = await open(services);
    const answer = call(path("PollWorkflowTaskQueue"), poll);
    expect(await polled).toMatchObject({ clientName: "", clientVersion: "", deadline: null });
    await drain();
    await answer;
  });

  test("aborts its signal by going away", async () => {
    const { services, polled, answered } = waiting();
    const { call } = await open(services);
    const gone = new AbortController();
    const error = refused(call(path("PollWorkflowTaskQueue"), poll, { signal: gone.signal }));
    await polled;
    gone.abort();
    expect((await error).code).toBe(Code.CANCELLED);
    await answered;
  });

  test("aborts its signal by its deadline", async () => {
    const { services, answered } = waiting();
    const { call } = await open(services);
    const error = refused(call(path("PollWorkflowTaskQueue"), poll, { deadline: Date.now() + 50 }));
    expect((await error).code).toBe(Code.DEADLINE_EXCEEDED);
    await answered;
  });

  test("that was answered does not abort its signal", async () => {
    const { promise: called, resolve } = withResolvers<Caller>();
    const { call } = await open({
      getSystemInfo: async (_request, caller) => {
        expect(caller.signal.aborted).toBe(false);
        resolve(caller);
        return ok(make(GetSystemInfoResponse));
      },
    });
    await call(path("GetSystemInfo"), empty);
    await call(path("GetSystemInfo"), empty);
    expect((await called).signal.aborted).toBe(false);
  });

  test("polls in vain where as many polls are open as may be", async () => {
    const { services, polled } = waiting();
    const { call, drain } = await open(services, { limits: { openPollsMax: 1 } });
    const first = call(path("PollWorkflowTaskQueue"), poll);
    await polled;
    const error = await refused(call(path("PollWorkflowTaskQueue"), poll));
    expect([error.code, error.details]).toEqual([Code.RESOURCE_EXHAUSTED, "limit on concurrent polls has been reached (1)"]);
    await drain();
    await first;
  });

  test("gets an empty answer to its poll when the server drains, and finds the port closed afterwards", async () => {
    const { services, polled } = waiting();
    const { call, drain, client } = await open(services);
    const answer = call(path("PollWorkflowTaskQueue"), poll);
    await polled;
    await drain();
    expect(await answer).toEqual(empty);
    const late = await refused(callRaw(client, path("GetSystemInfo"), empty, { deadline: Date.now() + 5_000 }));
    expect(late.code).toBe(Code.UNAVAILABLE);
  });

  test("gets its answer in flight while the server drains", async () => {
    const { promise: asked, resolve: ask } = withResolvers<void>();
    const { promise: mayAnswer, resolve: letAnswer } = withResolvers<void>();
    const { call, drain } = await open({
      getSystemInfo: async () => {
        ask();
        await mayAnswer;
        return ok(make(GetSystemInfoResponse, { serverVersion: "1.2.3" }));
      },
    });
    const answer = call(path("GetSystemInfo"), empty);
    await asked;
    const drained = drain();
    letAnswer();
    await drained;
    expect(GetSystemInfoResponse.decode(await answer).serverVersion).toBe("1.2.3");
  });
});

describe("health", () => {
  test.each([
    ["", Status.SERVING],
    [workflowService, Status.SERVING],
    ["temporal.api.operatorservice.v1.OperatorService", Status.SERVING],
    ["grpc.health.v1.Health", Status.SERVING],
  ])("of %j", async (service, status) => {
    const { call } = await open({});
    const answer = await call("/grpc.health.v1.Health/Check", encoded(HealthCheckRequest, { service }));
    expect(HealthCheckResponse.decode(answer).status).toBe(status);
  });

  test("of a service that is not here is not found", async () => {
    const { call } = await open({});
    const error = await refused(call("/grpc.health.v1.Health/Check", encoded(HealthCheckRequest, { service: "x" })));
    expect([error.code, error.details]).toEqual([Code.NOT_FOUND, "unknown service x"]);
  });

  test("is watched until the server drains", async () => {
    const { client, drain } = await open({});
    const statuses: Status[] = [];
    const watch = client.makeServerStreamRequest("/grpc.health.v1.Health/Watch", sendRaw, receiveRaw, encoded(HealthCheckRequest, {}));
    watch.on("data", (bytes: Uint8Array) => statuses.push(HealthCheckResponse.decode(bytes).status));
    await once(watch, "data");
    const ended = once(watch, "end");
    await drain();
    await ended;
    expect(statuses).toEqual([Status.SERVING, Status.NOT_SERVING]);
  });
});

describe("reflection", () => {
  const versions = ["v1", "v1alpha"];
  const tag = (fieldNumber: number) => (fieldNumber << 3) | 2;
  const ask = (fieldNumber: number, name: string) => new BinaryWriter().uint32(tag(fieldNumber)).string(name).finish();

  /** Field number → bytes of the last field with it. */
  const fieldsOf = (message: Uint8Array): Map<number, Uint8Array> => {
    const reader = new BinaryReader(message);
    const fields = new Map<number, Uint8Array>();
    while (reader.pos < reader.len) {
      const [fieldNumber, wireType] = reader.tag();
      if (wireType === 2) fields.set(fieldNumber, reader.bytes());
      else reader.skip(wireType);
    }
    return fields;
  };

  test.each(versions)("%s lists the services, and describes a symbol with all that it depends on", async (version) => {
    const { client } = await open({});
    const talk = client.makeBidiStreamRequest(`/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`, sendRaw, receiveRaw);
    const answers: Uint8Array[] = [];
    talk.on("data", (answer: Uint8Array) => answers.push(answer));
    talk.write(ask(7, "*"));
    talk.write(ask(4, `${workflowService}.StartWorkflowExecution`));
    talk.write(ask(3, "google/protobuf/timestamp.proto"));
    talk.write(ask(4, "no.such.Symbol"));
    talk.end();
    await once(talk, "end");
    const [services, files, file, error] = answers.map(fieldsOf);
    expect(Buffer.from(services?.get(6) ?? empty).toString()).toContain(workflowService);
    expect(files?.get(4)?.length).toBeGreaterThan(100_000);
    expect(Buffer.from(file?.get(4) ?? empty).toString()).toContain("google.protobuf");
    expect(Buffer.from(error?.get(7) ?? empty).toString()).toContain("symbol no.such.Symbol is not known");
  });

  test("an open conversation does not hold up a drain", async () => {
    const { client, drain } = await open({});
    const talk = client.makeBidiStreamRequest("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", sendRaw, receiveRaw);
    talk.write(ask(7, "*"));
    await once(talk, "data");
    const ended = once(talk, "end");
    talk.resume();
    await drain();
    await ended;
  });
});

/** One call with a message and headers that grpc-js would not send; the trailers of the answer. */
async function callHttp2(
  port: number,
  rpc: string,
  message: Uint8Array,
  headers: Record<string, string>,
): Promise<Record<string, unknown>> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  const frame = Buffer.concat([Buffer.alloc(5), message]);
  frame[0] = headers["grpc-encoding"] === "gzip" ? 1 : 0;
  frame.writeUInt32BE(message.length, 1);
  const stream = session.request({ ":method": "POST", ":path": rpc, "content-type": "application/grpc", te: "trailers", ...headers });
  const { promise: status, resolve } = withResolvers<Record<string, unknown>>();
  // A refusal is one block of headers, an answer has them in front and trailers behind.
  stream.on("response", (received) => "grpc-status" in received && resolve(received));
  stream.on("trailers", resolve);
  stream.on("error", () => {});
  stream.resume();
  stream.end(frame);
  try {
    return await status;
  } finally {
    session.destroy();
  }
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

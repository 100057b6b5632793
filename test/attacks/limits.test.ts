import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { encode, make } from "../../src/protocol/codec.ts";
import {
  GetWorkflowExecutionHistoryRequest,
  ListWorkflowExecutionsRequest,
  StartWorkflowExecutionRequest,
} from "../../src/protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { grpcCall, inTenant, startTarget, type Target, workflowService } from "./attack-server.ts";

// What one principal has under way at one time. Polls and connections: grpc.test.ts, http.test.ts. Quotas of namespaces have tests of their own.

let target: Target;
beforeAll(async () => {
  target = await startTarget({ rest: { concurrentRequests: 3 }, grpc: { callsPerPrincipalMax: 3 } });
});
afterAll(() => target.stop());

const refusals = (port: string, limit: string): number =>
  Number(new RegExp(`holdfast_refused_by_limit_total\\{port="${port}",limit="${limit}"\\} (\\d+)`).exec(target.metrics())?.[1] ?? 0);

test("requests, streams and sockets of one principal are bounded together, and leave others theirs", async () => {
  const [ada, bob] = await Promise.all([1, 2].map(() => target.key(inTenant("default", "developer"))));
  const headers = { "x-api-key": ada?.text ?? "" };
  const url = `${target.url}/api/v1/stream`;
  const leaving = new AbortController();
  const events = await Promise.all([1, 2].map(() => fetch(url, { headers, signal: leaving.signal })));
  expect(events.map(({ status }) => status)).toEqual([200, 200]);
  const socket = new WebSocket(url.replace("http", "ws"), { headers });
  await new Promise((opened, failed) => socket.once("open", opened).once("error", failed));

  const jobs = (key: string) => fetch(`${target.url}/api/v1/jobs`, { headers: { "x-api-key": key } });
  const refused = await jobs(ada?.text ?? "");
  expect(refused.status).toBe(429);
  expect(refused.headers.get("retry-after")).toBe("1");
  expect(await refused.json()).toMatchObject({ code: "too-many-requests-under-way" });
  const another = new WebSocket(url.replace("http", "ws"), { headers });
  another.on("error", () => {});
  expect(await new Promise((resolve) => another.once("unexpected-response", (_, { statusCode }) => resolve(statusCode)))).toBe(429);
  expect(refusals("http", "concurrency")).toBe(2);
  expect((await jobs(bob?.text ?? "")).status).toBe(200);

  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.close();
  await closed;
  leaving.abort();
  await expect.poll(async () => (await jobs(ada?.text ?? "")).status).toBe(200);
});

test("calls of one principal are bounded, and leave others theirs", async () => {
  const [ada, bob] = await Promise.all([1, 2].map(() => target.key(inTenant("default", "developer"))));
  const call = (name: string, message: Uint8Array, key = ada?.text ?? "", signal = new AbortController().signal) =>
    grpcCall(target.grpcPort, `${workflowService}/${name}`, message, { authorization: `Bearer ${key}` }, { signal });
  const start = make(StartWorkflowExecutionRequest, {
    namespace: "default",
    workflowId: "waits",
    requestId: "r",
    workflowType: { name: "Waits" },
    taskQueue: { name: "nobody", kind: 1, normalName: "" },
  });
  expect((await call("StartWorkflowExecution", encode(StartWorkflowExecutionRequest, start))).code).toBe(0);
  const wait = make(GetWorkflowExecutionHistoryRequest, {
    namespace: "default",
    execution: { workflowId: "waits", runId: "" },
    waitNewEvent: true,
    historyEventFilterType: 2,
  });
  const leaving = new AbortController();
  const waiting = [1, 2, 3].map(() =>
    call("GetWorkflowExecutionHistory", encode(GetWorkflowExecutionHistoryRequest, wait), undefined, leaving.signal),
  );
  const list = encode(ListWorkflowExecutionsRequest, make(ListWorkflowExecutionsRequest, { namespace: "default" }));
  await expect.poll(async () => (await call("ListWorkflowExecutions", list)).code).toBe(8);
  expect((await call("ListWorkflowExecutions", list)).message).toBe("limit on concurrent calls of one principal has been reached (3)");
  expect(refusals("grpc", "calls-per-principal")).toBeGreaterThan(1);
  expect((await call("ListWorkflowExecutions", list, bob?.text)).code).toBe(0);
  leaving.abort();
  await Promise.all(waiting);
  await expect.poll(async () => (await call("ListWorkflowExecutions", list)).code).toBe(0);
});

import { randomBytes } from "node:crypto";
import { NativeConnection } from "@temporalio/worker";
import { afterEach, expect, test } from "vitest";
import { ok } from "../../base/result.ts";
import { refusingCompression } from "./compression.ts";
import { Code } from "./grpc/code.ts";
import { type GrpcServer, startGrpcServer } from "./grpc/grpc.ts";
import { type Answer, unary } from "./grpc/unary.ts";
import { defaultLimits } from "./server.ts";
import { workflowService } from "./temporal.test-kit.ts";

// The Rust core of the published SDK as the client: what it makes of our answers.

let server: GrpcServer | undefined;
let connection: NativeConnection | undefined;
afterEach(async () => {
  await connection?.close();
  server?.stop();
});

/** Serves empty answers to the core, and tells the calls it made. */
async function connectCore(wrapSystemInfo: (answer: Answer) => Answer) {
  const calls: string[] = [];
  const empty: Answer = async () => ok(new Uint8Array(0));
  server = await startGrpcServer({
    host: "127.0.0.1",
    port: 0,
    limits: defaultLimits,
    handlerOf: (path) => (call) => {
      const name = path.slice(workflowService.length + 2);
      calls.push(`${name} ${call.header("grpc-encoding") || "identity"}`);
      return unary(name === "GetSystemInfo" ? wrapSystemInfo(empty) : empty)(call);
    },
  });
  connection = await NativeConnection.connect({ address: `127.0.0.1:${server.port}` });
  return { calls, connection };
}

const signal = { namespace: "default", workflowExecution: { workflowId: "order-7" }, signalName: "ship" };

test.each([
  ["compresses every request", (answer: Answer) => answer, ["GetSystemInfo gzip", "SignalWorkflowExecution gzip"]],
  [
    "compresses nothing once it was refused",
    refusingCompression,
    ["GetSystemInfo gzip", "GetSystemInfo identity", "SignalWorkflowExecution identity"],
  ],
])("it %s", async (_rule, wrapSystemInfo, expected) => {
  const { calls, connection } = await connectCore(wrapSystemInfo);
  await connection.workflowService.signalWorkflowExecution(signal);
  expect(calls).toEqual(expected);
});

test("it does not send a message again that was refused for its size", async () => {
  const { calls, connection } = await connectCore(refusingCompression);
  const input = { payloads: [{ data: randomBytes(defaultLimits.receiveBytesMax) }] };
  const call = connection.workflowService.signalWorkflowExecution({ ...signal, input });
  await expect(call).rejects.toMatchObject({
    code: Code.RESOURCE_EXHAUSTED,
    message: expect.stringContaining("grpc: received message larger than max"),
  });
  expect(calls.filter((name) => name.startsWith("SignalWorkflowExecution"))).toHaveLength(1);
});

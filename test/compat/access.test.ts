import { Client, Connection, isGrpcServiceError, type WorkflowHandle } from "@temporalio/client";
import { NativeConnection, Worker } from "@temporalio/worker";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Codec, encode, make } from "../../src/protocol/codec.ts";
import { TaskToken } from "../../src/protocol/generated/holdfast/state/v1/state.ts";
import {
  Command,
  RequestCancelExternalWorkflowExecutionCommandAttributes,
  SignalExternalWorkflowExecutionCommandAttributes,
  StartChildWorkflowExecutionCommandAttributes,
} from "../../src/protocol/generated/temporal/api/command/v1/message.ts";
import { CommandType } from "../../src/protocol/generated/temporal/api/enums/v1/command_type.ts";
import { TaskQueueKind } from "../../src/protocol/generated/temporal/api/enums/v1/task_queue.ts";
import { TaskQueue } from "../../src/protocol/generated/temporal/api/taskqueue/v1/message.ts";
import * as service from "../../src/protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { authority, type Issued } from "../../src/tls/certificate.test-kit.ts";
import { type AccessServer, foreign, own, startAccessServer } from "../access/access-server.ts";
import { type Ended, type Headers, openGrpc, openHttp } from "../access/raw-client.ts";
import { bundleOf, eventNamed, rejectionOf, unique, until } from "./kit.ts";
import { enough, listener, note } from "./workflows/signals.ts";

// The published client and worker, and plain HTTPS, at a server that asks everybody who they are.

const policy = `
version: v1
default_decision: allow
rules:
  - id: ada-is-new-here
    match: { kinds: [workflow-start], actor_ids: [ada] }
    decision: REQUIRE_APPROVAL
    reason: somebody looks at what ada starts
  - id: no-payments-by-eve
    match: { topics: [job.pay], actor_ids: [eve] }
    decision: DENY
    reason: eve does not pay
`;

/** A certificate of theirs stands for people of these names. */
const developers = { subject: "*", id: "{cn}", kind: "human", namespaces: [own], roles: ["developer"], taskQueues: null } as const;

let server: AccessServer;
let bundle: { readonly code: string };
beforeAll(async () => {
  server = await startAccessServer({ policy, certificates: [developers] });
  bundle = await bundleOf("signals");
});
afterAll(() => server.stop());

type Credential = { readonly apiKey?: string; readonly certificate?: Issued };
const headersOf = ({ apiKey }: Credential): Headers => (apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` });

function connectionOf({ apiKey, certificate }: Credential) {
  const tls = {
    serverRootCACertificate: Buffer.from(server.ca.certificatePem),
    ...(certificate === undefined
      ? {}
      : { clientCertPair: { crt: Buffer.from(certificate.certificatePem), key: Buffer.from(certificate.keyPem) } }),
  };
  return { address: server.grpc, tls, ...(apiKey === undefined ? {} : { apiKey }) };
}

async function withClient<T>(credential: Credential, use: (client: Client) => Promise<T>, identity?: string): Promise<T> {
  const connection = await Connection.connect(connectionOf(credential));
  const client = new Client({ connection, namespace: own, ...(identity === undefined ? {} : { identity }) });
  return use(client).finally(() => connection.close());
}

async function whileWorking<T>(credential: Credential, taskQueue: string, use: () => Promise<T>): Promise<T> {
  const connection = await NativeConnection.connect(connectionOf(credential));
  const worker = await Worker.create({ connection, namespace: own, taskQueue, workflowBundle: bundle, shutdownGraceTime: "100ms" });
  return worker.runUntil(use).finally(() => connection.close());
}

const keyOf = async (
  principal: string,
  roles: readonly string[],
  given: { readonly taskQueues?: readonly string[] } = {},
): Promise<Credential> => {
  const { text } = await server.key({ principal, kind: "human", grants: [{ namespaces: [own], roles }], ...given });
  return { apiKey: text };
};

const credentials: { readonly [what: string]: (name: string) => Promise<Credential> } = {
  "a key": (name) => keyOf(name, ["developer"]),
  "a token": async (sub) => ({ apiKey: await server.issuer.token(Date.now(), { sub, roles: ["developer"], namespaces: [own] }) }),
  "a certificate": async (commonName) => ({ certificate: server.ca.issue({ commonName }) }),
};

const workflowService = "temporal.api.workflowservice.v1.WorkflowService";
const [OK, INVALID_ARGUMENT, PERMISSION_DENIED] = [0, 3, 7];

/** One call of a raw client with this credential. */
async function call<T extends object>(credential: Credential, rpc: string, codec: Codec<T>, fields: Partial<T>): Promise<Ended> {
  const client = openGrpc(server.grpc, { ca: server.ca.certificatePem, certificate: credential.certificate });
  return client.call(`/${workflowService}/${rpc}`, encode(codec, make(codec, fields)), headersOf(credential)).finally(client.close);
}

/** What the history says of who caused an event. */
async function causedBy(handle: WorkflowHandle, event: string) {
  const { principal } = await eventNamed(handle, event);
  return { type: principal?.type, name: principal?.name };
}

describe.each([
  ["a key", "api-key"],
  ["a token", "jwt"],
  ["a certificate", "certificate"],
] as const)("with %s", (what, type) => {
  const credential = credentials[what] as (typeof credentials)[string];

  test("the published client and worker run a workflow, whose events say who caused them", async () => {
    const grace = await credential("grace");
    const taskQueue = unique("access");
    await withClient(
      grace,
      (client) =>
        whileWorking(grace, taskQueue, async () => {
          const started = { taskQueue, workflowId: unique("listener") };
          const handle = await client.workflow.start(listener, started);
          await handle.signal(note, 7);
          await handle.signal(enough);
          expect(await handle.result()).toEqual([7]);
          for (const event of ["WorkflowExecutionStarted", "WorkflowExecutionSignaled"])
            expect(await causedBy(handle, event)).toEqual({ type, name: "grace" });

          const other = await client.workflow.start(listener, { ...started, workflowId: unique("listener") });
          await other.cancel();
          expect(await causedBy(other, "WorkflowExecutionCancelRequested")).toEqual({ type, name: "grace" });
          const third = await client.workflow.start(listener, { ...started, workflowId: unique("listener") });
          await third.terminate("enough");
          expect(await causedBy(third, "WorkflowExecutionTerminated")).toEqual({ type, name: "grace" });
        }),
      "somebody else",
    );
  });

  test("plain HTTPS is answered, where it has the right", async () => {
    const grace = await credential("grace");
    const http = openHttp(server.http, { ca: server.ca.certificatePem, certificate: grace.certificate });
    const ask = async (path: string, tenant: string) =>
      (await http.ask("GET", path, { headers: { ...headersOf(grace), "x-tenant-id": tenant } })).status;
    expect(await ask("/api/v1/workflow-runs", own)).toBe(200);
    expect(await ask("/api/v1/workflow-runs", foreign)).toBe(403);
    expect(await ask("/api/v1/status", own)).toBe(403);
    http.close();
  });
});

describe("without a credential", () => {
  test("neither client nor worker connects", async () => {
    await expect(Connection.connect(connectionOf({}))).rejects.toThrow();
    await expect(NativeConnection.connect(connectionOf({}))).rejects.toThrow();
    await expect(NativeConnection.connect(connectionOf({ apiKey: `hfk_${"2".repeat(16)}_${"A".repeat(43)}` }))).rejects.toThrow();
  });

  test("a certificate of another authority does not make a connection", async () => {
    const certificate = authority("another").issue({ commonName: "grace" });
    await expect(NativeConnection.connect(connectionOf({ certificate }))).rejects.toThrow();
  });

  test("a client hears in Temporal's words that it may not", async () => {
    const auditor = await keyOf("ivy", ["auditor"]);
    const error = await withClient(auditor, (client) =>
      rejectionOf(client.workflow.start(listener, { taskQueue: "orders", workflowId: unique("listener") })),
    );
    const { cause } = error as Error;
    expect(isGrpcServiceError(cause) && cause).toMatchObject({ code: PERMISSION_DENIED, details: "Request unauthorized." });
  });
});

describe("a worker of one task queue", () => {
  const orders = unique("orders");
  const payments = unique("payments");
  let developer: Credential;
  let worker: Credential;
  beforeAll(async () => {
    developer = await keyOf("grace", ["developer"]);
    worker = await keyOf("orders-worker", ["worker"], { taskQueues: [orders] });
  });

  const poll = (rpc: "Workflow" | "Activity", name: string, { kind = TaskQueueKind.NORMAL as TaskQueueKind, normalName = "" } = {}) => {
    const taskQueue = make(TaskQueue, { name, kind, normalName });
    return rpc === "Workflow"
      ? call(worker, "PollWorkflowTaskQueue", service.PollWorkflowTaskQueueRequest, { namespace: own, taskQueue })
      : call(worker, "PollActivityTaskQueue", service.PollActivityTaskQueueRequest, { namespace: own, taskQueue });
  };

  test("runs the workflows of that queue", async () => {
    await withClient(developer, (client) =>
      whileWorking(worker, orders, async () => {
        const handle = await client.workflow.start(listener, { taskQueue: orders, workflowId: unique("listener") });
        await handle.signal(enough);
        expect(await handle.result()).toEqual([]);
        // The worker's queries are answered from its sticky queue.
        expect(await handle.query("noted")).toEqual([]);
      }),
    );
  });

  const sticky = TaskQueueKind.STICKY;
  const suffix = "0123456789abcdef0123456789abcdef";
  test.each([
    ["another queue", () => ({ name: payments })],
    ["another queue that is said to be sticky", () => ({ name: payments, kind: sticky, normalName: orders })],
    ["another queue with the name of its own beside it", () => ({ name: payments, normalName: orders })],
    ["a sticky queue of another", () => ({ name: `worker-${suffix}`, kind: sticky, normalName: payments })],
    ["a sticky queue of none", () => ({ name: `worker-${suffix}`, kind: sticky })],
    ["a name that begins as its own", () => ({ name: `${orders}-2` })],
  ])("is refused %s", async (_what, queue) => {
    const { name, ...more } = queue() as { readonly name: string; readonly kind?: TaskQueueKind; readonly normalName?: string };
    for (const rpc of ["Workflow", "Activity"] as const)
      expect(await poll(rpc, name, more)).toMatchObject({ code: PERMISSION_DENIED, message: "Request unauthorized." });
    const http = openHttp(server.http, { ca: server.ca.certificatePem });
    const leased = await http.ask("POST", "/api/v1/workers/lease", {
      headers: { ...headersOf(worker), "x-tenant-id": own },
      body: { task_queue: name === `worker-${suffix}` ? payments : name, wait_ms: 0 },
    });
    expect(leased.status).toBe(403);
    http.close();
  });

  test("looks at no other queue, and gives up none", async () => {
    const look = async (name: string) => {
      const fields = { namespace: own, taskQueue: make(TaskQueue, { name }) };
      return (await call(worker, "DescribeTaskQueue", service.DescribeTaskQueueRequest, fields)).code;
    };
    expect([await look(orders), await look(payments)]).toEqual([OK, PERMISSION_DENIED]);
    const shutDown = async (fields: { readonly stickyTaskQueue: string; readonly taskQueue: string }) =>
      (await call(worker, "ShutdownWorker", service.ShutdownWorkerRequest, { namespace: own, ...fields })).code;
    expect(await shutDown({ stickyTaskQueue: `worker-${suffix}`, taskQueue: orders })).toBe(OK);
    expect(await shutDown({ stickyTaskQueue: payments, taskQueue: orders })).toBe(PERMISSION_DENIED);
    expect(await shutDown({ stickyTaskQueue: `worker-${suffix}`, taskQueue: payments })).toBe(PERMISSION_DENIED);
  });

  test("reads the histories of the workflows that it works on, and of no others", async () => {
    await withClient(developer, async (client) => {
      const [mine, other] = [unique("mine"), unique("other")];
      await client.workflow.start(listener, { taskQueue: orders, workflowId: mine });
      await client.workflow.start(listener, { taskQueue: payments, workflowId: other });
      const read = async (rpc: string, workflowId: string) =>
        (await call(worker, rpc, service.GetWorkflowExecutionHistoryRequest, { namespace: own, execution: { workflowId, runId: "" } }))
          .code;
      for (const rpc of ["GetWorkflowExecutionHistory", "GetWorkflowExecutionHistoryReverse"]) {
        expect(await read(rpc, mine)).toBe(OK);
        expect(await read(rpc, other)).toBe(PERMISSION_DENIED);
        expect(await read(rpc, "there is none")).toBe(PERMISSION_DENIED);
      }
      await Promise.all([mine, other].map((workflowId) => client.workflow.getHandle(workflowId).terminate()));
    });
  });

  test("answers no task by its id, nor with a token that it made up", async () => {
    const named = { namespace: own, workflowId: "w", activityId: "a" };
    for (const rpc of ["RespondActivityTaskCompletedById", "RespondActivityTaskFailedById", "RecordActivityTaskHeartbeatById"])
      expect(await call(worker, rpc, service.RespondActivityTaskCompletedByIdRequest, named)).toMatchObject({ code: PERMISSION_DENIED });
    const taskToken = encode(TaskToken, make(TaskToken, { kind: 2, workflowId: "w", attempt: 1 }));
    const made = { namespace: own, taskToken };
    expect(await call(worker, "RespondActivityTaskCompleted", service.RespondActivityTaskCompletedRequest, made)).toMatchObject({
      code: INVALID_ARGUMENT,
    });
  });
});

test("the policy sees who was proved, whatever the client calls itself; nobody decides on their own start", async () => {
  const [ada, bob] = [await keyOf("ada", ["developer", "approver"]), await keyOf("bob", ["developer", "approver"])];
  const http = openHttp(server.http, { ca: server.ca.certificatePem });
  const startAs = (credential: Credential, identity: string, workflowId: string) =>
    withClient(credential, (client) => client.workflow.start(listener, { taskQueue: "nobody", workflowId }), identity);
  const approvalOf = async (workflowId: string) => {
    const { text } = await http.ask("GET", `/api/v1/approvals?workflow_id=${workflowId}`, { headers: headersOf(bob) });
    const { items } = JSON.parse(text) as {
      readonly items: readonly { readonly id: string; readonly requester: { readonly id: string } }[];
    };
    return items[0];
  };
  const [heldId, freeId] = [unique("held"), unique("free")];
  await startAs(ada, "bob", heldId);
  await startAs(bob, "ada", freeId);
  const held = await until(() => approvalOf(heldId));
  expect(await approvalOf(freeId)).toBeUndefined();

  const approve = (credential: Credential, said: string) =>
    http.ask("POST", `/api/v1/approvals/${held.id}/approve`, {
      headers: { ...headersOf(credential), "x-principal-id": said, "x-principal-kind": "human", "x-principal-role": "admin" },
      body: {},
    });
  const refused = await approve(ada, "bob");
  expect(JSON.parse(refused.text)).toMatchObject({ code: "self-approval" });
  const granted = await approve(bob, "ada");
  expect(JSON.parse(granted.text)).toMatchObject({ votes: [{ voter: { id: "bob", kind: "human" }, verdict: "grant" }] });
  http.close();
});

test("nobody gets around the policy by naming another actor in a job or a definition", async () => {
  const [eve, bob] = [await keyOf("eve", ["developer"]), await keyOf("bob", ["developer"])];
  const http = openHttp(server.http, { ca: server.ca.certificatePem });
  const ask = async (who: Credential, method: string, path: string, body?: object) => {
    const { text } = await http.ask(method, `/api/v1${path}`, { headers: headersOf(who), ...(body === undefined ? {} : { body }) });
    return JSON.parse(text);
  };
  /** What the policy says of a job that is sent in another's name. */
  const payAs = async (who: Credential, actor: string): Promise<string> => {
    const { job_id: id } = await ask(who, "POST", "/jobs", { topic: "job.pay", prompt: "pay", actor_id: actor });
    return until(async () => {
      const { safety_decision } = await ask(who, "GET", `/jobs/${id}`);
      return safety_decision ? String(safety_decision) : undefined;
    });
  };
  expect([await payAs(eve, "bob"), await payAs(bob, "eve")]).toEqual(["DENY", "ALLOW"]);

  const pay = { type: "job", topic: "job.pay", meta: { actor_id: "bob" } };
  expect(await ask(bob, "POST", "/workflows", { id: "pays", steps: { pay } })).toMatchObject({ id: "pays" });
  const planned = await ask(eve, "POST", "/workflows/pays/dry-run", { input: {} });
  expect(planned).toMatchObject({ steps: [{ step_id: "pay", action: { decision: { decision: expect.stringContaining("DENY") } } }] });
  const { run_id } = await ask(eve, "POST", "/workflows/pays/runs", { input: {} });
  const ended = await until(async () => {
    const { status } = await ask(eve, "GET", `/workflow-runs/${run_id}`);
    return status === "running" || status === "pending" ? undefined : String(status);
  });
  expect(ended).toBe("denied");
  http.close();
});

describe("a workflow that reaches into another namespace", () => {
  const type = { name: "child" };
  const commands: { readonly [what: string]: Partial<Command> } = {
    "starts a child there": {
      commandType: CommandType.START_CHILD_WORKFLOW_EXECUTION,
      attributes: {
        $case: "startChildWorkflowExecutionCommandAttributes",
        value: make(StartChildWorkflowExecutionCommandAttributes, {
          namespace: foreign,
          workflowId: "child",
          workflowType: type,
          taskQueue: make(TaskQueue, { name: "q" }),
        }),
      },
    },
    "signals there": {
      commandType: CommandType.SIGNAL_EXTERNAL_WORKFLOW_EXECUTION,
      attributes: {
        $case: "signalExternalWorkflowExecutionCommandAttributes",
        value: make(SignalExternalWorkflowExecutionCommandAttributes, {
          namespace: foreign,
          execution: { workflowId: "w", runId: "" },
          signalName: "s",
        }),
      },
    },
    "cancels there": {
      commandType: CommandType.REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION,
      attributes: {
        $case: "requestCancelExternalWorkflowExecutionCommandAttributes",
        value: make(RequestCancelExternalWorkflowExecutionCommandAttributes, { namespace: foreign, workflowId: "w" }),
      },
    },
  };

  test.each(Object.keys(commands))("%s only if its worker may", async (what) => {
    const developer = await keyOf("grace", ["developer"]);
    const taskQueue = unique("reaching");
    await withClient(developer, (client) => client.workflow.start("reaching", { taskQueue, workflowId: unique("reaching") }));
    const roles = { own: { namespaces: [own], roles: ["worker"] }, foreign: { namespaces: [foreign], roles: ["developer"] } };
    const [kept, reaching] = [await server.key({ grants: [roles.own] }), await server.key({ grants: [roles.own, roles.foreign] })];
    const polled = await call({ apiKey: kept.text }, "PollWorkflowTaskQueue", service.PollWorkflowTaskQueueRequest, {
      namespace: own,
      taskQueue: make(TaskQueue, { name: taskQueue }),
    });
    const { taskToken } = service.PollWorkflowTaskQueueResponse.decode(polled.answer);
    const answer = (apiKey: string) =>
      call({ apiKey }, "RespondWorkflowTaskCompleted", service.RespondWorkflowTaskCompletedRequest, {
        namespace: own,
        taskToken,
        commands: [make(Command, commands[what])],
      });
    expect(await answer(kept.text)).toMatchObject({ code: PERMISSION_DENIED, message: "Request unauthorized." });
    expect(await answer(reaching.text)).toMatchObject({ code: OK });
  });
});

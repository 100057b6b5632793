import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Codec, encode, make } from "../../src/protocol/codec.ts";
import { TaskToken_Kind as Kind, TaskToken } from "../../src/protocol/generated/holdfast/state/v1/state.ts";
import { IndexedValueType } from "../../src/protocol/generated/temporal/api/enums/v1/common.ts";
import { WorkflowIdConflictPolicy } from "../../src/protocol/generated/temporal/api/enums/v1/workflow.ts";
import { PermissionDeniedFailure } from "../../src/protocol/generated/temporal/api/errordetails/v1/message.ts";
import * as operator from "../../src/protocol/generated/temporal/api/operatorservice/v1/request_response.ts";
import { Request as Update } from "../../src/protocol/generated/temporal/api/update/v1/message.ts";
import * as workflow from "../../src/protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { Services } from "../../src/service/services.ts";
import { type AccessServer, foreign, nowhere, own, startAccessServer } from "./access-server.ts";
import { grantees, isAllowed, type Marks, type Target, targets, titleOf, type Who } from "./expectations.ts";
import { type Ended, type GrpcClient, openGrpc } from "./raw-client.ts";
import { everyCredential, type Presented, workersOfOwn } from "./wrong-credentials.ts";

// Who may call which RPC, written down once more and independently of the server's own table, and asked of a server: every RPC, with every
// role, in their own namespace, another and none; and with every kind of credential.

/** A namespace as requests name it. */
type Named = { readonly namespace: string; readonly id: string };
type Row = { readonly who: Who; readonly service: string; readonly request: (of: Named) => Uint8Array };

const workflowService = "temporal.api.workflowservice.v1.WorkflowService";
const operatorService = "temporal.api.operatorservice.v1.OperatorService";

function row<T extends object>(who: Who, codec: Codec<T>, fields: (of: Named) => Partial<T>, service = workflowService): Row {
  return { who, service, request: (of) => encode(codec, make(codec, fields(of))) };
}
/** In the namespace that the request names. */
const within = <T extends { namespace: string }>(marks: Marks, codec: Codec<T>, fields: (of: Named) => Partial<T> = () => ({})): Row =>
  row({ inNamespace: marks }, codec, (of) => ({ namespace: of.namespace, ...fields(of) }) as Partial<T>);

const workflowId = "order-7";
const execution = { workflowId, runId: "" };
const workflowExecution = execution;
const taskQueue = { name: "orders", kind: 1, normalName: "" } as const;
const start = { workflowId, workflowType: { name: "order" }, taskQueue, requestId: "r" };
const update = {
  workflowExecution: execution,
  request: make(Update, { meta: { updateId: "u", identity: "" }, input: { name: "change", header: undefined, args: undefined } }),
};
const updateWithStart = ({ namespace }: Named): Partial<workflow.ExecuteMultiOperationRequest> => ({
  operations: [
    {
      operation: {
        $case: "startWorkflow",
        value: make(workflow.StartWorkflowExecutionRequest, {
          ...start,
          namespace,
          workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
        }),
      },
    },
    { operation: { $case: "updateWorkflow", value: make(workflow.UpdateWorkflowExecutionRequest, { ...update, namespace }) } },
  ],
});
const token =
  (kind: Kind) =>
  ({ id }: Named): { taskToken: Uint8Array } => ({
    taskToken: server.tokens.encode(make(TaskToken, { kind, namespaceId: id, workflowId, runId: randomUUID(), attempt: 1, queryId: "q" })),
  });
const workflowTask = token(Kind.WORKFLOW_TASK);
const activityTask = token(Kind.ACTIVITY_TASK);
const queryTask = token(Kind.QUERY);
const byId = () => ({ workflowId, activityId: "a" });

/** Those that may: admin operator developer approver auditor worker. */
const rpcs: { readonly [R in keyof Services]: Row } = {
  getSystemInfo: row("everybody", workflow.GetSystemInfoRequest, () => ({})),
  getClusterInfo: row("everybody", workflow.GetClusterInfoRequest, () => ({})),
  getSearchAttributes: row("everybody", workflow.GetSearchAttributesRequest, () => ({})),
  listNamespaces: row("everybody", workflow.ListNamespacesRequest, () => ({})),
  // Of namespaces that there are already, or not.
  registerNamespace: row({ everywhere: "xx...." }, workflow.RegisterNamespaceRequest, () => ({
    namespace: own,
    workflowExecutionRetentionPeriod: { seconds: 86_400, nanos: 0 },
  })),
  deleteNamespace: row({ everywhere: "xx...." }, operator.DeleteNamespaceRequest, () => ({ namespace: nowhere }), operatorService),
  describeNamespace: within("xxxxxx", workflow.DescribeNamespaceRequest),
  updateNamespace: within("xx....", workflow.UpdateNamespaceRequest),
  addSearchAttributes: row(
    { inNamespace: "xx...." },
    operator.AddSearchAttributesRequest,
    ({ namespace }) => ({ namespace, searchAttributes: { Color: IndexedValueType.KEYWORD } }),
    operatorService,
  ),
  removeSearchAttributes: row(
    { inNamespace: "xx...." },
    operator.RemoveSearchAttributesRequest,
    ({ namespace }) => ({ namespace, searchAttributes: ["Taste"] }),
    operatorService,
  ),
  listSearchAttributes: row(
    { inNamespace: "xxxxxx" },
    operator.ListSearchAttributesRequest,
    ({ namespace }) => ({ namespace }),
    operatorService,
  ),

  startWorkflowExecution: within("xxx...", workflow.StartWorkflowExecutionRequest, () => start),
  signalWorkflowExecution: within("xxx...", workflow.SignalWorkflowExecutionRequest, () => ({ workflowExecution, signalName: "s" })),
  signalWithStartWorkflowExecution: within("xxx...", workflow.SignalWithStartWorkflowExecutionRequest, () => ({
    ...start,
    signalName: "s",
  })),
  executeMultiOperation: within("xxx...", workflow.ExecuteMultiOperationRequest, updateWithStart),
  updateWorkflowExecution: within("xxx...", workflow.UpdateWorkflowExecutionRequest, () => update),
  requestCancelWorkflowExecution: within("xxx...", workflow.RequestCancelWorkflowExecutionRequest, () => ({ workflowExecution })),
  terminateWorkflowExecution: within("xxx...", workflow.TerminateWorkflowExecutionRequest, () => ({ workflowExecution })),
  deleteWorkflowExecution: within("xxx...", workflow.DeleteWorkflowExecutionRequest, () => ({ workflowExecution })),

  queryWorkflow: within("xxxxx.", workflow.QueryWorkflowRequest, () => ({
    execution,
    query: { queryType: "q", queryArgs: undefined, header: undefined },
  })),
  pollWorkflowExecutionUpdate: within("xxxxx.", workflow.PollWorkflowExecutionUpdateRequest, () => ({
    updateRef: { workflowExecution, updateId: "u" },
  })),
  describeWorkflowExecution: within("xxxxx.", workflow.DescribeWorkflowExecutionRequest, () => ({ execution })),
  listWorkflowExecutions: within("xxxxx.", workflow.ListWorkflowExecutionsRequest),
  countWorkflowExecutions: within("xxxxx.", workflow.CountWorkflowExecutionsRequest),
  scanWorkflowExecutions: within("xxxxx.", workflow.ScanWorkflowExecutionsRequest),
  listOpenWorkflowExecutions: within("xxxxx.", workflow.ListOpenWorkflowExecutionsRequest),
  listClosedWorkflowExecutions: within("xxxxx.", workflow.ListClosedWorkflowExecutionsRequest),
  getWorkflowExecutionHistory: within("xxxxxx", workflow.GetWorkflowExecutionHistoryRequest, () => ({ execution })),
  getWorkflowExecutionHistoryReverse: within("xxxxxx", workflow.GetWorkflowExecutionHistoryReverseRequest, () => ({ execution })),

  pollWorkflowTaskQueue: within("x.x..x", workflow.PollWorkflowTaskQueueRequest, () => ({ taskQueue })),
  pollActivityTaskQueue: within("x.x..x", workflow.PollActivityTaskQueueRequest, () => ({ taskQueue })),
  respondWorkflowTaskCompleted: within("x.x..x", workflow.RespondWorkflowTaskCompletedRequest, workflowTask),
  respondWorkflowTaskFailed: within("x.x..x", workflow.RespondWorkflowTaskFailedRequest, workflowTask),
  respondQueryTaskCompleted: within("x.x..x", workflow.RespondQueryTaskCompletedRequest, queryTask),
  recordActivityTaskHeartbeat: within("x.x..x", workflow.RecordActivityTaskHeartbeatRequest, activityTask),
  respondActivityTaskCompleted: within("x.x..x", workflow.RespondActivityTaskCompletedRequest, activityTask),
  respondActivityTaskFailed: within("x.x..x", workflow.RespondActivityTaskFailedRequest, activityTask),
  respondActivityTaskCanceled: within("x.x..x", workflow.RespondActivityTaskCanceledRequest, activityTask),
  recordActivityTaskHeartbeatById: within("x.x..x", workflow.RecordActivityTaskHeartbeatByIdRequest, byId),
  respondActivityTaskCompletedById: within("x.x..x", workflow.RespondActivityTaskCompletedByIdRequest, byId),
  respondActivityTaskFailedById: within("x.x..x", workflow.RespondActivityTaskFailedByIdRequest, byId),
  respondActivityTaskCanceledById: within("x.x..x", workflow.RespondActivityTaskCanceledByIdRequest, byId),
  resetStickyTaskQueue: within("x.x..x", workflow.ResetStickyTaskQueueRequest, () => ({ execution })),
  shutdownWorker: within("x.x..x", workflow.ShutdownWorkerRequest),
  describeTaskQueue: within("xxx.xx", workflow.DescribeTaskQueueRequest, () => ({ taskQueue })),
  listTaskQueuePartitions: within("xxx.x.", workflow.ListTaskQueuePartitionsRequest, () => ({ taskQueue })),
};

const names = Object.keys(rpcs) as (keyof Services)[];
const pathOf = (name: keyof Services): string => `/${rpcs[name].service}/${name.charAt(0).toUpperCase()}${name.slice(1)}`;

const [OK, INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL, UNAUTHENTICATED] = [
  0, 3, 5, 7, 8, 12, 13, 16,
];

/** Also that requests which get through are well-formed, so that it is not their form that lets them through. */
function outcomeOf({ code, message, details }: Ended): string {
  if (code === PERMISSION_DENIED && message === "Request unauthorized." && reasonOf(details) !== "") return "denied";
  if (code === UNAUTHENTICATED && details.length === 0) return "unauthenticated";
  return [INVALID_ARGUMENT, PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL].includes(code)
    ? `${code} ${message}`
    : "allowed";
}

/** Of the detail that clients of a Temporal server look for. */
function reasonOf([detail, ...more]: Ended["details"]): string {
  if (detail?.typeUrl !== "type.googleapis.com/temporal.api.errordetails.v1.PermissionDeniedFailure" || more.length > 0) return "";
  return PermissionDeniedFailure.decode(detail.value).reason;
}

let server: AccessServer;
let client: GrpcClient;
let keys: ReadonlyMap<string, string>;
let credentials: readonly Presented[];
const ids = new Map<Target, string>();
const named = (namespace: Target): Named => ({ namespace, id: ids.get(namespace) ?? "" });
const keyOf = ({ role, reach }: (typeof grantees)[number]): string => keys.get(`${role} ${reach}`) ?? "";
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

beforeAll(async () => {
  server = await startAccessServer({ poll: 300, certificates: [workersOfOwn] });
  client = openGrpc(server.grpc, { ca: server.ca.certificatePem });
  const made = grantees.map(async ({ role, reach }) => {
    const { text } = await server.key({ grants: [{ namespaces: [reach === "own" ? own : "*"], roles: [role] }] });
    return [`${role} ${reach}`, text] as const;
  });
  keys = new Map(await Promise.all(made));
  credentials = await everyCredential(server);
  const admin = bearer(keyOf({ role: "admin", reach: "all" }));
  for (const target of [own, foreign] as const) {
    const { answer } = await client.call(pathOf("describeNamespace"), rpcs.describeNamespace.request(named(target)), admin);
    ids.set(target, workflow.DescribeNamespaceResponse.decode(answer).namespaceInfo?.id ?? "");
  }
  ids.set(nowhere, randomUUID());
});
afterAll(async () => {
  client.close();
  await server.stop();
});

describe.each(names)("%s", (name) => {
  const { who, request } = rpcs[name];

  test("is for the roles of the table, where they are given", async () => {
    const asked = grantees.flatMap((grantee) => targets.map((target) => ({ grantee, target, title: titleOf(grantee, target) })));
    const found = asked.map(async ({ grantee, target, title }) => {
      const ended = await client.call(pathOf(name), request(named(target)), bearer(keyOf(grantee)));
      // What is done in a namespace that there is not may be malformed there.
      const outcome = target === nowhere && ended.code === INVALID_ARGUMENT ? "allowed" : outcomeOf(ended);
      return [title, outcome] as const;
    });
    const expected = asked.map(({ grantee, target, title }) => [title, isAllowed(who, grantee, target) ? "allowed" : "denied"]);
    expect(Object.fromEntries(await Promise.all(found))).toEqual(Object.fromEntries(expected));
  });

  test("a namespace that there is not looks as one that is not theirs", async () => {
    for (const grantee of grantees.filter(({ reach }) => reach === "own")) {
      if (isAllowed(who, grantee, foreign)) continue;
      const ask = (target: Target) => client.call(pathOf(name), request(named(target)), bearer(keyOf(grantee)));
      const [there, notThere] = [await ask(foreign), await ask(nowhere)];
      expect({ ...notThere, details: reasonOf(notThere.details).replaceAll(nowhere, foreign) }).toEqual({
        ...there,
        details: reasonOf(there.details),
      });
    }
  });

  test("whoever has no valid credential is not authenticated", async () => {
    const address = `127.2.0.${names.indexOf(name) + 1}`;
    const found: [what: string, outcome: string][] = [];
    for (const { what, headers, certificate } of credentials) {
      const theirs = openGrpc(server.grpc, { ca: server.ca.certificatePem, address, certificate });
      found.push([what, outcomeOf(await theirs.call(pathOf(name), request(named(own)), headers))]);
      theirs.close();
    }
    const expected = credentials.map(({ what, proves }) => {
      if (proves === null) return [what, "unauthenticated"];
      return [what, isAllowed(who, { role: proves, reach: "own" }, own) ? "allowed" : "denied"];
    });
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
  });
});

describe("namespaces that disagree", () => {
  test.each(names.filter((name) => typeof rpcs[name].who === "object" && "inNamespace" in (rpcs[name].who as object)))(
    "%s: metadata `temporal-namespace` is that of the request",
    async (name) => {
      const role = (["admin", "developer"] as const).find((one) => isAllowed(rpcs[name].who, { role: one, reach: "all" }, own)) ?? "admin";
      const key = bearer(keyOf({ role, reach: "all" }));
      const ask = (said: string) => client.call(pathOf(name), rpcs[name].request(named(own)), { ...key, "temporal-namespace": said });
      expect(outcomeOf(await ask(own))).toBe("allowed");
      expect(outcomeOf(await ask(foreign))).toBe("denied");
      expect(outcomeOf(await ask(nowhere))).toBe("denied");
    },
  );

  test("a task token counts in its own namespace, whichever is named", async () => {
    const worker = bearer(keyOf({ role: "worker", reach: "own" }));
    const respond = (namespace: string, tokenOf: Target) => {
      const fields = { namespace, ...activityTask(named(tokenOf)) };
      const sent = encode(workflow.RespondActivityTaskCompletedRequest, make(workflow.RespondActivityTaskCompletedRequest, fields));
      return client.call(pathOf("respondActivityTaskCompleted"), sent, worker);
    };
    expect((await respond(own, own)).code).toBe(NOT_FOUND);
    expect((await respond("", own)).code).toBe(NOT_FOUND);
    for (const namespace of [own, "", foreign]) expect(outcomeOf(await respond(namespace, foreign))).toBe("denied");
  });
});

test("the list of namespaces has those where somebody has a right", async () => {
  const list = async (key: string) => {
    const { answer } = await client.call(pathOf("listNamespaces"), rpcs.listNamespaces.request(named(own)), bearer(key));
    return workflow.ListNamespacesResponse.decode(answer)
      .namespaces.map(({ namespaceInfo }) => namespaceInfo?.name)
      .sort();
  };
  expect(await list(keyOf({ role: "worker", reach: "own" }))).toEqual([own]);
  expect(await list(keyOf({ role: "worker", reach: "all" }))).toEqual(["default", foreign, own]);
});

test("a namespace is described by its id to whoever sees it; another's id is as good as none", async () => {
  const describeId = (id: string) =>
    client.call(
      pathOf("describeNamespace"),
      encode(workflow.DescribeNamespaceRequest, make(workflow.DescribeNamespaceRequest, { id })),
      bearer(keyOf({ role: "developer", reach: "own" })),
    );
  expect((await describeId(named(own).id)).code).toBe(OK);
  const [there, notThere] = [await describeId(named(foreign).id), await describeId(named(nowhere).id)];
  expect(outcomeOf(there)).toBe("denied");
  expect(there).toEqual(notThere);
});

test("health and reflection answer strangers", async () => {
  const health = await client.call("/grpc.health.v1.Health/Check", new Uint8Array());
  expect(health.code).toBe(OK);
  const reflected = await client.call("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", new Uint8Array([0x3a, 0]));
  expect(reflected.code).toBe(OK);
  expect(Buffer.from(reflected.answer).toString()).toContain(workflowService);
});

test("an address that guesses is slowed down, and hears for how long", async () => {
  const guesser = openGrpc(server.grpc, { ca: server.ca.certificatePem, address: "127.4.0.1" });
  const guess = () => guesser.call(pathOf("getSystemInfo"), new Uint8Array(), bearer(`hfk_${"1".repeat(16)}_${"A".repeat(43)}`));
  const codes = [];
  for (let times = 0; times < 6; times++) codes.push((await guess()).code);
  expect(codes).toEqual([...Array(5).fill(UNAUTHENTICATED), RESOURCE_EXHAUSTED]);
  expect(await guess()).toMatchObject({
    message: expect.stringMatching(/^too many wrong credentials: try again after \d+ s$/),
    details: [{ typeUrl: "type.googleapis.com/temporal.api.errordetails.v1.ResourceExhaustedFailure" }],
  });
  // A key that there is holds from there all the same.
  const admin = bearer(keyOf({ role: "admin", reach: "all" }));
  expect((await guesser.call(pathOf("getSystemInfo"), new Uint8Array(), admin)).code).toBe(OK);
  guesser.close();
});

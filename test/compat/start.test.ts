import { randomUUID } from "node:crypto";
import { Client, WorkflowExecutionAlreadyStartedError, type WorkflowHandle } from "@temporalio/client";
import type { WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from "@temporalio/common";
import { describe, expect, test } from "vitest";
import { eventNamed, eventsOf, rejectionOf, setup, unique } from "./kit.ts";
import { fails, stays, succeeds } from "./workflows/start.ts";

const compat = setup({ workflows: "start" });

const firstTask = "1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowTaskStarted, 4 WorkflowTaskCompleted";
const runsOf = async (workflowId: string) => (await compat.client.workflow.count(`WorkflowId = '${workflowId}'`)).count;

/** A workflow id whose last run ended in a given way, or still runs. */
const formerly = {
  nothing: async (workflowId: string) => compat.client.workflow.getHandle(workflowId),
  running: (workflowId: string) => compat.start(stays, { workflowId }),
  completed: async (workflowId: string) => {
    const handle = await compat.start(succeeds, { workflowId });
    await handle.result();
    return handle;
  },
  failed: async (workflowId: string) => {
    const handle = await compat.start(fails, { workflowId });
    await rejectionOf(handle.result());
    return handle;
  },
  terminated: async (workflowId: string) => {
    const handle = await compat.start(stays, { workflowId });
    await handle.terminate();
    return handle;
  },
} satisfies { readonly [name: string]: (workflowId: string) => Promise<WorkflowHandle> };

describe("a workflow id that was used before", () => {
  const notAgain = (policy: string) =>
    `Workflow execution already finished. WorkflowId: ID, RunId: RUN. Workflow Id reuse policy: ${policy}.`;
  const succeeded =
    "Workflow execution already finished successfully. WorkflowId: ID, RunId: RUN. " +
    "Workflow Id reuse policy: allow duplicate workflow Id if last run failed.";
  const running = "Workflow execution is already running. WorkflowId: ID, RunId: RUN.";
  const rejected = notAgain("reject duplicate workflow Id");
  type Row = readonly [keyof typeof formerly, WorkflowIdReusePolicy | undefined, WorkflowIdConflictPolicy | undefined, string];

  test.each([
    // before, reuse, conflict, outcome
    ["nothing", "REJECT_DUPLICATE", undefined, "starts"],
    ["completed", undefined, undefined, "starts"],
    ["completed", "ALLOW_DUPLICATE", undefined, "starts"],
    ["completed", "ALLOW_DUPLICATE_FAILED_ONLY", undefined, succeeded],
    ["completed", "REJECT_DUPLICATE", undefined, rejected],
    ["completed", "REJECT_DUPLICATE", "USE_EXISTING", rejected],
    ["completed", "ALLOW_DUPLICATE", "USE_EXISTING", "starts"],
    ["completed", "ALLOW_DUPLICATE", "TERMINATE_EXISTING", "starts"],
    ["failed", undefined, undefined, "starts"],
    ["failed", "ALLOW_DUPLICATE_FAILED_ONLY", undefined, "starts"],
    ["failed", "REJECT_DUPLICATE", undefined, rejected],
    ["terminated", "ALLOW_DUPLICATE_FAILED_ONLY", undefined, "starts"],
    ["running", undefined, undefined, running],
    ["running", "ALLOW_DUPLICATE", "FAIL", running],
    ["running", "ALLOW_DUPLICATE", "USE_EXISTING", "finds"],
    ["running", "ALLOW_DUPLICATE_FAILED_ONLY", "USE_EXISTING", "finds"],
    ["running", "REJECT_DUPLICATE", "USE_EXISTING", "finds"],
    ["running", "ALLOW_DUPLICATE", "TERMINATE_EXISTING", "replaces"],
    ["running", "REJECT_DUPLICATE", undefined, running],
  ] as const satisfies readonly Row[])("%s, %s, %s: %s", async (before, workflowIdReusePolicy, workflowIdConflictPolicy, outcome) => {
    const workflowId = unique(before);
    const former = await formerly[before](workflowId);
    const formerRun = before === "nothing" ? "" : (await former.describe()).runId;
    const policies = {
      ...(workflowIdReusePolicy === undefined ? {} : { workflowIdReusePolicy }),
      ...(workflowIdConflictPolicy === undefined ? {} : { workflowIdConflictPolicy }),
    };
    const started = compat.start(stays, { workflowId, ...policies });
    switch (outcome) {
      case "starts":
        expect((await started).firstExecutionRunId).not.toBe(formerRun);
        break;
      case "finds":
        expect((await started).firstExecutionRunId).toBe(formerRun);
        expect(await runsOf(workflowId)).toBe(1);
        break;
      case "replaces": {
        expect((await started).firstExecutionRunId).not.toBe(formerRun);
        const replaced = compat.client.workflow.getHandle(workflowId, formerRun);
        const { workflowExecutionTerminatedEventAttributes: terminated } = await eventNamed(replaced, "WorkflowExecutionTerminated");
        expect(terminated?.reason).toMatch(/^TerminateIfRunning WorkflowIdReusePolicy/);
        break;
      }
      default: {
        const error = await rejectionOf(started);
        expect(error).toBeInstanceOf(WorkflowExecutionAlreadyStartedError);
        expect(error).toMatchObject({ workflowId, workflowType: "stays", message: "Workflow execution already started" });
        const raw = await rejectionOf(
          compat.client.workflowService.startWorkflowExecution({
            ...rawStart(workflowId),
            workflowIdReusePolicy: reuseNumbers[workflowIdReusePolicy ?? "ALLOW_DUPLICATE"],
            workflowIdConflictPolicy: workflowIdConflictPolicy === "USE_EXISTING" ? 2 : 0,
          }),
        );
        expect(raw).toMatchObject({ code: 6, details: outcome.replace("ID", workflowId).replace("RUN", formerRun) });
        expect(await runsOf(workflowId)).toBe(1);
      }
    }
    const last = await compat.client.workflow.getHandle(workflowId).describe();
    if (last.status.name === "RUNNING") await compat.client.workflow.getHandle(workflowId).terminate();
  });
});

const reuseNumbers = { ALLOW_DUPLICATE: 1, ALLOW_DUPLICATE_FAILED_ONLY: 2, REJECT_DUPLICATE: 3, TERMINATE_IF_RUNNING: 4 } as const;
const rawStart = (workflowId: string) => ({
  namespace: "default",
  workflowId,
  workflowType: { name: stays.name },
  taskQueue: { name: "nobody" },
  requestId: randomUUID(),
});
/** Starts without a client's help, and answers how the server refuses it. */
const refusal = async (fields: object) =>
  (
    (await rejectionOf(compat.client.workflowService.startWorkflowExecution({ ...rawStart(unique("bad")), ...fields }))) as {
      details: string;
    }
  ).details;

describe("request ids", () => {
  test("100 identical starts at one time are one run", async () => {
    const request = rawStart(unique("identical"));
    const answers = await Promise.all(Array.from({ length: 100 }, () => compat.client.workflowService.startWorkflowExecution(request)));
    expect(new Set(answers.map(({ runId }) => runId)).size).toBe(1);
    expect(answers.every(({ started }) => started)).toBe(true);
    expect(await runsOf(request.workflowId)).toBe(1);
    const handle = compat.client.workflow.getHandle(request.workflowId);
    expect(await eventsOf(handle)).toBe("1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled");
    await handle.terminate();
    expect((await compat.client.workflowService.startWorkflowExecution(request)).runId).toBe(answers[0]?.runId);
    expect(await runsOf(request.workflowId)).toBe(1);
  });

  test("100 different starts of one id at one time are one run, and 99 refusals", async () => {
    const workflowId = unique("contended");
    const answers = await Promise.allSettled(
      Array.from({ length: 100 }, () => compat.client.workflowService.startWorkflowExecution(rawStart(workflowId))),
    );
    expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await runsOf(workflowId)).toBe(1);
    await compat.client.workflow.getHandle(workflowId).terminate();
  });

  test("100 starts of different ids at one time are 100 runs", async () => {
    const prefix = unique("many");
    await Promise.all(Array.from({ length: 100 }, (_, index) => compat.start(succeeds, { workflowId: `${prefix}-${index}` })));
    expect((await compat.client.workflow.count(`WorkflowId STARTS_WITH '${prefix}'`)).count).toBe(100);
  });
});

describe("eager start", () => {
  const eagerClient = () => new Client({ connection: compat.connection });

  test("hands the first workflow task to the worker beside the client", async () => {
    const handle = await eagerClient().workflow.start(succeeds, {
      taskQueue: compat.taskQueue,
      workflowId: unique("eager"),
      requestEagerStart: true,
    });
    expect(handle.eagerlyStarted).toBe(true);
    expect(await handle.result()).toBe("done");
    expect(await eventsOf(handle)).toBe(`${firstTask}, 5 WorkflowExecutionCompleted`);
    const { workflowExecutionStartedEventAttributes: started } = await eventNamed(handle, "WorkflowExecutionStarted");
    expect(started?.eagerExecutionAccepted).toBe(true);
  });

  test("is an ordinary start where no worker is beside the client", async () => {
    const handle = await eagerClient().workflow.start(succeeds, {
      taskQueue: "nobody",
      workflowId: unique("not-eager"),
      requestEagerStart: true,
    });
    expect(handle.eagerlyStarted).toBe(false);
    expect(await eventsOf(handle)).toBe("1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled");
    await handle.terminate();
  });

  test("is an ordinary start with a start delay", async () => {
    const handle = await eagerClient().workflow.start(succeeds, {
      taskQueue: compat.taskQueue,
      workflowId: unique("delayed"),
      requestEagerStart: true,
      startDelay: "100ms",
    });
    expect(handle.eagerlyStarted).toBe(false);
    expect(await handle.result()).toBe("done");
  });
});

describe("a start is refused", () => {
  const long = "x".repeat(1001);
  test.each([
    ["Namespace is not set on request.", { namespace: "" }],
    ["Namespace nowhere is not found.", { namespace: "nowhere" }],
    ["WorkflowId is not set on request.", { workflowId: "" }],
    ["WorkflowId exceeds maximum allowed length (1001/1000)", { workflowId: long }],
    ["WorkflowType is not set on request.", { workflowType: { name: "" } }],
    ["WorkflowType length exceeds limit.", { workflowType: { name: long } }],
    ["taskQueue is not set", { taskQueue: null }],
    ["missing task queue name", { taskQueue: { name: "" } }],
    ["taskQueue length exceeds limit", { taskQueue: { name: long } }],
    ["task queue name cannot start with reserved prefix /_sys/", { taskQueue: { name: "/_sys/mine" } }],
    ["RequestId length exceeds limit.", { requestId: long }],
    ["Identity length exceeds limit.", { identity: long }],
    ["An invalid WorkflowRunTimeoutSeconds is set on request.", { workflowRunTimeout: { seconds: -1 } }],
    ["An invalid WorkflowExecutionTimeoutSeconds is set on request.", { workflowExecutionTimeout: { seconds: -1 } }],
    ["An invalid WorkflowTaskTimeoutSeconds is set on request.", { workflowTaskTimeout: { nanos: -1 } }],
    ["An invalid WorkflowStartDelaySeconds is set on request.", { workflowStartDelay: { seconds: -1 } }],
    ["CronSchedule and WorkflowStartDelay may not be used together.", { cronSchedule: "@every 1s", workflowStartDelay: { seconds: 1 } }],
    ["MaximumAttempts cannot be negative on retry policy.", { retryPolicy: { maximumAttempts: -1 } }],
    ["BackoffCoefficient cannot be less than 1 on retry policy.", { retryPolicy: { backoffCoefficient: 0.5 } }],
    ["search attribute Unknown is not defined", { searchAttributes: { indexedFields: { Unknown: json("x") } } }],
    ["RunId attribute can't be set in SearchAttributes", { searchAttributes: { indexedFields: { RunId: json("x") } } }],
    ["WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING cannot be used together", { workflowIdReusePolicy: 4, workflowIdConflictPolicy: 1 }],
    ["WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE cannot be used together", { workflowIdReusePolicy: 3, workflowIdConflictPolicy: 3 }],
  ])("%s", async (message, fields) => {
    expect(await refusal(fields)).toContain(message);
  });

  test("with its cause in the client's error", async () => {
    const error = await rejectionOf(compat.start(stays, { workflowId: long }));
    expect(error).toMatchObject({
      name: "ServiceError",
      message: "Failed to start Workflow",
      cause: { code: 3, details: "WorkflowId exceeds maximum allowed length (1001/1000)" },
    });
  });
});

function json(value: unknown) {
  return { metadata: { encoding: Buffer.from("json/plain") }, data: Buffer.from(JSON.stringify(value)) };
}

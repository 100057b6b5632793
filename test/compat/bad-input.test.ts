import { execFileSync, spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client, Connection, type WorkflowHandle } from "@temporalio/client";
import { temporal } from "@temporalio/proto";
import { describe, expect, test } from "vitest";
import { Holdfast } from "../../src/main.ts";
import { eventNamed, eventsOf, rejectionOf, setup, taskFailedCause, unique, until } from "./kit.ts";

type Command = temporal.api.command.v1.ICommand;
type Polled = temporal.api.workflowservice.v1.IPollWorkflowTaskQueueResponse;
const { CommandType } = temporal.api.enums.v1;

// Requests that no SDK makes: they are sent without one, and no worker runs.
const pending = 3;
const compat = setup({
  workflows: "start",
  worker: null,
  server: { limits: { pendingActivities: pending, pendingChildren: pending, pendingSignals: pending, pendingCancels: pending } },
});
const service = () => compat.client.workflowService;

const Code = { invalidArgument: 3, deadlineExceeded: 4, notFound: 5, resourceExhausted: 8, unavailable: 14 } as const;
/** How the server refuses: `"3 Blob data size exceeds limit."` */
async function refusal(call: Promise<unknown>): Promise<string> {
  const { code, details } = (await rejectionOf(call)) as { code: number; details: string };
  return `${code} ${details}`;
}

const json = (value: unknown) => ({ metadata: { encoding: Buffer.from("json/plain") }, data: Buffer.from(JSON.stringify(value)) });
const small = { payloads: [json("x")] };
const tooMuch = { payloads: [{ metadata: { encoding: Buffer.from("binary/plain") }, data: Buffer.alloc(2 * 2 ** 20 + 1) }] };
const seconds = (count: number) => ({ seconds: count as unknown as Long });
type Long = NonNullable<NonNullable<Command["startTimerCommandAttributes"]>["startToFireTimeout"]>["seconds"] & object;

type Task = { readonly handle: WorkflowHandle; readonly taskQueue: string; readonly task: Polled };
const rawStart = (fields: object = {}) => ({
  namespace: "default",
  workflowId: unique("bad-input"),
  workflowType: { name: "stays" },
  taskQueue: { name: unique("queue") },
  requestId: randomUUID(),
  ...fields,
});
const pollTask = (taskQueue: string) => service().pollWorkflowTaskQueue({ namespace: "default", taskQueue: { name: taskQueue } });
/** A run and its first workflow task, held as a worker would. */
async function held(): Promise<Task> {
  const request = rawStart();
  await service().startWorkflowExecution(request);
  const task = await pollTask(request.taskQueue.name);
  return { handle: compat.client.workflow.getHandle(request.workflowId), taskQueue: request.taskQueue.name, task };
}
const complete = ({ task }: Task, commands: readonly Command[]) =>
  service().respondWorkflowTaskCompleted({
    namespace: "default",
    taskToken: task.taskToken ?? null,
    identity: "test",
    commands: [...commands],
  });

/** Commands by the name of their attributes; the type follows from it. */
function command(attributes: Omit<Command, "commandType">): Command {
  const [name = ""] = Object.keys(attributes);
  const constant = name
    .replace("CommandAttributes", "")
    .replace(/[A-Z]/g, (letter) => `_${letter}`)
    .toUpperCase();
  return { commandType: CommandType[`COMMAND_TYPE_${constant}` as keyof typeof CommandType], ...attributes };
}
const timer = (timerId: string, after = 60) => command({ startTimerCommandAttributes: { timerId, startToFireTimeout: seconds(after) } });
const activity = (activityId: string, fields: object = {}) =>
  command({
    scheduleActivityTaskCommandAttributes: {
      activityId,
      activityType: { name: "act" },
      taskQueue: { name: "activities" },
      startToCloseTimeout: seconds(10),
      ...fields,
    },
  });
const child = (workflowId: string, fields: object = {}) =>
  command({
    startChildWorkflowExecutionCommandAttributes: { workflowId, workflowType: { name: "stays" }, taskQueue: { name: "nobody" }, ...fields },
  });
const signal = (workflowId: string, fields: object = {}) =>
  command({ signalExternalWorkflowExecutionCommandAttributes: { execution: { workflowId }, signalName: "note", ...fields } });
const cancel = (workflowId: string) => command({ requestCancelExternalWorkflowExecutionCommandAttributes: { workflowId } });
const marker = (markerName: string, fields: object = {}) => command({ recordMarkerCommandAttributes: { markerName, ...fields } });
const completion = (fields: object = {}) => command({ completeWorkflowExecutionCommandAttributes: fields });
const continueAsNew = (fields: object) => command({ continueAsNewWorkflowExecutionCommandAttributes: fields });

const taken = "1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowTaskStarted";

describe("a command that cannot be carried out fails the workflow task, and nothing of its completion happens", () => {
  test.each([
    ["BAD_START_TIMER_ATTRIBUTES", "a timer without an id", [timer("")]],
    ["BAD_START_TIMER_ATTRIBUTES", "a timer of no duration", [timer("t", 0)]],
    ["BAD_START_TIMER_ATTRIBUTES", "a timer of negative duration", [timer("t", -1)]],
    ["START_TIMER_DUPLICATE_ID", "two timers of one id", [timer("t"), timer("t")]],
    ["BAD_CANCEL_TIMER_ATTRIBUTES", "cancelling an unknown timer", [command({ cancelTimerCommandAttributes: { timerId: "t" } })]],
    ["BAD_SCHEDULE_ACTIVITY_ATTRIBUTES", "an activity without an id", [activity("")]],
    ["BAD_SCHEDULE_ACTIVITY_ATTRIBUTES", "an activity without a type", [activity("a", { activityType: null })]],
    ["BAD_SCHEDULE_ACTIVITY_ATTRIBUTES", "an activity without time-outs", [activity("a", { startToCloseTimeout: null })]],
    ["BAD_SCHEDULE_ACTIVITY_ATTRIBUTES", "an activity with a negative time-out", [activity("a", { heartbeatTimeout: seconds(-1) })]],
    ["BAD_SCHEDULE_ACTIVITY_ATTRIBUTES", "an activity on a reserved queue", [activity("a", { taskQueue: { name: "/_sys/x" } })]],
    ["BAD_SCHEDULE_ACTIVITY_ATTRIBUTES", "a bad retry policy", [activity("a", { retryPolicy: { maximumAttempts: -1 } })]],
    ["SCHEDULE_ACTIVITY_DUPLICATE_ID", "two activities of one id", [activity("a"), activity("a")]],
    [
      "BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES",
      "cancelling an unknown activity",
      [command({ requestCancelActivityTaskCommandAttributes: { scheduledEventId: 99 as unknown as Long } })],
    ],
    ["BAD_RECORD_MARKER_ATTRIBUTES", "a marker without a name", [marker("")]],
    ["BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES", "failing without a failure", [command({ failWorkflowExecutionCommandAttributes: {} })]],
    ["BAD_START_CHILD_EXECUTION_ATTRIBUTES", "a child without an id", [child("")]],
    ["BAD_START_CHILD_EXECUTION_ATTRIBUTES", "a child of no type", [child("c", { workflowType: null })]],
    ["BAD_START_CHILD_EXECUTION_ATTRIBUTES", "a child in no namespace", [child("c", { namespace: "nowhere" })]],
    ["BAD_START_CHILD_EXECUTION_ATTRIBUTES", "a child with a negative time-out", [child("c", { workflowRunTimeout: seconds(-1) })]],
    ["BAD_START_CHILD_EXECUTION_ATTRIBUTES", "a child with a bad cron schedule", [child("c", { cronSchedule: "often" })]],
    ["BAD_SIGNAL_WORKFLOW_EXECUTION_ATTRIBUTES", "a signal to nobody", [signal("")]],
    ["BAD_SIGNAL_WORKFLOW_EXECUTION_ATTRIBUTES", "a signal without a name", [signal("w", { signalName: "" })]],
    ["BAD_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_ATTRIBUTES", "cancelling nobody", [cancel("")]],
    ["BAD_SEARCH_ATTRIBUTES", "no search attributes", [command({ upsertWorkflowSearchAttributesCommandAttributes: {} })]],
    [
      "BAD_SEARCH_ATTRIBUTES",
      "an unknown search attribute",
      [command({ upsertWorkflowSearchAttributesCommandAttributes: { searchAttributes: { indexedFields: { Unknown: json(1) } } } })],
    ],
    ["BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES", "no memo", [command({ modifyWorkflowPropertiesCommandAttributes: {} })]],
    ["BAD_CONTINUE_AS_NEW_ATTRIBUTES", "a negative time-out of the next run", [continueAsNew({ workflowRunTimeout: seconds(-1) })]],
    [
      "BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE",
      "a message that is not there",
      [command({ protocolMessageCommandAttributes: { messageId: "m" } })],
    ],
    ["PENDING_ACTIVITIES_LIMIT_EXCEEDED", "too many activities", [1, 2, 3, 4].map((id) => activity(`a${id}`))],
    ["PENDING_CHILD_WORKFLOWS_LIMIT_EXCEEDED", "too many children", [1, 2, 3, 4].map((id) => child(`c${id}`))],
    ["PENDING_SIGNALS_LIMIT_EXCEEDED", "too many signals", [1, 2, 3, 4].map((id) => signal(`w${id}`))],
    ["PENDING_REQUEST_CANCEL_LIMIT_EXCEEDED", "too many cancellations", [1, 2, 3, 4].map((id) => cancel(`w${id}`))],
  ] as const satisfies readonly (readonly [string, string, readonly Command[]])[])("%s: %s", async (cause, _name, commands) => {
    const task = await held();
    const pascal = cause
      .split("_")
      .map((word) => word.charAt(0) + word.slice(1).toLowerCase())
      .join("");
    expect(await refusal(complete(task, [timer("legal"), ...commands]))).toMatch(new RegExp(`^3 ${pascal}`));
    expect(await taskFailedCause(task.handle)).toBe(cause);
    const events = await eventsOf(task.handle);
    expect(events.replace(/, 5 WorkflowTaskScheduled$/, "")).toBe(`${taken}, 4 WorkflowTaskFailed`);
    // The next attempt can do better.
    await complete({ ...task, task: await pollTask(task.taskQueue) }, [completion({ result: small })]);
    expect(await task.handle.result()).toBe("x");
  });
});

test.each([
  ["a command", timer("late")],
  ["a second end", completion()],
] as const)("%s after the one that ends the run is refused, and the worker may answer again", async (_name, late) => {
  const task = await held();
  expect(await refusal(complete(task, [completion(), late]))).toMatch(/^3 invalid command sequence/);
  expect(await eventsOf(task.handle)).toBe(taken);
  await complete(task, [completion({ result: small })]);
  expect(await task.handle.result()).toBe("x");
});

describe("payloads above 2 MiB", () => {
  const blob = "3 Blob data size exceeds limit.";
  const execution = (handle: WorkflowHandle) => ({ namespace: "default", workflowExecution: { workflowId: handle.workflowId } });

  test("are refused in requests", async () => {
    const { handle } = await held();
    const before = await eventsOf(handle);
    const memo = { fields: { note: tooMuch.payloads[0] } };
    expect(await refusal(service().startWorkflowExecution(rawStart({ input: tooMuch })))).toBe(blob);
    expect(await refusal(service().startWorkflowExecution(rawStart({ memo })))).toMatch(/^3 .*exceeds limit/);
    expect(await refusal(service().signalWithStartWorkflowExecution(rawStart({ signalName: "note", signalInput: tooMuch })))).toBe(blob);
    expect(await refusal(service().signalWorkflowExecution({ ...execution(handle), signalName: "note", input: tooMuch }))).toBe(blob);
    expect(
      await refusal(
        service().updateWorkflowExecution({
          ...execution(handle),
          waitPolicy: { lifecycleStage: 3 },
          request: { meta: { updateId: "u" }, input: { name: "update", args: tooMuch } },
        }),
      ),
    ).toBe(blob);
    expect(
      await refusal(
        service().queryWorkflow({
          namespace: "default",
          execution: { workflowId: handle.workflowId },
          query: { queryType: "q", queryArgs: tooMuch },
        }),
      ),
    ).toBe(blob);
    expect(await refusal(service().terminateWorkflowExecution({ ...execution(handle), details: tooMuch }))).toBe(blob);
    expect(await eventsOf(handle)).toBe(before);
    await handle.terminate();
  });

  test("above the bound of one message are refused before they are read", async () => {
    const connection = await Connection.connect({ address: compat.server.address, interceptors: [] });
    const input = { payloads: [{ data: Buffer.alloc(5 * 2 ** 20) }] };
    expect(await refusal(connection.workflowService.startWorkflowExecution(rawStart({ input })))).toMatch(/^8 .*larger than max/);
    await connection.close();
  });

  test.each([
    ["BAD_COMPLETE_WORKFLOW_EXECUTION_ATTRIBUTES", completion({ result: tooMuch })],
    ["BAD_SCHEDULE_ACTIVITY_ATTRIBUTES", activity("a", { input: tooMuch })],
    ["BAD_START_CHILD_EXECUTION_ATTRIBUTES", child("c", { input: tooMuch })],
    ["BAD_SIGNAL_INPUT_SIZE", signal("w", { input: tooMuch })],
    ["BAD_RECORD_MARKER_ATTRIBUTES", marker("m", { details: { data: tooMuch } })],
    ["BAD_CONTINUE_AS_NEW_ATTRIBUTES", continueAsNew({ input: tooMuch })],
    [
      "BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES",
      command({ failWorkflowExecutionCommandAttributes: { failure: { applicationFailureInfo: { details: tooMuch } } } }),
    ],
    [
      "BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES",
      command({ modifyWorkflowPropertiesCommandAttributes: { upsertedMemo: { fields: { note: tooMuch.payloads[0] ?? {} } } } }),
    ],
    ["BAD_CANCEL_WORKFLOW_EXECUTION_ATTRIBUTES", command({ cancelWorkflowExecutionCommandAttributes: { details: tooMuch } })],
    [
      "BAD_SEARCH_ATTRIBUTES",
      command({
        upsertWorkflowSearchAttributesCommandAttributes: {
          searchAttributes: { indexedFields: { TemporalChangeVersion: json(["x".repeat(41 * 1024)]) } },
        },
      }),
    ],
  ] as const satisfies readonly (readonly [string, Command])[])("in a command end the run: %s", async (cause, oversized) => {
    const task = await held();
    expect(await refusal(complete(task, [oversized]))).toMatch(/^3 .*exceeds/);
    expect(await taskFailedCause(task.handle)).toBe(cause);
    if (cause === "BAD_SEARCH_ATTRIBUTES") return task.handle.terminate().then(() => undefined);
    expect(await eventsOf(task.handle)).toBe(`${taken}, 4 WorkflowTaskFailed, 5 WorkflowExecutionTerminated`);
    expect((await task.handle.describe()).status.name).toBe("TERMINATED");
    return undefined;
  });

  /** An activity task, held as a worker would. */
  const heldActivity = async () => {
    const task = await held();
    const taskQueue = unique("activities");
    await complete(task, [activity("a", { taskQueue: { name: taskQueue }, retryPolicy: { maximumAttempts: 1 } })]);
    const { taskToken } = await service().pollActivityTaskQueue({ namespace: "default", taskQueue: { name: taskQueue } });
    return { handle: task.handle, answer: { namespace: "default", taskToken } };
  };
  const failureOf = async (handle: WorkflowHandle) =>
    (await eventNamed(handle, "ActivityTaskFailed")).activityTaskFailedEventAttributes?.failure?.message;

  test("as an activity's result fail the activity", async () => {
    const { handle, answer } = await heldActivity();
    await service().respondActivityTaskCompleted({ ...answer, result: tooMuch });
    expect(await failureOf(handle)).toBe("Complete result exceeds size limit.");
    await handle.terminate();
  });

  test("as an activity's heartbeat fail the activity, and the worker is told to stop", async () => {
    const { handle, answer } = await heldActivity();
    expect((await service().recordActivityTaskHeartbeat({ ...answer, details: tooMuch })).cancelRequested).toBe(true);
    expect(await failureOf(handle)).toBe("Heartbeat details exceed size limit.");
    await handle.terminate();
  });

  test("as an activity's failure are cut", async () => {
    const { handle, answer } = await heldActivity();
    await service().respondActivityTaskFailed({
      ...answer,
      failure: { message: "m".repeat(3 * 2 ** 20), applicationFailureInfo: { type: "Big" } },
    });
    const failed = (await eventNamed(handle, "ActivityTaskFailed")).activityTaskFailedEventAttributes?.failure;
    expect(failed?.message).toBe("Failure exceeds size limit.");
    expect(failed?.cause).toMatchObject({ message: expect.stringMatching(/^m+$/), applicationFailureInfo: { type: "Big" } });
    expect(failed?.cause?.message?.length).toBeLessThan(4 * 2 ** 10);
    await handle.terminate();
  });
});

describe("task tokens", () => {
  test("that are none, or of another kind, are refused", async () => {
    const { handle, task } = await held();
    const namespace = "default";
    const answers = [
      (taskToken: Uint8Array) => service().respondWorkflowTaskCompleted({ namespace, taskToken }),
      (taskToken: Uint8Array) => service().respondWorkflowTaskFailed({ namespace, taskToken }),
      (taskToken: Uint8Array) => service().respondActivityTaskCompleted({ namespace, taskToken }),
      (taskToken: Uint8Array) => service().respondActivityTaskFailed({ namespace, taskToken }),
      (taskToken: Uint8Array) => service().respondActivityTaskCanceled({ namespace, taskToken }),
      (taskToken: Uint8Array) => service().recordActivityTaskHeartbeat({ namespace, taskToken }),
      (taskToken: Uint8Array) => service().respondQueryTaskCompleted({ namespace, taskToken }),
    ];
    for (const answer of answers) {
      expect(await refusal(answer(new Uint8Array(0)))).toMatch(/^3 Task token not set on request\./);
      expect(await refusal(answer(Buffer.from("no token of ours")))).toBe("3 Error deserializing task token.");
    }
    for (const answer of answers.slice(2))
      expect(await refusal(answer(task.taskToken ?? new Uint8Array(0)))).toBe("3 Error deserializing task token.");
    expect(await eventsOf(handle)).toBe(taken);
    await handle.terminate();
  });

  test("that were tampered with are refused, byte by byte", async () => {
    const task = await held();
    const token = Buffer.from(task.task.taskToken ?? []);
    const tampered = [...token.keys()].flatMap((index) =>
      [0x01, 0x80].map((flip) => {
        const copy = Buffer.from(token);
        copy[index] = (copy[index] ?? 0) ^ flip;
        return copy;
      }),
    );
    tampered.push(...Array.from({ length: 50 }, (_, length) => randomBytes(length + 1)));
    const refusals = new Set<number>();
    for (const taskToken of tampered) {
      const error = await complete({ ...task, task: { taskToken } }, [completion()]).then(
        () => ({ code: 0 }),
        (reason: { code: number }) => reason,
      );
      refusals.add(error.code);
    }
    expect([...refusals].sort()).toEqual([Code.invalidArgument, Code.notFound]);
    expect(await eventsOf(task.handle)).toBe(taken);
    await complete(task, [completion({ result: small })]);
    expect(await task.handle.result()).toBe("x");
  });

  test("that were used, or whose time is over, find no task", async () => {
    const task = await held();
    await service().respondWorkflowTaskFailed({ namespace: "default", taskToken: task.task.taskToken ?? null });
    expect(await refusal(complete(task, [completion()]))).toBe("5 Workflow task not found.");
    const again = { ...task, task: await pollTask(task.taskQueue) };
    expect(await refusal(complete(task, [completion()]))).toBe("5 Workflow task not found.");
    await complete(again, [completion({ result: small })]);
    expect(await refusal(complete(again, [completion()]))).toBe("5 Workflow task not found.");
    expect(await task.handle.result()).toBe("x");
  });

  test("of an activity answer once", async () => {
    const task = await held();
    await complete(task, [activity("a", { taskQueue: { name: task.taskQueue } })]);
    const { taskToken } = await service().pollActivityTaskQueue({ namespace: "default", taskQueue: { name: task.taskQueue } });
    const answer = { namespace: "default", taskToken };
    const gone = "5 invalid activityID or activity already timed out or invoking workflow is completed";
    await service().respondActivityTaskCompleted({ ...answer, result: small });
    expect(await refusal(service().respondActivityTaskCompleted({ ...answer, result: small }))).toBe(gone);
    expect(await refusal(service().respondActivityTaskFailed(answer))).toBe(gone);
    expect(await refusal(service().recordActivityTaskHeartbeat(answer))).toBe(gone);
    expect(await eventsOf(task.handle, 5)).toBe(
      "5 ActivityTaskScheduled, 6 ActivityTaskStarted, 7 ActivityTaskCompleted, 8 WorkflowTaskScheduled",
    );
    await task.handle.terminate();
  });
});

test("a namespace that does not exist is refused by every RPC that names one", async () => {
  const namespace = "nowhere";
  const workflowExecution = { workflowId: "w" };
  const taskQueue = { name: "q" };
  for (const call of [
    service().startWorkflowExecution({ ...rawStart(), namespace }),
    service().signalWorkflowExecution({ namespace, workflowExecution, signalName: "s" }),
    service().signalWithStartWorkflowExecution({ ...rawStart(), namespace, signalName: "s" }),
    service().requestCancelWorkflowExecution({ namespace, workflowExecution }),
    service().terminateWorkflowExecution({ namespace, workflowExecution }),
    service().describeWorkflowExecution({ namespace, execution: workflowExecution }),
    service().getWorkflowExecutionHistory({ namespace, execution: workflowExecution }),
    service().queryWorkflow({ namespace, execution: workflowExecution, query: { queryType: "q" } }),
    service().listWorkflowExecutions({ namespace }),
    service().countWorkflowExecutions({ namespace }),
    service().pollWorkflowTaskQueue({ namespace, taskQueue }),
    service().pollActivityTaskQueue({ namespace, taskQueue }),
    service().describeTaskQueue({ namespace, taskQueue }),
    service().describeNamespace({ namespace }),
    service().updateNamespace({ namespace }),
  ]) {
    expect(await refusal(call)).toBe("5 Namespace nowhere is not found.");
  }
});

test("10,000 open polls take little memory, and the server answers beside them", async () => {
  const server = spawn(process.execPath, ["--import", "tsx", fileURLToPath(new URL("./server-process.ts", import.meta.url))], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(server.stdout, "data")) as [Buffer];
  const address = line.toString().trim();
  const residentMiB = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"))?.[1]) / 1024;
  // Connections of one process would share a socket, and its bound of calls, unless they are told not to.
  const connect = () => Connection.connect({ address, interceptors: [], channelArgs: { "grpc.use_local_subchannel_pool": 1 } });
  const connections = await Promise.all(Array.from({ length: 4 }, connect));
  const client = new Client({ connection: await connect() });
  try {
    const before = residentMiB();
    const polls = Array.from({ length: 10_000 }, (_, index) => {
      const connection = connections[index % connections.length] as Connection;
      return connection.workflowService
        .pollWorkflowTaskQueue({ namespace: "default", taskQueue: { name: `queue-${index % 100}` }, identity: "test" })
        .catch((error: { code: number }) => error.code);
    });
    const pollers = () =>
      client.workflowService.describeTaskQueue({ namespace: "default", taskQueue: { name: "queue-99" }, taskQueueType: 1 });
    await until(async () => (await pollers()).pollers?.length);
    const startedAt = performance.now();
    await client.workflow.start("any", { taskQueue: "another-queue", workflowId: "beside" });
    const took = performance.now() - startedAt;
    const grown = residentMiB() - before;
    // It stands in line behind polls that are still arriving, on a machine that may be busy.
    expect(took).toBeLessThan(10_000);
    expect(grown).toBeLessThan(300);
    // Each of them can still get its task.
    await client.workflow.start("any", { taskQueue: "queue-7", workflowId: "to-a-poll" });
    const first = await Promise.race(polls);
    expect(first).toMatchObject({ workflowExecution: { workflowId: "to-a-poll" } });
  } finally {
    server.kill("SIGKILL");
    await Promise.all([client.connection, ...connections].map((connection) => connection.close()));
  }
});

const cannotMount = ((): string | null => {
  if (process.platform !== "linux") return "a small disk is made as a Linux tmpfs";
  if (process.getuid?.() !== 0) return "only root may mount a small disk";
  const folder = mkdtempSync(join(tmpdir(), "holdfast-mount-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], { stdio: "ignore" });
    execFileSync("umount", [folder]);
    return null;
  } catch {
    return "this machine does not let us mount a small disk";
  } finally {
    rmdirSync(folder);
  }
})();

describe("a full disk", () => {
  const name = "refuses what cannot be kept, and goes on when there is room again";
  if (cannotMount !== null) return test.skip(`${name} (${cannotMount})`);
  return test(name, async () => {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-full-disk-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", folder]);
    const db = join(folder, "holdfast.db");
    const filler = join(folder, "filler");
    const open = async () => {
      const server = await Holdfast.start({ db, port: 0, httpPort: null, log: { level: "silent" } });
      const connection = await Connection.connect({ address: server.address, interceptors: [] });
      const client = new Client({ connection });
      const close = async () => {
        await connection.close();
        await server.stop();
      };
      return { client, close };
    };
    let { client, close } = await open();
    try {
      const kept: string[] = [];
      const start = async () => {
        const request = rawStart({ input: { payloads: [{ data: randomBytes(64 * 1024) }] } });
        await client.workflowService.startWorkflowExecution(request);
        kept.push(request.workflowId);
      };
      await start();
      writeFileSync(filler, Buffer.alloc(8 * 2 ** 20));
      let refused: { code: number } | undefined;
      for (let count = 0; refused === undefined && count < 500; count++)
        await start().catch((error) => {
          refused = error;
        });
      expect([Code.unavailable, Code.resourceExhausted]).toContain(refused?.code);
      // What is there can still be read, and more is refused alike.
      expect((await client.workflow.getHandle(kept[0] ?? "").describe()).status.name).toBe("RUNNING");
      for (let count = 0; count < 5; count++) {
        expect([Code.unavailable, Code.resourceExhausted]).toContain(((await rejectionOf(start())) as { code: number }).code);
      }
      const beforeRoom = kept.length;
      rmSync(filler);
      for (let count = 0; count < 5; count++) await start();
      expect(kept).toHaveLength(beforeRoom + 5);
      await close();
      ({ client, close } = await open());
      for (const workflowId of kept) {
        expect(await eventsOf(client.workflow.getHandle(workflowId))).toBe("1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled");
      }
      expect((await client.workflow.count()).count).toBe(kept.length);
    } finally {
      await close();
      execFileSync("umount", [folder]);
      rmdirSync(folder);
    }
  });
});

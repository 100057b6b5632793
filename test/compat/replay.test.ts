import { Worker } from "@temporalio/worker";
import { DeterminismViolationError } from "@temporalio/workflow";
import { beforeAll, expect, test } from "vitest";
import { bundleOf, eventsOf, rejectionOf, setup, until } from "./kit.ts";
import { type Activities, journey, proceed } from "./workflows/replay.ts";

const activities: Activities = { greet: async (name) => `Hello, ${name}!` };
const compat = setup({ workflows: "replay", activities });

type Code = { readonly workflowBundle: Awaited<ReturnType<typeof bundleOf>> };
let code: Code;
let changedCode: Code;
beforeAll(async () => {
  code = { workflowBundle: await bundleOf("replay") };
  changedCode = { workflowBundle: await bundleOf("replay-changed") };
});

const completed = async () => {
  const handle = await compat.start(journey);
  await handle.signal(proceed);
  await handle.result();
  return handle;
};

test("the history of a run replays", async () => {
  const handle = await completed();
  expect(await eventsOf(handle)).toContain("MarkerRecorded");
  await Worker.runReplayHistory(code, await handle.fetchHistory(), handle.workflowId);
});

test("an open run's history replays as far as it goes", async () => {
  const handle = await compat.start(journey);
  await until(async () => /TimerFired, .* WorkflowTaskCompleted$/.test(await eventsOf(handle)));
  await Worker.runReplayHistory(code, await handle.fetchHistory(), handle.workflowId);
  await handle.terminate();
});

test("changed code is a determinism violation", async () => {
  const handle = await completed();
  const replay = Worker.runReplayHistory(changedCode, await handle.fetchHistory());
  expect(await rejectionOf(replay)).toBeInstanceOf(DeterminismViolationError);
});

test("many histories, listed by the server, replay in one go", async () => {
  const handles = await Promise.all(Array.from({ length: 5 }, completed));
  const query = `TaskQueue = "${compat.taskQueue}" AND ExecutionStatus = "Completed"`;
  const histories = compat.client.workflow.list({ query }).intoHistories();
  const replayed: string[] = [];
  for await (const { workflowId, error } of Worker.runReplayHistories(code, histories)) {
    expect(error).toBeUndefined();
    replayed.push(workflowId);
  }
  expect(replayed).toEqual(expect.arrayContaining(handles.map((handle) => handle.workflowId)));
});

test("with changed code, each history says what is wrong with it", async () => {
  const handle = await completed();
  const histories = compat.client.workflow.list({ query: `WorkflowId = "${handle.workflowId}"` }).intoHistories();
  const errors: unknown[] = [];
  for await (const { error } of Worker.runReplayHistories(changedCode, histories)) errors.push(error);
  expect(errors).toEqual([expect.any(DeterminismViolationError)]);
});

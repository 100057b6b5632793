import { beforeAll, describe, expect, test } from "vitest";
import { after, before, type Case, type Cell, cells, innerWorkflows, input, policy, type StepType, type Way } from "./dag-steps/cells.ts";
import { dagServer } from "./dag-steps/server.ts";
import { until } from "./kit.ts";

// Every type of step in every way in which it can go, over the REST API, with a worker and a client of the published SDK.

type StepRun = { readonly status: string; readonly attempts: number; readonly job_id: string; readonly output: unknown };
type Run = {
  readonly id: string;
  readonly status: string;
  readonly error: { readonly message: string; readonly step_id?: string } | null;
  readonly started_at: string;
  readonly completed_at: string;
  readonly steps: { readonly [id: string]: StepRun };
  readonly compensations: readonly { readonly step_id: string; readonly status: string; readonly job_id: string }[];
};
type Line = { readonly type: string; readonly time: string; readonly step_id?: string; readonly status?: string };
type Timeline = readonly Line[];

const server = dagServer();
const { ask } = server;
const types = Object.keys(cells) as readonly StepType[];
const ways = Object.keys(cells.job) as readonly Way[];
const isCase = (cell: Cell): cell is Case => "steps" in cell;

/** How a run ends, and the step with it unless the cell says otherwise. */
const ends: { readonly [W in Way]: { readonly run: string; readonly step: string } } = {
  success: { run: "succeeded", step: "succeeded" },
  failure: { run: "failed", step: "failed" },
  denial: { run: "denied", step: "denied" },
  granted: { run: "succeeded", step: "succeeded" },
  rejected: { run: "denied", step: "denied" },
  timeout: { run: "timed_out", step: "timed_out" },
  cancellation: { run: "cancelled", step: "cancelled" },
  compensation: { run: "failed", step: "succeeded" },
};

/** What a client of the protocol sees of it: the execution, and the type of its failure. */
const executions: { readonly [status: string]: readonly [status: string, failure?: string] } = {
  succeeded: ["COMPLETED"],
  failed: ["FAILED", "DagRunFailed"],
  denied: ["FAILED", "DagRunDenied"],
  timed_out: ["FAILED", "DagRunTimedOut"],
  cancelled: ["CANCELLED"],
};

/** What the timeline of a run in which the step succeeds says of the step. */
const told: { readonly [T in StepType]: string } = {
  job: "step_dispatched, step_completed",
  activity: "step_dispatched, step_completed",
  approval: "step_dispatched, step_waiting, step_approved, step_completed",
  notify: "step_dispatched, step_event_emitted, step_completed",
  notice: "step_event_emitted",
  http: "step_dispatched, step_completed",
  condition: "step_condition_evaluated",
  switch: "step_switch_evaluated",
  "parallel all": "step_parallel_started, step_parallel_completed",
  "parallel any": "step_parallel_started, step_parallel_completed",
  "parallel n of m": "step_parallel_started, step_parallel_completed",
  for_each: "step_dispatched, step_dispatched, step_dispatched, step_completed",
  loop: "step_loop_iteration, step_dispatched, step_loop_iteration, step_dispatched, step_loop_completed",
  delay: "step_delay_started, step_delay_completed",
  transform: "step_transform_completed",
  storage: "step_storage_completed",
  signal: "step_waiting, signal_received, step_completed",
  subworkflow: "step_subworkflow_started, step_subworkflow_completed",
};

const runFields = [
  ...["compensations", "completed_at", "context", "created_at", "definition", "dry_run", "error", "id", "idempotency_key", "input"],
  ...["labels", "metadata", "org_id", "output", "parent_run_id", "rerun_of", "rerun_step", "started_at", "status", "steps", "team_id"],
  ...["total_cost", "trace_id", "triggered_by", "updated_at", "workflow_id"],
];
const stepFields = [
  ...["attempts", "completed_at", "error", "input", "job_id", "next_attempt_at", "output", "started_at", "status", "step_id"],
];
/** Of steps of some types. */
const stepFieldsMore = ["child_run_id", "children", "item"];
const lineFields = ["data", "job_id", "message", "run_id", "status", "step_id", "time", "type", "workflow_id"];

const isOver = ({ status }: Run): boolean => !["pending", "running", "waiting"].includes(status);
const run = (id: string): Promise<Run> => ask("GET", `/workflow-runs/${id}`);
const timelineOf = (id: string): Promise<Timeline> => ask("GET", `/workflow-runs/${id}/timeline?limit=1000`);

/** Saves the workflow of a cell, and starts a run of it. */
async function start(type: StepType, way: Way, { steps, runTimeout }: Case): Promise<string> {
  const id = `${type}-${way}`.replaceAll(" ", "-");
  const last = way === "compensation" && !steps.includes("last:") ? after : "";
  const lines = [before, ...steps.replaceAll("ENDPOINT", server.endpoint).split("\n"), last].filter((line) => line !== "");
  const limit = runTimeout === undefined ? "" : `timeout: ${runTimeout}\n`;
  await ask("POST", "/workflows", `id: ${id}\n${limit}steps:\n${lines.map((line) => `  ${line}\n`).join("")}`);
  return (await ask<{ run_id: string }>("POST", `/workflows/${id}/runs`, { input })).run_id;
}

const verdicts: { readonly [W in Way]?: "reject" } = { rejected: "reject" };

/** What people and others do while the run goes on, as often as it looks the same. */
async function takePart(id: string, way: Way, { signal }: Case, asked: Set<string>): Promise<void> {
  const { items } = await ask<{ items: readonly { id: string }[] }>("GET", `/approvals?workflow_id=${encodeURIComponent(id)}`);
  if (way !== "timeout" && way !== "cancellation")
    for (const approval of items.filter(({ id }) => !asked.has(id))) {
      asked.add(approval.id);
      await ask("POST", `/approvals/${approval.id}/${verdicts[way] ?? "approve"}`, { reason: "so be it" }, "grace");
    }
  const now = await run(id);
  if (signal !== undefined && now.status === "waiting") await ask("POST", `/workflow-runs/${id}/signal`, { name: "paid", ...signal });
  const isUnderWay = Object.entries(now.steps).some(([step, { status }]) => step !== "before" && ["running", "waiting"].includes(status));
  // Cancelled once what can be under way is: a job with a worker.
  if (way === "cancellation" && isUnderWay && !asked.has("cancel") && (now.status === "waiting" || isWithWorker(id))) {
    asked.add("cancel");
    await ask("POST", `/workflow-runs/${id}/cancel`, { reason: "enough" });
  }
}
const isWithWorker = (id: string): boolean =>
  server.effects.some(({ runId, action }) => runId === id && !action.startsWith("before")) || waitsInside.has(id);
/** Runs whose step is a timer or a child, which nobody is asked for. */
const waitsInside = new Set<string>();

/** Follows a run until it ends. Whatever its timeline has said once stays as it is. */
async function followed(id: string, way: Way, cell: Case): Promise<{ readonly over: Run; readonly timeline: Timeline }> {
  if (/type: (delay|subworkflow)/.test(cell.steps)) waitsInside.add(id);
  const asked = new Set<string>();
  let timeline: Timeline = [];
  const read = async (): Promise<void> => {
    const now = await timelineOf(id);
    expect(now.slice(0, timeline.length)).toEqual(timeline);
    timeline = now;
  };
  const over = await until(async () => {
    await read();
    const now = await run(id);
    if (isOver(now)) return now;
    await takePart(id, way, cell, asked).catch((error: unknown) => {
      // It ended while it was looked at.
      if (!/ 409 /.test(String(error))) throw error;
    });
    return false;
  });
  await read();
  return { over, timeline };
}

/** What every run is, however it went: the fields of the API, times in order, one effect for each attempt. */
function checkForm(over: Run, timeline: Timeline, effects: readonly string[]): void {
  expect(Object.keys(over).toSorted()).toEqual(runFields);
  for (const [id, step] of Object.entries(over.steps)) {
    const fields = Object.keys(step).toSorted();
    expect(fields.filter((field) => !stepFieldsMore.includes(field))).toEqual(stepFields);
    expect(step).toMatchObject({ step_id: id });
    expect(["succeeded", "failed", "denied", "timed_out", "cancelled"]).toContain(step.status);
    if (step.attempts > 0) expect(step.job_id).toBe(`${over.id}:${id}@${step.attempts}`);
  }
  expect(over.error === null).toBe(over.status === "succeeded");
  expect(over.started_at <= over.completed_at).toBe(true);

  for (const line of timeline) expect(lineFields).toEqual(expect.arrayContaining(Object.keys(line)));
  expect(timeline.map(({ time }) => time)).toEqual(timeline.map(({ time }) => time).toSorted());
  expect(timeline[0]).toMatchObject({ type: "run_status", status: "running", run_id: over.id });
  expect(timeline.at(-1)).toMatchObject({ type: "run_status", status: over.status });
  expect(effects.length, effects.join()).toBe(new Set(effects).size);
}

const effectsOf = (id: string): readonly string[] => server.effects.filter(({ runId }) => runId === id).map(({ action }) => action);
const isOf = (step: string) => (action: string) => action.replace(/[[.@].*$/, "") === step && !action.includes(".compensate");

beforeAll(async () => {
  await ask("PUT", "/policy/bundles/steps", { content: policy });
  await ask("POST", "/policy/publish", {});
  for (const [id, steps] of Object.entries(innerWorkflows)) await ask("POST", "/workflows", `id: ${id}\nsteps:\n  ${steps}\n`);
});

describe.each(types)("%s", (type) => {
  const row = ways.map((way) => ({ way, cell: cells[type][way] }));
  const cases = row.flatMap(({ way, cell }) => (isCase(cell) ? [{ way, cell }] : []));

  test.each(cases)("$way", async ({ way, cell }) => {
    const id = await start(type, way, cell);
    const { over, timeline } = await followed(id, way, cell);
    const effects = effectsOf(id);
    checkForm(over, timeline, effects);

    const { run: status, step } = ends[way];
    expect([over.status, over.steps.before?.status, over.steps.a?.status], JSON.stringify(over)).toEqual([
      status,
      "succeeded",
      cell.a ?? step,
    ]);
    const [execution, failure] = executions[status] ?? [];
    const handle = server.client.workflow.getHandle(id);
    expect((await handle.describe()).status.name).toBe(execution);
    if (failure !== undefined) await expect(handle.result()).rejects.toMatchObject({ cause: { type: failure } });

    const asking = cell.asks ?? "a";
    if (status === "denied") {
      // Whatever the definition says of retries: nobody was asked, and nobody is asked again.
      expect(effects.filter(isOf(asking))).toEqual([]);
      expect(over.steps[asking]).toMatchObject({ status: "denied" });
      expect(over.error).toMatchObject({ step_id: type === "loop" ? "a" : asking });
      expect(over.steps[asking]?.attempts ?? 0).toBeLessThanOrEqual(1);
    }
    const undone = way === "compensation" ? (cell.undone ?? ["a", "before"]) : compensated.has(status) ? ["before"] : [];
    expect(over.compensations.map(({ step_id, status }) => [step_id, status])).toEqual(undone.map((step) => [step, "succeeded"]));
    const undoings = effects.filter((action) => action.includes(".compensate"));
    expect(undoings.map((action) => action.replace(/@\d+$/, ""))).toEqual(undone.map((step) => `${step}.compensate`));
  });
  const compensated = new Set(["failed", "timed_out", "cancelled"]);

  test("rerun", async () => {
    const way = isCase(cells[type].success) ? "success" : "granted";
    const cell = cells[type][way];
    if (!isCase(cell)) throw new Error("a step succeeds in one of these ways");
    const first = await followed(await start(type, way, cell), way, cell);
    const { run_id: id } = await ask<{ run_id: string }>("POST", `/workflow-runs/${first.over.id}/rerun`, { from_step: "a" });
    const { over, timeline } = await followed(id, way, cell);
    checkForm(over, timeline, effectsOf(id));
    expect(over).toMatchObject({
      status: "succeeded",
      rerun_of: first.over.id,
      rerun_step: "a",
      metadata: { rerun_of: first.over.id, rerun_step: "a" },
    });
    // What was done before is taken over, everything else is done again.
    expect(effectsOf(id).filter(isOf("before"))).toEqual([]);
    expect(effectsOf(id).toSorted()).toEqual(
      effectsOf(first.over.id)
        .filter((action) => !isOf("before")(action))
        .toSorted(),
    );
    expect(over.steps.before).toMatchObject({ status: "succeeded", output: first.over.steps.before?.output });
    expect(timeline.filter(({ step_id }) => step_id === "before")).toEqual([]);
    const lines = timeline.filter(({ step_id }) => /^a\b/.test(step_id ?? ""));
    expect(lines.map(({ type }) => type).join(", ")).toBe(told[type]);
  });
});

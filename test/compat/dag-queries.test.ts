import { type WorkflowHandle, WorkflowNotFoundError } from "@temporalio/client";
import { describe, expect, test } from "vitest";
import { setup, unique, until } from "./kit.ts";
import { notebook, notes } from "./workflows/queries.ts";

// Runs of declarative workflows are asked by the published client, and the code of workflows over HTTP.

const compat = setup({ workflows: "queries", server: { httpPort: 0 } });

type Json = { readonly [key: string]: unknown };

async function ask(method: string, path: string, body?: object | string): Promise<{ readonly status: number; readonly json: Json }> {
  const response = await fetch(`http://${compat.server.httpAddress}/api/v1${path}`, {
    method,
    headers: { "content-type": typeof body === "string" ? "application/yaml" : "application/json" },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, json: text === "" ? {} : (JSON.parse(text) as Json) };
}

/** A run of these steps, as the client sees it. */
async function started(steps: string, more = ""): Promise<WorkflowHandle> {
  const id = unique("asked");
  await ask("POST", "/workflows", `id: ${id}\n${more}steps:\n${steps}`);
  const { json } = await ask("POST", `/workflows/${id}/runs`, { input: { order: 7 } });
  return compat.client.workflow.getHandle(String(json.run_id));
}

const signalled = "  note: { type: transform, input: { n: 1 } }\n  go: { type: signal, depends_on: [note] }\n";

describe("a run of a declarative workflow", () => {
  test("answers the client of an SDK, while it is open and when it is closed", async () => {
    const run = await started(signalled);
    expect(await run.query("input")).toEqual({ order: 7 });
    await until(async () => (await run.query("status")) === "waiting");
    expect(await run.query("step", "note")).toMatchObject({ status: "succeeded", output: { n: 1 } });
    expect(await run.query("steps")).toMatchObject({ go: { status: "waiting" } });
    expect(await run.query("timeline", { limit: 1 })).toMatchObject([{ type: "run_status" }]);
    expect(await run.query("__stack_trace")).toContain("go: waiting");
    expect(await run.query("__temporal_workflow_metadata")).toMatchObject({ definition: { signalDefinitions: [{ name: "go" }] } });
    await run.signal("go", "now");
    await until(async () => (await run.query("status")) === "succeeded");
    expect(await run.query("step", "go")).toMatchObject({ output: "now" });
  });

  test("sees in its answer the signal that was sent before", async () => {
    const run = await started(signalled);
    await run.signal("go", "early");
    expect(await run.query("step", "go")).toMatchObject({ status: "succeeded", output: "early" });
  });

  test("says what it does not know, and leaves no event", async () => {
    const run = await started(signalled);
    await until(async () => (await run.query("status")) === "waiting");
    const before = (await run.describe()).historyLength;
    await expect(run.query("nothing")).rejects.toThrow("there is no query `nothing`: a run answers status,");
    expect((await run.describe()).historyLength).toBe(before);
  });

  test("answers while it waits for its turn", async () => {
    const id = unique("few");
    await ask("POST", "/workflows", `id: ${id}\nmax_concurrent_runs: 1\nsteps:\n${signalled}`);
    const runs: WorkflowHandle[] = [];
    for (const order of [1, 2]) {
      const { json } = await ask("POST", `/workflows/${id}/runs`, { input: { order } });
      runs.push(compat.client.workflow.getHandle(String(json.run_id)));
    }
    const [first, second] = runs;
    await until(async () => (await first?.query("status")) === "waiting");
    expect(await second?.query("status")).toBe("pending");
    expect(await second?.query("input")).toEqual({ order: 2 });
    await first?.signal("go");
    await until(async () => (await second?.query("status")) === "waiting");
  });
});

describe("over HTTP", () => {
  test("a run is asked", async () => {
    const run = await started(signalled);
    const { status, json } = await ask("POST", `/workflow-runs/${run.workflowId}/query`, { query: "input" });
    expect({ status, json }).toEqual({ status: 200, json: { result: { order: 7 } } });
  });

  test("so is the code of a workflow, with what its handler is given", async () => {
    const handle = await compat.start(notebook);
    await until(async () => (await handle.query(notes)).includes("slept"));
    const path = `/workflow-runs/${handle.workflowId}/query`;
    expect((await ask("POST", path, { query: "notes" })).json).toEqual({ result: ["started", "slept"] });
    expect((await ask("POST", path, { query: "echo", args: ["ha", 2] })).json).toEqual({ result: "haha" });
    expect(await ask("POST", path, { query: "broken" })).toMatchObject({
      status: 409,
      json: { code: "query-failed", detail: expect.stringContaining("own failure") },
    });
    await handle.terminate();
  });

  test("nobody is asked who is not there", async () => {
    expect(await ask("POST", `/workflow-runs/${unique("none")}/query`, { query: "status" })).toMatchObject({
      status: 404,
      json: { code: "no-such-run" },
    });
    await expect(compat.client.workflow.getHandle(unique("none")).query("status")).rejects.toThrow(WorkflowNotFoundError);
  });
});

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { complete, headerIn, shows, take } from "../../service/dag/dag.test-kit.ts";
import { openApi, type TestApi } from "./rest.test-kit.ts";

const v1 = "/api/v1";
const yaml = { "content-type": "application/yaml" };
const policy = `
default_decision: allow
rules:
  - { id: careful, match: { topics: [job.send] }, decision: require_approval, reason: ask first }
`;

let api: TestApi;
beforeEach(async () => {
  api = await openApi(policy);
});
afterEach(() => api.close());

/** As the header of an answer says. */
async function traceOf(path: string, body: object, headers = {}): Promise<string> {
  const response = await fetch(`${api.url}${v1}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  return response.headers.get("x-trace-id") ?? "";
}

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

describe("a trace", () => {
  beforeEach(async () => {
    await api.ask("POST", `${v1}/workflows`, { text: "id: inner\nsteps:\n  think: { topic: job.think }\n", headers: yaml });
    const outer = "id: outer\nsteps:\n  a: { topic: job.a }\n  b: { type: subworkflow, depends_on: [a], input: { workflow_id: inner } }\n";
    await api.ask("POST", `${v1}/workflows`, { text: outer, headers: yaml });
  });

  test("has the jobs, the runs and what they have done, of all requests that name it, in order", async () => {
    const headers = { "x-trace-id": "ticket-7" };
    expect(await traceOf("/workflows/outer/runs", {}, headers)).toBe("ticket-7");
    const a = await take(api.core, "job.a");
    expect(a.task.header?.fields["holdfast-trace"]).toBeDefined();
    expect(headerIn(a)).not.toHaveProperty("trace_id");
    await complete(api.core, a);
    await complete(api.core, await take(api.core, "job.think"));
    const { json: listed } = await api.ask("GET", `${v1}/workflow-runs?trace_id=ticket-7&workflow_id=outer`);
    const runId = String(listed.items?.[0]?.id);
    expect(listed.items?.[0]).toMatchObject({ trace_id: "ticket-7" });
    await shows(api.core, runId, ({ status }) => status === "succeeded");
    expect(await traceOf("/jobs", { topic: "job.send", prompt: "it is done" }, headers)).toBe("ticket-7");
    expect([...((await api.ask("GET", `${v1}/jobs?q=job.se`)).json.items ?? [])]).toHaveLength(1);
    expect([...((await api.ask("GET", `${v1}/jobs?q=send`)).json.items ?? [])]).toEqual([]);
    await until(async () => {
      const { json } = await api.ask("GET", `${v1}/jobs?trace_id=ticket-7&state=APPROVAL_REQUIRED`);
      return [...(json.items ?? [])].length > 0;
    });
    const { json } = await api.ask("GET", `${v1}/traces/ticket-7`);
    const items = [...(json.items ?? [])];
    const happened = items.filter(({ kind }) => String(kind) !== "ledger").map(({ kind, type, status }) => `${kind} ${type} ${status}`);
    expect(happened.sort()).toEqual(
      [
        "activity job.a completed",
        "activity job.send scheduled",
        "activity job.think completed",
        "approval job pending",
        "job job.send APPROVAL_REQUIRED",
        "run inner succeeded",
        "run outer succeeded",
      ].sort(),
    );
    expect(items.filter(({ kind }) => String(kind) === "ledger").length).toBeGreaterThan(0);
    expect(items.map(({ at }) => String(at))).toEqual(items.map(({ at }) => String(at)).sort());
    const page = await api.ask("GET", `${v1}/traces/ticket-7?limit=2&cursor=1`);
    expect(page.json).toMatchObject({ items: items.slice(1, 3), next_cursor: "3", truncated: false });
  });

  test.each([
    ["of W3C", { traceparent }, "0af7651916cd43dd8448eb211c80319c"],
    ["of its own kind, which goes first", { traceparent, "x-trace-id": "mine" }, "mine"],
  ])("is named by a header %s", async (_, headers, id) => {
    expect(await traceOf("/workflows/outer/runs", {}, headers)).toBe(id);
    expect(await traceOf("/jobs", { prompt: "x" }, headers)).toBe(id);
  });

  test.each([
    [{}],
    [{ traceparent: "00-zz-b7-01" }],
    [{ "x-trace-id": "a b" }],
    [{ traceparent: `00-${"0".repeat(32)}-b7ad6b7169203331-01` }],
  ])("begins anew without one that can be understood: %j", async (headers) => {
    const id = await traceOf("/workflows/outer/runs", {}, headers);
    expect((await api.ask("GET", `${v1}/workflow-runs/${id}`)).json.trace_id).toBe(id);
    const job = await traceOf("/jobs", { prompt: "x" }, headers);
    expect((await api.ask("GET", `${v1}/traces/${job}`)).json.items?.[0]).toMatchObject({ kind: "job" });
  });

  test("goes on with a rerun, and belongs to its tenant", async () => {
    const id = await traceOf("/workflows/outer/runs", {});
    expect(await traceOf(`/workflow-runs/${id}/rerun`, {})).toBe(id);
    expect(await api.ask("GET", `${v1}/traces/${id}`, { headers: { "x-tenant-id": "other" } })).toMatchObject({
      json: { code: "no-such-trace" },
    });
    expect(await api.ask("GET", `${v1}/traces/${id}`, { headers: { "x-tenant-id": "nowhere" } })).toMatchObject({ status: 404 });
  });
});

const turnsMax = 200;
/** Waits, without sleeping, until it is so. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let turns = 0; turns < turnsMax; turns++) if (await isSo()) return;
  throw new Error("it never happened");
}

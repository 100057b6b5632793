import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ApplicationFailure, heartbeat, sleep } from "@temporalio/activity";
import { NativeConnection, Worker } from "@temporalio/worker";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Holdfast } from "../../src/main.ts";
import { until } from "./kit.ts";

// Declarative workflows over HTTP, whose jobs are done by workers of the published SDK. All jobs are routed to one task queue.

const taskQueue = "dag-workers";
const folder = mkdtempSync(join(tmpdir(), "holdfast-dag-"));
const policy = (rules: string): string => `default_decision: allow\nrules:\n${rules}`;
const rules = policy(`
  - { id: no-deletes, match: { risk_tags: [destructive] }, decision: deny, reason: nothing is deleted here }
`);

/** What the jobs were given, by topic, in the order in which they came. */
const seen: { readonly topic: string; readonly input: unknown }[] = [];
const failures = new Map<string, () => Error>();
const job =
  (topic: string, work: (input: unknown) => unknown = () => ({ did: topic })) =>
  async (input: unknown): Promise<unknown> => {
    seen.push({ topic, input });
    const failure = failures.get(topic)?.();
    if (failure !== undefined) throw failure;
    return work(input);
  };
const activities = {
  ...Object.fromEntries(
    ["incident.detect", "incident.classify", "incident.patch.plan", "incident.patch.apply", "book", "unbook", "pay", "refund"].map(
      (name) => [`job.${name}`, job(`job.${name}`)],
    ),
  ),
  "job.echo": job("job.echo", (input) => input),
  "job.fail": job("job.fail", () => {
    throw ApplicationFailure.nonRetryable("it cannot be", "Impossible");
  }),
  "job.slow": job("job.slow", async () => {
    for (;;) {
      heartbeat();
      await sleep(20);
    }
  }),
  greet: async ({ name }: { readonly name: string }): Promise<string> => `hello ${name}`,
};

type Json = { readonly [key: string]: Json } & { readonly [index: number]: Json } & Iterable<Json>;
let server: Holdfast;
let worker: Worker;
let connection: NativeConnection;
let running: Promise<void>;
let base = "";

async function launch(port = 0): Promise<void> {
  server = await Holdfast.start({
    db: join(folder, "db"),
    port,
    httpPort: 0,
    log: { level: "error" },
    routes: { "job.*": taskQueue },
    http: { allowPrivate: ["127.0.0.1"] },
  });
  base = `http://${server.httpAddress}`;
}
async function work(): Promise<void> {
  connection = await NativeConnection.connect({ address: server.address });
  worker = await Worker.create({ connection, taskQueue, activities, shutdownGraceTime: "100ms" });
  running = worker.run();
}
beforeAll(async () => {
  await launch();
  await work();
  await ask("PUT", "/policy/bundles/rules", { content: rules });
  await ask("POST", "/policy/publish", {});
});
afterAll(async () => {
  worker.shutdown();
  await running;
  await connection.close();
  await server.stop();
  rmSync(folder, { recursive: true });
});

async function ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Json> {
  const isText = typeof body === "string";
  const response = await fetch(`${base}/api/v1${path}`, {
    method,
    headers: {
      "x-principal-id": "ada",
      ...(body === undefined ? {} : { "content-type": isText ? "application/yaml" : "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text === "" ? ({} as Json) : JSON.parse(text);
}

/** Posts a workflow of these steps, and starts a run of it. */
async function start(id: string, steps: string, input: unknown = {}): Promise<string> {
  await ask("POST", "/workflows", `id: ${id}\n${/^steps:/m.test(steps) ? steps : `steps:\n${steps.replace(/^/gm, "  ")}`}`);
  return String((await ask("POST", `/workflows/${id}/runs`, { input })).run_id);
}
const run = (runId: string): Promise<Json> => ask("GET", `/workflow-runs/${encodeURIComponent(runId)}`);
const isOver = (status: unknown): boolean => !["pending", "running", "waiting"].includes(String(status));
const ended = (runId: string): Promise<Json> =>
  until(async () => {
    const now = await run(runId);
    return isOver(now.status) && now;
  });
const approvalOf = (runId: string): Promise<Json> =>
  until(async () => (await ask("GET", `/approvals?workflow_id=${encodeURIComponent(runId)}`)).items?.[0]);
const typesIn = async (runId: string): Promise<readonly string[]> =>
  [...(await ask("GET", `/workflow-runs/${runId}/timeline?limit=1000`))].map(({ type }) => String(type));
const statusesIn = ({ steps }: Json): { readonly [id: string]: unknown } =>
  Object.fromEntries(Object.entries(steps ?? {}).map(([id, { status }]) => [id, status]));

const say = `{ topic: job.echo, input: { said: 1 } }`;

describe("each type of step", () => {
  test.each<[string, string, string, object, unknown?]>([
    ["a job", "a: { topic: job.echo, input: { n: 1 } }", "succeeded", { a: "succeeded" }, { a: { n: 1 } }],
    ["a job that fails", "a: { topic: job.fail }\nb: { topic: job.echo, depends_on: [a] }", "failed", { a: "failed", b: "cancelled" }],
    [
      "a job whose error does not matter",
      `a: { topic: job.fail, continue_on_error: true }\nb: { depends_on: [a], topic: job.echo }`,
      "succeeded",
      {},
    ],
    ["an error that is handled", `a: { topic: job.fail, on_error: b }\nb: ${say}`, "succeeded", { b: "succeeded" }],
    [
      "an activity of any type",
      `a: { type: activity, task_queue: ${taskQueue}, activity_type: greet, input: { name: ada } }`,
      "succeeded",
      {},
      { a: "hello ada" },
    ],
    ["a condition", "a: { type: condition, condition: '1 < 2' }", "succeeded", {}, { a: true }],
    ["a condition on a job", `a: { topic: job.fail, condition: '1 > 2' }`, "succeeded", {}],
    [
      "a switch",
      `a: { type: switch, condition: '\${input.n}', input: { cases: [{ when: 1, next: b }], default: c } }\nb: ${say}\nc: ${say}`,
      "succeeded",
      { b: "succeeded", c: "cancelled" },
    ],
    ["all branches", `a: { type: parallel, input: { steps: [b, c] } }\nb: ${say}\nc: ${say}`, "succeeded", { a: "succeeded" }],
    [
      "any branch",
      `a: { type: parallel, input: { steps: [b, c], strategy: any } }\nb: ${say}\nc: { type: signal }`,
      "succeeded",
      { c: "cancelled" },
    ],
    [
      "for each",
      `a: { topic: job.echo, for_each: '\${input.list}', max_parallel: 2, input: { it: '\${item}' } }`,
      "succeeded",
      {},
      {
        a: [
          { it: 1, item: 1 },
          { it: 2, item: 2 },
        ],
      },
    ],
    [
      "a loop",
      `a: { type: loop, input: { body: b, max_iterations: 5, until: '\${loop.iteration == 3}' } }\nb: { topic: job.echo, input: { n: '\${loop.iteration}' } }`,
      "succeeded",
      { a: "succeeded" },
    ],
    ["a delay", "a: { type: delay, delay: 20ms }", "succeeded", { a: "succeeded" }],
    ["a transform", `a: { type: transform, input: { twice: '\${input.n + input.n}' } }`, "succeeded", {}, { a: { twice: 2 } }],
    ["a notice", "a: { type: notify }", "succeeded", { a: "succeeded" }],
    ["storage", "a: { type: storage, input: { operation: write, key: k, value: 1 } }", "succeeded", { a: "succeeded" }],
    [
      "a denied job",
      "a: { topic: job.echo, risk_tags: [destructive] }\nb: { topic: job.echo, depends_on: [a] }",
      "denied",
      { a: "denied", b: "cancelled" },
    ],
    ["a job that takes too long", "a: { topic: job.slow, timeout: 100ms }", "timed_out", { a: "timed_out" }],
    ["a signal that nobody sends", "a: { type: signal, timeout: 50ms }", "timed_out", { a: "timed_out" }],
    ["an HTTP request that fails", "a: { type: http, input: { url: 'http://10.0.0.1/' } }", "failed", { a: "failed" }],
  ])("%s", async (name, steps, status, statuses, outputs = {}) => {
    const over = await ended(await start(name.replace(/\W/g, "-"), steps, { n: 1, list: [1, 2] }));
    expect([over.status, over.error], JSON.stringify(over)).toEqual([status, status === "succeeded" ? null : expect.anything()]);
    expect(statusesIn(over)).toMatchObject(statuses);
    for (const [id, output] of Object.entries(outputs as object)) expect(over.steps?.[id]?.output).toEqual(output);
  });

  test("an HTTP request, to this server itself", async () => {
    const over = await ended(await start("http", `a: { type: http, input: { url: '${base}/healthz', expect_status: 200 } }`));
    expect(over.steps?.a?.output).toMatchObject({ status: 200, body: "ok\n" });
  });

  test("a subworkflow, and its failure", async () => {
    await ask("POST", "/workflows", `id: inner\nsteps:\n  a: { topic: job.echo }\noutput: { got: '\${steps.a.output}' }`);
    await ask("POST", "/workflows", "id: inner-fails\nsteps:\n  a: { topic: job.fail }\n");
    const over = await ended(await start("outer", "s: { type: subworkflow, input: { workflow_id: inner } }", { n: 1 }));
    expect(over.steps?.s?.output).toMatchObject({ child_status: "succeeded", output: { got: { n: 1 } } });
    expect((await run(String(over.steps?.s?.child_run_id))).status).toBe("succeeded");
    const failed = await ended(await start("outer-fails", "s: { type: subworkflow, input: { workflow_id: inner-fails } }"));
    expect([failed.status, failed.error?.step_id]).toEqual(["failed", "s"]);
    const unknown = await ended(await start("outer-unknown", "s: { type: subworkflow, input: { workflow_id: nobody } }"));
    expect(unknown.status).toBe("failed");
  });

  test("a signal", async () => {
    const runId = await start("signalled", "go: { type: signal }");
    await until(async () => String((await run(runId)).status) === "waiting");
    await ask("POST", `/workflow-runs/${runId}/signal`, { name: "go", payload: { by: "ada" } });
    expect((await ended(runId)).steps?.go?.output).toEqual({ by: "ada" });
  });
});

describe("people", () => {
  const asks = `a: { type: approval }\nb: { topic: job.echo, depends_on: [a] }`;

  test("approve, and the run goes on", async () => {
    const runId = await start("asks", asks);
    const { id } = await approvalOf(runId);
    expect(await until(async () => String((await run(runId)).status) === "waiting")).toBe(true);
    await ask("POST", `/approvals/${id}/approve`, { reason: "fine" }, { "x-principal-id": "grace" });
    const over = await ended(runId);
    expect(over).toMatchObject({ status: "succeeded", steps: { a: { output: { approved: true } } } });
  });

  test("reject, and the run is denied", async () => {
    const runId = await start("asks-in-vain", asks);
    const { id } = await approvalOf(runId);
    await ask("POST", `/approvals/${id}/reject`, { reason: "not today" }, { "x-principal-id": "grace" });
    const over = await ended(runId);
    expect([over.status, statusesIn(over)]).toEqual(["denied", { a: "denied", b: "cancelled" }]);
  });

  test("do not decide in time", async () => {
    const over = await ended(await start("asks-nobody", "a: { type: approval, timeout: 1s }"));
    expect(over).toMatchObject({ status: "timed_out", steps: { a: { status: "timed_out" } } });
  });
});

test("a denied job costs no worker, and says which rule", async () => {
  const before = seen.length;
  const over = await ended(
    await start("denied", "a: { topic: job.echo, risk_tags: [destructive], retries: { max_attempts: 5, backoff_ms: 1 } }"),
  );
  expect(over).toMatchObject({ status: "denied", steps: { a: { attempts: 1 } } });
  expect(String(over.error?.message)).toContain("nothing is deleted here");
  expect(seen).toHaveLength(before);
  expect((await ask("GET", "/workflow-runs?status=denied&workflow_id=denied")).items).toHaveLength(1);
});

test("what was done is undone in reverse order when a later step fails for good", async () => {
  const before = seen.length;
  const over = await ended(
    await start(
      "saga",
      `
book: { topic: job.book, compensate: { topic: job.unbook } }
pay: { topic: job.pay, depends_on: [book], compensate: { topic: job.refund } }
ship: { topic: job.fail, depends_on: [pay] }`,
    ),
  );
  expect(over.status).toBe("failed");
  expect(seen.slice(before).map(({ topic }) => topic)).toEqual(["job.book", "job.pay", "job.fail", "job.refund", "job.unbook"]);
  expect([...(over.compensations ?? [])].map(({ step_id, status }) => [step_id, status])).toEqual([
    ["pay", "succeeded"],
    ["book", "succeeded"],
  ]);
});

test("a cancelled run gives up the job that is under way", async () => {
  const runId = await start("cancelled", "a: { topic: job.slow, heartbeat_timeout: 5s }");
  await until(async () => String((await run(runId)).steps?.a?.status) === "running");
  await ask("POST", `/workflow-runs/${runId}/cancel`, { reason: "enough" });
  const over = await ended(runId);
  expect([over.status, over.error?.message, statusesIn(over)]).toEqual(["cancelled", "enough", { a: "cancelled" }]);
});

test("100 identical starts at once are one run", async () => {
  await ask("POST", "/workflows", "id: once\nsteps:\n  a: { topic: job.echo }\n");
  const before = seen.length;
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => ask("POST", "/workflows/once/runs", { input: { n: 1 } }, { "idempotency-key": "once" })),
  );
  const ids = new Set(answers.map(({ run_id }) => String(run_id)));
  expect(ids.size).toBe(1);
  for (const id of ids) await ended(id);
  expect(seen).toHaveLength(before + 1);
  expect((await ask("GET", "/workflow-runs?workflow_id=once")).items).toHaveLength(1);
});

test("a run goes on where it was after the server was stopped", async () => {
  const runId = await start(
    "restarted",
    "a: { topic: job.echo }\ngo: { type: signal, depends_on: [a] }\nb: { topic: job.echo, depends_on: [go] }",
  );
  await until(async () => String((await run(runId)).status) === "waiting");
  const before = await ask("GET", `/workflow-runs/${runId}/timeline`);
  worker.shutdown();
  await running;
  await connection.close();
  await server.stop();
  await launch();
  await work();
  expect(await ask("GET", `/workflow-runs/${runId}/timeline`)).toEqual(before);
  await ask("POST", `/workflow-runs/${runId}/signal`, { name: "go" });
  expect(statusesIn(await ended(runId))).toEqual({ a: "succeeded", go: "succeeded", b: "succeeded" });
});

describe("incident remediation", () => {
  const definition = `id: incident-remediation
name: Incident remediation workflow
version: 1.0.0
steps:
  detect:
    type: job
    topic: job.incident.detect
  classify:
    type: job
    topic: job.incident.classify
    depends_on: [detect]
  patch_plan:
    type: job
    topic: job.incident.patch.plan
    depends_on: [classify]
  approval_gate:
    type: approval
    depends_on: [patch_plan]
  apply_patch:
    type: job
    topic: job.incident.patch.apply
    depends_on: [approval_gate]
    retries:
      max_attempts: 2
      backoff_ms: 5000
  notify:
    type: notify
    depends_on: [apply_patch]
`;
  /** The commands as they are printed, with what stands for something in them filled in. */
  const curl = (command: string, ids: { readonly [placeholder: string]: string }): Promise<string> => {
    const filled = Object.entries(ids).reduce((text, [placeholder, id]) => text.replaceAll(placeholder, id), command);
    const shell = spawn("sh", ["-c", filled.replace("http://localhost:8081", base)], { stdio: ["ignore", "pipe", "inherit"] });
    let out = "";
    shell.stdout.on("data", (part) => {
      out += part;
    });
    return new Promise((resolve, reject) => shell.on("close", (code) => (code === 0 ? resolve(out) : reject(new Error(`curl: ${code}`)))));
  };
  const startCommand = `curl -sS -X POST http://localhost:8081/api/v1/workflows/WF_ID/runs -H 'X-API-Key: YOUR_API_KEY' -H 'X-Tenant-ID: default' -H 'Idempotency-Key: run-incident-001' -H 'Content-Type: application/json' -d '{"input":{"incident_id":"INC-7781"}}'`;
  const showCommand = "curl -sS http://localhost:8081/api/v1/workflow-runs/RUN_ID";
  const timelineCommand = 'curl -sS "http://localhost:8081/api/v1/workflow-runs/RUN_ID/timeline?limit=200"';
  const rerunCommand = `curl -sS -X POST http://localhost:8081/api/v1/workflow-runs/RUN_ID/rerun -H 'X-API-Key: YOUR_API_KEY' -H 'X-Tenant-ID: default' -H 'Content-Type: application/json' -d '{"from_step":"apply_patch","dry_run":false}'`;

  test("is started, inspected and rerun from the failed step by these commands", async () => {
    await ask("POST", "/workflows", definition);
    failures.set("job.incident.patch.apply", () => ApplicationFailure.nonRetryable("the host is gone", "Gone"));
    const { run_id: runId } = JSON.parse(await curl(startCommand, { WF_ID: "incident-remediation" }));
    expect(JSON.parse(await curl(startCommand, { WF_ID: "incident-remediation" }))).toEqual({ run_id: runId });
    const { id } = await approvalOf(runId);
    expect(seen.at(-1)).toEqual({ topic: "job.incident.patch.plan", input: { incident_id: "INC-7781" } });
    await ask("POST", `/approvals/${id}/approve`, {}, { "x-principal-id": "grace" });
    await ended(runId);
    const shown = JSON.parse(await curl(showCommand, { RUN_ID: runId }));
    expect(shown).toMatchObject({
      id: runId,
      workflow_id: "incident-remediation",
      status: "failed",
      input: { incident_id: "INC-7781" },
      steps: { approval_gate: { status: "succeeded" }, apply_patch: { status: "failed", job_id: `${runId}:apply_patch@1` } },
    });
    const timeline: readonly Json[] = JSON.parse(await curl(timelineCommand, { RUN_ID: runId }));
    expect(timeline.find(({ type }) => String(type) === "step_waiting")).toMatchObject({ run_id: runId, step_id: "approval_gate" });
    failures.delete("job.incident.patch.apply");
    const { run_id: again } = JSON.parse(await curl(rerunCommand, { RUN_ID: runId }));
    const over = await ended(again);
    expect(over).toMatchObject({ status: "succeeded", rerun_of: runId, rerun_step: "apply_patch" });
    expect(await typesIn(again)).not.toContain("step_waiting");
  });

  test("tries the patch once more, five seconds later", async () => {
    let tries = 0;
    failures.set("job.incident.patch.apply", () => new Error(`try ${++tries}`));
    const { run_id } = await ask("POST", "/workflows/incident-remediation/runs", { input: {} });
    const runId = String(run_id);
    await ask("POST", `/approvals/${(await approvalOf(runId)).id}/approve`, {}, { "x-principal-id": "grace" });
    const waiting = await until(async () => {
      const now = await run(runId);
      return now.steps?.apply_patch?.next_attempt_at && now;
    });
    expect(waiting.status).toBe("running");
    failures.delete("job.incident.patch.apply");
    const over = await ended(runId);
    expect(over).toMatchObject({ status: "succeeded", steps: { apply_patch: { attempts: 2, job_id: `${runId}:apply_patch@2` } } });
  });
});

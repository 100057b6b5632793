import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { activityInfo, Context } from "@temporalio/activity";
import { ApplicationFailure } from "@temporalio/common";
import { NativeConnection, Worker } from "@temporalio/worker";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Holdfast } from "../../src/main.ts";
import { until } from "./kit.ts";

// Jobs over HTTP, done by a worker of the published SDK, by `curl`, and by the workers of the example.

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "holdfast-jobs-"));
const policyFile = join(folder, "policy.yaml");
writeFileSync(
  policyFile,
  `
version: v1
default_decision: deny
rules:
  - { id: none-to-prod, match: { topics: ["job.sdk.*"], risk_tags: [prod] }, decision: deny, reason: nothing goes to production }
  - { id: patches, match: { topics: [job.sdk.patch] }, decision: require_approval, reason: a person looks at patches }
  - { id: jobs, match: { kinds: [job], topics: ["job.**"] }, decision: allow }
`,
);

type Json = { readonly [name: string]: Json } & { readonly [index: number]: Json };
type Ask = (method: string, path: string, body?: object) => Promise<Json>;
const askAt =
  (address: string | null): Ask =>
  async (method, path, body) => {
    const response = await fetch(`http://${address}/api/v1${path}`, {
      method,
      headers: { "x-principal-id": "ann", ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${response.status} ${text}`);
    return text === "" ? null : JSON.parse(text);
  };
const submitTo =
  (ask: Ask) =>
  async (topic: string, body: object = {}): Promise<string> =>
    String((await ask("POST", "/jobs", { topic, input: { n: 1 }, ...body })).job_id);
const reachesAt = (ask: Ask) => (id: string, state: string) =>
  until(async () => {
    const job = await ask("GET", `/jobs/${id}`);
    return String(job.state) === state && job;
  });

let server: Holdfast;
let ask: Ask;
let submit: ReturnType<typeof submitTo>;
let reaches: ReturnType<typeof reachesAt>;
beforeAll(async () => {
  const routes = { "job.sdk.*": "sdk-workers" };
  server = await Holdfast.start({ db: ":memory:", port: 0, httpPort: 0, policy: [policyFile], routes, log: { level: "error" } });
  ask = askAt(server.httpAddress);
  submit = submitTo(ask);
  reaches = reachesAt(ask);
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

describe("an activity worker of the published SDK", () => {
  let connection: NativeConnection;
  let worker: Worker;
  let running: Promise<void>;
  beforeAll(async () => {
    connection = await NativeConnection.connect({ address: server.address });
    worker = await Worker.create({
      connection,
      taskQueue: "sdk-workers",
      shutdownGraceTime: "100ms",
      activities: {
        "job.sdk.add": async ({ n }: { n: number }) => ({ sum: n + 1, attempt: activityInfo().attempt }),
        "job.sdk.patch": async () => "patched",
        "job.sdk.flaky": async () => {
          if (activityInfo().attempt < 3) throw new Error("not yet");
          return activityInfo().attempt;
        },
        "job.sdk.broken": async () => {
          throw ApplicationFailure.nonRetryable("it is broken", "Broken", { part: 7 });
        },
        "job.sdk.wait": async () => {
          const { cancelled, heartbeat, sleep } = Context.current();
          for (;;) {
            heartbeat("alive");
            await Promise.race([sleep("50ms"), cancelled]);
          }
        },
        "job.sdk.hang": () => Context.current().cancelled,
      },
    });
    running = worker.run();
  });
  afterAll(async () => {
    worker.shutdown();
    await running;
    await connection.close();
  });

  test("does a job", async () => {
    const id = await submit("job.sdk.add", { input: { n: 41 }, labels: { env: "dev" } });
    expect(await reaches(id, "SUCCEEDED")).toMatchObject({
      result: { sum: 42, attempt: 1 },
      attempts: 1,
      task_queue: "sdk-workers",
      safety_decision: "ALLOW",
      safety_rule_id: "jobs",
    });
    expect(await ask("GET", `/jobs/${id}/decisions`)).toMatchObject([{ decision: "ALLOW", rule_id: "jobs", attempt: 1 }]);
  });

  test("tries as often as the job says", async () => {
    const id = await submit("job.sdk.flaky", { retries: { max_attempts: 3, backoff_ms: 5 } });
    expect(await reaches(id, "SUCCEEDED")).toMatchObject({ result: 3, attempts: 3 });
  });

  test("fails for good, and is a dead letter that is done again as it was", async () => {
    const id = await submit("job.sdk.broken", { retries: { max_attempts: 3 }, labels: { app: "shop" }, risk_tags: ["late"] });
    expect(await reaches(id, "FAILED")).toMatchObject({ error_message: "it is broken", error_code: "Broken", attempts: 1 });
    const again = await ask("POST", `/dlq/${id}/retry`);
    expect(await reaches(String(again.job_id), "FAILED")).toMatchObject({
      labels: { app: "shop" },
      risk_tags: ["late"],
      parent_job_id: id,
    });
    expect(await ask("GET", `/jobs/${again.job_id}/decisions`)).toMatchObject([{ decision: "ALLOW" }]);
    expect(await ask("GET", "/dlq?topic=job.sdk.broken")).toMatchObject([{ job_id: again.job_id, reason_code: "Broken" }]);
  });

  test("never sees what is denied", async () => {
    const id = await submit("job.sdk.add", { risk_tags: ["prod"] });
    const job = await reaches(id, "DENIED");
    expect(job).toMatchObject({ attempts: 0, error_message: "nothing goes to production", safety_rule_id: "none-to-prod" });
  });

  test("gets what waits for approval when it is granted", async () => {
    const id = await submit("job.sdk.patch");
    const { approval_ref } = await reaches(id, "APPROVAL_REQUIRED");
    const vote = { method: "POST", headers: { "x-principal-id": "ben", "content-type": "application/json" }, body: "{}" };
    const voted = await fetch(`http://${server.httpAddress}/api/v1/approvals/${approval_ref}/approve`, vote);
    expect(voted.status).toBe(200);
    expect(await reaches(id, "SUCCEEDED")).toMatchObject({ result: "patched", approval_status: "granted", approval_by: "ben" });
  });

  test("is told to stop when the job is cancelled", async () => {
    const id = await submit("job.sdk.wait", { heartbeat_timeout_ms: 60_000 });
    await reaches(id, "RUNNING");
    expect(await ask("POST", `/jobs/${id}/cancel`)).toEqual({ id, state: "CANCELLED" });
    // It works on one activity at a time of each poll: what it does next shows that it has let go.
    await reaches(await submit("job.sdk.add"), "SUCCEEDED");
  });

  test("has as long as the job says", async () => {
    expect(await reaches(await submit("job.sdk.hang", { timeout_ms: 100 }), "TIMEOUT")).toMatchObject({ error_code: "Timeout" });
    const deadline = await submit("job.sdk.flaky", { deadline_ms: 150, retries: { max_attempts: 50, backoff_ms: 100 } });
    expect(await reaches(deadline, "TIMEOUT")).toMatchObject({ error_message: expect.stringContaining("not yet") });
  });
});

test("curl is a worker", async () => {
  const curl = async (path: string, body: object) => {
    const url = `http://${server.httpAddress}/api/v1/workers/${path}`;
    const { stdout } = await run("curl", [
      "-sS",
      "--fail-with-body",
      url,
      "-H",
      "content-type: application/json",
      "-d",
      JSON.stringify(body),
    ]);
    return stdout === "" ? null : JSON.parse(stdout);
  };
  const waiting = curl("lease", { task_queue: "job.curl", worker_id: "curl", wait_ms: 30_000 });
  const id = await submit("job.curl", { input: { n: 2 }, heartbeat_timeout_ms: 30_000 });
  const task = await waiting;
  expect(task).toMatchObject({ job_id: id, input: [{ n: 2 }], attempt: 1, headers: { "holdfast-decision": { rule: "jobs" } } });
  expect(await curl("heartbeat", { lease: task.lease, details: "half" })).toEqual({ cancel_requested: false, lease_gone: false });
  await curl("complete", { lease: task.lease, result: { doubled: 4 } });
  expect(await reaches(id, "SUCCEEDED")).toMatchObject({ result: { doubled: 4 }, worker: "curl" });
});

describe("the example's worker", () => {
  let child: ChildProcess | null = null;
  afterEach(async () => {
    if (child === null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
    child = null;
  });

  test.each([
    ["in Python", "python3", ["worker.py", "job.greet.python"], "job.greet.python"],
    ["in TypeScript", process.execPath, ["--import", "tsx", "worker.ts", "job.greet.node"], "job.greet.node"],
  ])("%s", async (_name, command, args, topic) => {
    child = spawn(command, args, {
      cwd: fileURLToPath(new URL("../../examples/http-worker/", import.meta.url)),
      env: { ...process.env, HOLDFAST_URL: `http://${server.httpAddress}` },
      stdio: "ignore",
    });
    const good = await submit(topic, { input: { name: "Ada" }, heartbeat_timeout_ms: 10_000 });
    expect(await reaches(good, "SUCCEEDED")).toMatchObject({ result: { greeting: "Hello, Ada!", attempt: 1 } });
    const bad = await submit(topic, { input: {}, retries: { max_attempts: 3 } });
    expect(await reaches(bad, "FAILED")).toMatchObject({ error_message: "whom to greet?", error_code: "BadInput", attempts: 1 });
  });
});

test("100 submissions of one key at once are one job", async () => {
  const ids = await Promise.all(Array.from({ length: 100 }, () => submit("job.once", { idempotency_key: "order-7" })));
  expect(new Set(ids).size).toBe(1);
  expect(await ask("GET", "/jobs?topic=job.once")).toMatchObject({ items: [{ id: ids[0] }], next_cursor: null });
});

test("a job outlives the server that was killed in the middle of it, and so does its lease", async () => {
  const database = join(folder, "killed.db");
  let child: ChildProcess;
  const start = async (): Promise<Ask> => {
    child = spawn(process.execPath, ["--import", "tsx", fileURLToPath(new URL("./job-server.ts", import.meta.url)), database], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [address] = await once(child.stdout ?? child, "data");
    return askAt(String(address).trim());
  };
  const kill = async (): Promise<void> => {
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  };
  const before = await start();
  const id = await submitTo(before)("job.kill", { idempotency_key: "k" });
  const waits = await submitTo(before)("job.other");
  const { lease } = await before("POST", "/workers/lease", { task_queue: "job.kill" });
  await kill();
  const after = await start();
  try {
    expect(await after("GET", `/jobs/${id}`)).toMatchObject({ state: "RUNNING", attempts: 1 });
    expect(await submitTo(after)("job.kill", { idempotency_key: "k" })).toBe(id);
    await after("POST", "/workers/complete", { lease, result: "done" });
    expect(await reachesAt(after)(id, "SUCCEEDED")).toMatchObject({ result: "done" });
    expect(await after("POST", "/workers/lease", { task_queue: "job.other" })).toMatchObject({ job_id: waits });
  } finally {
    await kill();
  }
});

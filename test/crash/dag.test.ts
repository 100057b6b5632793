import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ApplicationFailure, activityInfo } from "@temporalio/activity";
import { DefaultLogger, makeTelemetryFilterString, NativeConnection, Runtime, Worker } from "@temporalio/worker";
import { expect, onTestFailed, onTestFinished, test } from "vitest";
import { childFailure } from "../../examples/main-job/children.ts";
import { accepting, freePort } from "../../examples/main-job/ports.ts";
import { seeded } from "../../sim/random.ts";
import { killServer, startServer } from "./victims.ts";

// Declared workflows with every way of waiting, while the built server dies by SIGKILL: each run ends as it should, no job is done twice, what
// was done is undone in reverse order, and nothing that a timeline has said is taken back.

const seed = Number(process.env.HOLDFAST_CRASH_SEED ?? randomInt(2 ** 31));
const kills = 10;
const runsEach = 4;
const taskQueue = "crash-dag";

// A job that is handed out as the server dies may reach no worker: it times out, and is tried again, as any activity.
const patient = "timeout: 1s, retries: { max_attempts: 9, backoff_ms: 50 }";

const definitions = {
  fans: `
steps:
  all: { type: parallel, input: { steps: [b, c] } }
  b: { topic: job.echo, ${patient}, input: { n: 1 } }
  c: { topic: job.echo, ${patient}, input: { n: 2 } }
  each: { topic: job.echo, ${patient}, depends_on: [all], for_each: "\${input.list}", max_parallel: 3, input: { it: "\${item}" } }
  pause: { type: delay, delay: 300ms, depends_on: [each] }
  last: { topic: job.echo, ${patient}, depends_on: [pause], input: { n: 3 } }
`,
  asks: `
steps:
  plan: { topic: job.echo, ${patient} }
  gate: { type: approval, depends_on: [plan] }
  apply: { topic: job.flaky, ${patient}, depends_on: [gate] }
`,
  undoes: `
steps:
  book: { topic: job.echo, ${patient}, compensate: { topic: job.undo, ${patient} } }
  pay: { topic: job.echo, ${patient}, depends_on: [book], for_each: "\${input.list}", max_parallel: 1, compensate: { topic: job.undo, ${patient} } }
  wait: { type: delay, delay: 200ms, depends_on: [pay] }
  ship: { topic: job.fail, ${patient}, depends_on: [wait] }
`,
} as const;
type Name = keyof typeof definitions;

/** The status of each run, and its jobs without their attempts, in the order in which they first began. */
const expected: { readonly [name in Name]: { readonly status: string; readonly jobs: readonly string[] } } = {
  fans: { status: "succeeded", jobs: ["b", "c", "each[0]", "each[1]", "each[2]", "each[3]", "last"] },
  asks: { status: "succeeded", jobs: ["plan", "apply"] },
  undoes: {
    status: "failed",
    jobs: [
      ...["book", "pay[0]", "pay[1]", "pay[2]", "pay[3]", "ship"],
      ...["pay[3].compensate", "pay[2].compensate", "pay[1].compensate", "pay[0].compensate", "book.compensate"],
    ],
  },
};
const names = Object.keys(definitions) as Name[];

type Request = { readonly as?: string; readonly type?: string; readonly body?: string; readonly key?: string };
type Run = { readonly status: string };
type Timeline = readonly object[];
type Approval = { readonly id: string; readonly workflow_id: string };

Runtime.install({
  logger: new DefaultLogger("ERROR"),
  telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: "ERROR", other: "ERROR" }) } },
});

test(`declared workflows go on through ${kills} kills (HOLDFAST_CRASH_SEED=${seed})`, { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-dag-crash-"));
  onTestFailed(() => {
    process.stderr.write(`crash: the database and the log are in ${folder}\n`);
  });
  const files = { folder, bundle: "", database: join(folder, "holdfast.db"), serverLog: join(folder, "server.log") };
  const config = join(folder, "holdfast.yaml");
  writeFileSync(config, `routes: { "job.*": ${taskQueue} }\n`);
  const [port, httpPort] = [await freePort(), await freePort()];
  const server = await startServer(port, files, ["--http-port", String(httpPort), "--config", config]);
  onTestFinished(() => server.end());
  await accepting(httpPort, 15_000);

  /** The jobs of each run in the order in which they began. */
  const done = new Map<string, string[]>();
  const did = async (): Promise<void> => {
    const { activityId, workflowExecution } = activityInfo();
    const runId = workflowExecution?.workflowId ?? "";
    done.set(runId, [...(done.get(runId) ?? []), activityId]);
    await delay(10);
  };
  const activities = {
    "job.echo": did,
    "job.undo": did,
    "job.flaky": async () => {
      await did();
      if (activityInfo().activityId.endsWith("@1")) throw new Error("not yet");
    },
    "job.fail": async () => {
      await did();
      throw ApplicationFailure.nonRetryable("it cannot be");
    },
  };
  const connection = await NativeConnection.connect({ address: `127.0.0.1:${port}` });
  const worker = await Worker.create({ connection, taskQueue, activities });
  const working = worker.run();

  const api = `http://127.0.0.1:${httpPort}/api/v1`;
  /** Asks until there is an answer: the server may be down. */
  async function ask<T>(method: string, path: string, { as = "ada", type, body, key }: Request = {}): Promise<T> {
    const headers = {
      "x-principal-id": as,
      ...(body === undefined ? {} : { "content-type": type ?? "application/json" }),
      ...(key === undefined ? {} : { "idempotency-key": key }),
    };
    for (;;) {
      const answer = await fetch(api + path, { method, headers, ...(body === undefined ? {} : { body }) })
        .then(async (response) => ({ status: response.status, text: await response.text() }))
        .catch(() => null);
      // 409: it was counted before, and the answer did not arrive. 503: the server is still starting, or about to end.
      if (answer !== null && answer.status !== 503) {
        if (answer.status >= 400 && answer.status !== 409) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
        return JSON.parse(answer.text);
      }
      await delay(25);
    }
  }

  for (const name of names) await ask("POST", "/workflows", { type: "application/yaml", body: `id: ${name}${definitions[name]}` });
  const random = seeded(seed);
  const runs: { readonly id: string; readonly name: Name }[] = [];
  const ended = new Set<string>();
  const timelines = new Map<string, Timeline>();

  const killed = killServer(server, kills, random);
  // Runs start all the while, each with its key, so that a start whose answer was lost is none the more.
  const body = JSON.stringify({ input: { list: [1, 2, 3, 4] } });
  const started = (async () => {
    for (let round = 0; round < runsEach; round++)
      for (const name of names) {
        const { run_id: id } = await ask<{ run_id: string }>("POST", `/workflows/${name}/runs`, { body, key: `${name}-${round}` });
        runs.push({ id, name });
        await delay(random.between(0, 200));
      }
  })();

  async function look(id: string): Promise<void> {
    const { status } = await ask<Run>("GET", `/workflow-runs/${id}`);
    const before = timelines.get(id) ?? [];
    const now = await ask<Timeline>("GET", `/workflow-runs/${id}/timeline?limit=1000`);
    expect(now.slice(0, before.length)).toEqual(before);
    timelines.set(id, now);
    if (!["pending", "running", "waiting"].includes(status)) ended.add(id);
  }
  const watched = (async () => {
    while (ended.size < names.length * runsEach) {
      for (const { id } of runs) if (!ended.has(id)) await look(id);
      const { items } = await ask<{ items: readonly Approval[] }>("GET", "/approvals");
      for (const { id } of items) await ask("POST", `/approvals/${id}/approve`, { as: "grace" });
      await delay(20);
    }
  })();
  await Promise.race([Promise.all([started, watched, killed]), childFailure]);

  expect(new Set(runs.map(({ id }) => id)).size).toBe(names.length * runsEach);
  for (const { id, name } of runs) {
    await look(id);
    const { status, jobs } = expected[name];
    const began = done.get(id) ?? [];
    expect(new Set(began).size, `${name}: ${began}`).toBe(began.length);
    const first = [...new Set(began.map((jobId) => jobId.split("@")[0]))];
    expect([name, (await ask<Run>("GET", `/workflow-runs/${id}`)).status, first.toSorted()]).toEqual([name, status, jobs.toSorted()]);
    // One after the other, but for what a fan-out begins together.
    if (name !== "fans") expect(first).toEqual(jobs);
  }
  worker.shutdown();
  await working;
  await connection.close();
  await server.stop();
  const total = [...done.values()].reduce((sum, jobs) => sum + jobs.length, 0);
  process.stdout.write(`crash: seed ${seed}, ${server.kills} kills, ${runs.length} runs, ${total} jobs\n`);
  rmSync(folder, { recursive: true });
});

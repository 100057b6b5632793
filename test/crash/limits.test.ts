import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { activityInfo } from "@temporalio/activity";
import { Client, Connection } from "@temporalio/client";
import { bundleWorkflowCode, DefaultLogger, makeTelemetryFilterString, NativeConnection, Runtime, Worker } from "@temporalio/worker";
import { expect, onTestFailed, onTestFinished, test } from "vitest";
import { childFailure } from "../../examples/main-job/children.ts";
import { accepting, freePort } from "../../examples/main-job/ports.ts";
import { seeded } from "../../sim/random.ts";
import type { refunds } from "./collector/workflows.ts";
import { killServer, startServer } from "./victims.ts";

// Activities under limits, while the built server dies by SIGKILL again and again: never more at once, never more spent than there is.

const seed = Number(process.env.HOLDFAST_CRASH_SEED ?? randomInt(2 ** 31));
const kills = 6;
const workflows = 6;
const ordersEach = 15;
const atOnce = 3;
const attemptsEach = 18;
const taskQueue = "crash-limits";

const policy = `
version: v1
default_decision: allow
rules:
  - id: refunds
    match: { activity_types: [refund] }
    decision: allow
    constraints:
      budgets: { max_concurrent_jobs: ${atOnce} }
      spend: [{ unit: actions, max: ${attemptsEach}, by: workflow }]
`;

Runtime.install({
  logger: new DefaultLogger("ERROR"),
  telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: "ERROR", other: "ERROR" }) } },
});

type Limit = {
  readonly limit: string;
  readonly counted: string;
  readonly used: number;
  readonly reserved?: number;
  readonly waiting: number;
};

test(`limits hold through ${kills} kills (HOLDFAST_CRASH_SEED=${seed})`, { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-limits-"));
  onTestFailed(() => {
    process.stderr.write(`crash: the database and the log are in ${folder}\n`);
  });
  const files = { folder, bundle: "", database: join(folder, "holdfast.db"), serverLog: join(folder, "server.log") };
  const policyFile = join(folder, "policy.yaml");
  writeFileSync(policyFile, policy);
  const [port, httpPort] = [await freePort(), await freePort()];
  const server = await startServer(port, files, ["--http-port", String(httpPort), "--policy", policyFile]);
  onTestFinished(() => server.end());
  await accepting(httpPort, 15_000);

  let running = 0;
  let peak = 0;
  const attempts = new Map<string, number>();
  const refund = async () => {
    const { workflowExecution } = activityInfo();
    const workflowId = workflowExecution?.workflowId ?? "";
    attempts.set(workflowId, (attempts.get(workflowId) ?? 0) + 1);
    peak = Math.max(peak, ++running);
    await delay(15);
    running--;
  };
  const workflowsPath = fileURLToPath(new URL("./collector/workflows.ts", import.meta.url));
  const workflowBundle = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger("ERROR") });
  const nativeConnection = await NativeConnection.connect({ address: `127.0.0.1:${port}` });
  const worker = await Worker.create({ connection: nativeConnection, taskQueue, workflowBundle, activities: { refund } });
  const working = worker.run();
  const connection = await Connection.connect({ address: `127.0.0.1:${port}` });
  const client = new Client({ connection });
  const handles = await Promise.all(
    Array.from({ length: workflows }, (_, index) =>
      client.workflow.start<typeof refunds>("refunds", {
        taskQueue,
        workflowId: `refunds-${index}`,
        args: ["", Array.from({ length: ordersEach }, (_, order) => `${index}/${order}`)],
      }),
    ),
  );
  await Promise.race([killServer(server, kills, seeded(seed)), childFailure]);
  const resultOf = async (handle: (typeof handles)[number]): Promise<[string, string][]> => {
    for (;;) {
      try {
        return await handle.result();
      } catch (error) {
        // Only the connection may fail: the workflow itself always has a result.
        if ((error as Error).name === "WorkflowFailedError") throw error;
        await delay(25);
      }
    }
  };
  const results = await Promise.race([Promise.all(handles.map(resultOf)), childFailure]);

  expect(peak).toBeLessThanOrEqual(atOnce);
  for (const [index, outcomes] of results.entries()) {
    const refunded = outcomes.filter(([, outcome]) => outcome === "refunded").length;
    // An attempt whose worker never heard of it has been spent all the same; then the last orders are denied.
    for (const [, outcome] of outcomes) expect(["refunded", "PolicyDenied"]).toContain(outcome);
    const made = attempts.get(`refunds-${index}`) ?? 0;
    expect(made).toBeGreaterThanOrEqual(refunded);
    expect(made).toBeLessThanOrEqual(attemptsEach);
  }
  const response = await fetch(`http://127.0.0.1:${httpPort}/api/v1/policy/limits?limit=1000`);
  const { items } = (await response.json()) as { readonly items: readonly Limit[] };
  // Every attempt has given back its place, and every one of them is spent.
  expect(items.filter(({ limit }) => limit === "concurrency")).toEqual([]);
  const spent = new Map(items.map(({ counted, used, reserved }) => [counted, [used, reserved]]));
  for (const [workflowId, made] of attempts) {
    const [used = 0, reserved] = spent.get(`workflow=${workflowId}`) ?? [];
    expect([used >= made, used <= attemptsEach, reserved]).toEqual([true, true, 0]);
  }

  worker.shutdown();
  await working;
  await nativeConnection.close();
  await connection.close();
  await server.stop();
  const total = [...attempts.values()].reduce((sum, made) => sum + made, 0);
  process.stdout.write(`crash: seed ${seed}, ${server.kills} kills, ${total} attempts under limits, at most ${peak} at once\n`);
  rmSync(folder, { recursive: true });
});

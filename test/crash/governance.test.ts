import { generateKeyPairSync, randomInt } from "node:crypto";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { activityInfo } from "@temporalio/activity";
import { Client, Connection } from "@temporalio/client";
import { bundleWorkflowCode, DefaultLogger, makeTelemetryFilterString, NativeConnection, Runtime, Worker } from "@temporalio/worker";
import Sqlite from "better-sqlite3";
import { expect, onTestFailed, onTestFinished, test } from "vitest";
import { childFailure } from "../../examples/main-job/children.ts";
import { accepting, freePort } from "../../examples/main-job/ports.ts";
import { seeded } from "../../sim/random.ts";
import { run } from "../../src/cli/cli.test-kit.ts";
import { createCommitter } from "../../src/service/committer.ts";
import { startCheckpoints } from "../../src/service/ledger/checkpoints.ts";
import { manualClock } from "../../src/service/service.test-kit.ts";
import { openSqlite } from "../../src/store/sqlite/sqlite.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import type { refunds } from "./collector/workflows.ts";
import { killServer, startServer } from "./victims.ts";

// Approvals and limits on attempts under one policy, while the built server dies by SIGKILL: each attempt happens once, and only as permitted.
// Then the ledger that came of it is tampered with.

const seed = Number(process.env.HOLDFAST_CRASH_SEED ?? randomInt(2 ** 31));
const kills = 6;
const workflows = 5;
const ordersEach = 12;
const attemptsMax = 2;
const taskQueue = "crash-governance";

const policy = `
version: v1
default_decision: allow
rules:
  - id: big
    match: { activity_types: [refund] }
    when: args[1].startsWith("big")
    decision: require_approval
    constraints: { budgets: { max_attempts: ${attemptsMax} } }
  - id: small
    match: { activity_types: [refund] }
    decision: allow
    constraints: { budgets: { max_attempts: ${attemptsMax} } }
`;

Runtime.install({
  logger: new DefaultLogger("ERROR"),
  telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: "ERROR", other: "ERROR" }) } },
});

type Approval = { readonly id: string; readonly status: string; readonly workflow_id: string; readonly activity_id: string };

test(`what is decided holds through ${kills} kills, and shows when it is tampered with (HOLDFAST_CRASH_SEED=${seed})`, {
  timeout: 120_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-governance-"));
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

  /** Attempts of each order as the worker saw them. */
  const attempts = new Map<string, number[]>();
  const refund = async (_: string, order: string) => {
    const { attempt } = activityInfo();
    attempts.set(order, [...(attempts.get(order) ?? []), attempt]);
    await delay(10);
    // Some succeed at once, some at the second attempt, some never.
    const number = Number(order.split("/")[1]) % 3;
    if (attempt <= number + (number === 2 ? attemptsMax : 0)) throw new Error("not yet");
  };
  const workflowsPath = fileURLToPath(new URL("./collector/workflows.ts", import.meta.url));
  const workflowBundle = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger("ERROR") });
  const nativeConnection = await NativeConnection.connect({ address: `127.0.0.1:${port}` });
  const worker = await Worker.create({ connection: nativeConnection, taskQueue, workflowBundle, activities: { refund } });
  const working = worker.run();
  const connection = await Connection.connect({ address: `127.0.0.1:${port}` });
  const client = new Client({ connection });
  const ordersOf = (index: number) =>
    Array.from({ length: ordersEach }, (_, order) => `${order % 2 === 0 ? "big" : "small"}${index}/${order}`);
  const handles = await Promise.all(
    Array.from({ length: workflows }, (_, index) =>
      client.workflow.start<typeof refunds>("refunds", { taskQueue, workflowId: `${index}`, args: ["", ordersOf(index)] }),
    ),
  );

  const api = `http://127.0.0.1:${httpPort}/api/v1/approvals`;
  const list = async (query: string): Promise<readonly Approval[]> =>
    ((await persist(() => fetch(`${api}?limit=100&${query}`).then((answer) => answer.json()))) as { items: Approval[] }).items;
  const random = seeded(seed);
  const verdicts = new Map<string, "approve" | "reject">();
  let deciding = true;
  const decided = (async () => {
    while (deciding) {
      for (const { id } of await list("")) {
        const verb = verdicts.get(id) ?? (random.chance(0.7) ? "approve" : "reject");
        verdicts.set(id, verb);
        const headers = { "x-principal-id": "ann" };
        const { status } = await persist(() => fetch(`${api}/${id}/${verb}`, { method: "POST", headers }));
        // 409: it was counted before, and the answer did not arrive.
        expect([200, 409]).toContain(status);
        await delay(random.between(0, 60));
      }
      await delay(20);
    }
  })();
  await Promise.race([killServer(server, kills, random), childFailure]);
  const results = await Promise.race([Promise.all(handles.map((handle) => persist(() => handle.result()))), childFailure]);
  deciding = false;
  await decided;

  const approvals = await list("include_resolved=true");
  expect(approvals.length).toBe((workflows * ordersEach) / 2);
  const rejected = new Set<string>();
  for (const { id, status, workflow_id, activity_id } of approvals) {
    expect(status).toBe(verdicts.get(id) === "approve" ? "granted" : "rejected");
    if (status === "rejected") rejected.add(ordersOf(Number(workflow_id))[Number(activity_id) - 1] ?? "");
  }
  for (const [order, outcome] of results.flat()) {
    const made = attempts.get(order) ?? [];
    // No attempt twice, none beyond what is permitted, and none at all of what nobody granted.
    expect(new Set(made).size).toBe(made.length);
    expect(Math.max(0, ...made)).toBeLessThanOrEqual(attemptsMax);
    if (rejected.has(order)) expect([outcome, made]).toEqual(["PolicyDenied", []]);
    else if (outcome === "refunded") expect(made.length).toBeGreaterThan(0);
  }

  worker.shutdown();
  await working;
  await nativeConnection.close();
  await connection.close();
  await server.stop();
  await tamper(files.database, folder);
  const total = [...attempts.values()].reduce((sum, made) => sum + made.length, 0);
  process.stdout.write(`crash: seed ${seed}, ${server.kills} kills, ${total} attempts, ${approvals.length} approvals\n`);
  rmSync(folder, { recursive: true });
});

/** Asks until there is an answer: the server may be down. */
async function persist<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if ((error as Error).name === "WorkflowFailedError") throw error;
      await delay(25);
    }
  }
}

/** Seals the ledger, and finds whatever is done to copies of it. */
async function tamper(database: string, folder: string): Promise<void> {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const [keyFile, kept] = [join(folder, "key.pem"), join(folder, "checkpoints.jsonl")];
  writeFileSync(keyFile, publicKey.export({ format: "pem", type: "spki" }));
  const store = await openSqlite({ path: database });
  const committer = createCommitter({ store, metrics: createMetrics() });
  const options = { privateKey, interval: 3_600_000, file: kept };
  await startCheckpoints(options, { store, committer, clock: manualClock(), log: silentLog }).stop();
  await store.close();
  const verify = (db: string) => run(["audit", "verify", "--db", db, "--public-key", keyFile, "--kept", kept]);
  expect(await verify(database)).toMatchObject({ exitCode: 0, complaints: "" });

  // The longest chain has entries to take away.
  const longest = "(SELECT position >> 36 FROM ledger GROUP BY 1 ORDER BY count(*) DESC LIMIT 1)";
  const position = (sequence: number) => `(${longest} << 36) + ${sequence}`;
  const deeds = [
    // what is done                                                                             what verify says
    [
      "flipped",
      `UPDATE ledger SET body = CAST(replace(body, '"ALLOW', '"DENYX') AS BLOB), at = at + 1 WHERE position = ${position(5)}`,
      "entry 5 is changed",
    ],
    ["dropped", `DELETE FROM ledger WHERE position = ${position(6)}`, "entry 6 is removed"],
    [
      "reordered",
      `CREATE TEMP TABLE two AS SELECT ${position(7)} AS a, ${position(8)} AS b;
       UPDATE ledger SET position = -1 WHERE position = (SELECT a FROM two);
       UPDATE ledger SET position = (SELECT a FROM two) WHERE position = (SELECT b FROM two);
       UPDATE ledger SET position = (SELECT b FROM two) WHERE position = -1`,
      "entry 7 is changed",
    ],
    [
      "truncated",
      `DELETE FROM ledger WHERE position > ${position(9)} AND position >> 36 = ${longest}`,
      "entry 10 is gone, with all that came after it",
    ],
  ] as const;
  for (const [deed, sql, said] of deeds) {
    const copy = join(folder, `${deed}.db`);
    copyFileSync(database, copy);
    const db = new Sqlite(copy);
    db.exec(sql);
    db.close();
    const { exitCode, printed } = await verify(copy);
    expect([deed, exitCode, printed]).toEqual([deed, 1, expect.stringContaining(said)]);
  }
}

import { randomInt } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Client, Connection } from "@temporalio/client";
import { bundleWorkflowCode, DefaultLogger } from "@temporalio/worker";
import Database from "better-sqlite3";
import { expect, onTestFailed, onTestFinished, test } from "vitest";
import { childFailure } from "../../examples/main-job/children.ts";
import { freePort } from "../../examples/main-job/ports.ts";
import { seeded } from "../../sim/random.ts";
import { verifyStore } from "../../sim/verify-store.ts";
import { openSqlite } from "../../src/store/sqlite/sqlite.ts";
import { carryOut, drawPlan, expectedOf } from "./collector/load.ts";
import { type Files, killServer, killWorkers, startServer, startWorker } from "./victims.ts";

// The built server and workers of the published SDK, as real processes that die by SIGKILL while 200 workflows are under way.
// The seed draws the load and the moments of the kills; what the machine does meanwhile it cannot draw.

const seed = Number(process.env.HOLDFAST_CRASH_SEED ?? randomInt(2 ** 31));
const serverKills = 170;
const workerKillsEach = 15;
const workflows = 200;
const taskQueue = "crash";
const testMsMax = 240_000;

test(
  `what was acknowledged outlives ${serverKills + 2 * workerKillsEach} kills, once (HOLDFAST_CRASH_SEED=${seed})`,
  async () => {
    const startedAt = performance.now();
    const files = await prepareFiles();
    onTestFailed(() => {
      process.stderr.write(`crash: the database and the logs are in ${files.folder}\n`);
    });
    const random = seeded(seed);
    const plans = Array.from({ length: workflows }, (_, index) => drawPlan(index, random));

    const port = await freePort();
    const server = await startServer(port, files);
    onTestFinished(() => server.end());
    const workers = await Promise.all(["worker-1", "worker-2"].map((name) => startWorker(name, port, taskQueue, files)));
    onTestFinished(async () => void (await Promise.all(workers.map((worker) => worker.end()))));
    const connection = await connect(port);
    const client = new Client({ connection });

    const kills = Promise.all([
      killServer(server, serverKills, seeded(random.between(0, 2 ** 31))),
      killWorkers(workers, workerKillsEach, seeded(random.between(0, 2 ** 31))),
    ]);
    const load = Promise.all(
      plans.map(async (plan, index) => {
        const ownRandom = seeded(seed + index + 1);
        // Spread over all kills, so that each of them finds runs at every point of their lives.
        while (server.kills < (index / workflows) * serverKills) await delay(50);
        return carryOut(client, taskQueue, plan, ownRandom);
      }),
    );
    const [results] = await Promise.race([Promise.all([load, kills]), childFailure]);
    expect(results).toEqual(plans.map(expectedOf));

    await connection.close();
    await Promise.all(workers.map((worker) => worker.stop()));
    await server.stop();
    expect(errorsIn(files.serverLog)).toEqual([]);
    const runs = await verifyDatabase(files.database);

    const killed = [server, ...workers].reduce((sum, victim) => sum + victim.kills, 0);
    const signals = plans.flatMap(({ stages }) => stages.flat()).length;
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
    process.stdout.write(
      `crash: seed ${seed}, ${killed} kills (${server.kills} of the server), ${workflows} workflows in ${runs} runs, ${signals} signals, ${seconds} s\n`,
    );
    rmSync(files.folder, { recursive: true });
  },
  testMsMax,
);

async function prepareFiles(): Promise<Files> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-crash-"));
  const bundle = join(folder, "workflows.js");
  const workflowsPath = fileURLToPath(new URL("./collector/workflows.ts", import.meta.url));
  const { code } = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger("ERROR") });
  writeFileSync(bundle, code);
  return { folder, bundle, database: join(folder, "holdfast.db"), serverLog: join(folder, "server.log") };
}

/** A connection that looks for the server again at once, and leaves it to the load which calls are repeated. */
const connect = (port: number): Promise<Connection> =>
  Connection.connect({
    address: `127.0.0.1:${port}`,
    interceptors: [],
    channelArgs: {
      "grpc.initial_reconnect_backoff_ms": 50,
      "grpc.min_reconnect_backoff_ms": 50,
      "grpc.max_reconnect_backoff_ms": 100,
    },
  });

/** What the server thought worth an error. */
const errorsIn = (log: string): readonly string[] =>
  readFileSync(log, "utf8")
    .split("\n")
    .filter((line) => /"level":"(error|fatal)"/.test(line));

/** Checks the file, and every run in it against its history. Returns how many runs there are. */
async function verifyDatabase(path: string): Promise<number> {
  const store = await openSqlite({ path, readOnly: true });
  const runs = await verifyStore(store);
  await store.close();
  const database = new Database(path, { readonly: true });
  expect(database.pragma("integrity_check", { simple: true })).toBe("ok");
  database.close();
  return runs.length;
}

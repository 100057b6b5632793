import { execFile } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client, Connection } from "@temporalio/client";
import Sqlite from "better-sqlite3";
import { describe, expect, onTestFailed, onTestFinished, test } from "vitest";
import { childFailure } from "../../examples/main-job/children.ts";
import { accepting, freePort } from "../../examples/main-job/ports.ts";
import { seeded } from "../../sim/random.ts";
import { type Files, killServer, startServer } from "./victims.ts";

// The built server with a key: what the published SDK and HTTP clients send it is nowhere in its files, and all of it is there after SIGKILL,
// through changes of the master key as well.

const seed = Number(process.env.HOLDFAST_CRASH_SEED ?? randomInt(2 ** 31));
const kills = 5;
const workflows = 20;
const marker = "marker-of-a-secret-payload";

type Place = { readonly files: Files; readonly config: string; readonly keys: string; readonly port: number; readonly httpPort: number };

async function prepare(isEncrypted: boolean): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-crash-encryption-"));
  onTestFailed(() => {
    process.stderr.write(`crash: the database and the log are in ${folder}\n`);
  });
  const files = { folder, bundle: "", database: join(folder, "holdfast.db"), serverLog: join(folder, "server.log") };
  const [config, keys] = [join(folder, "holdfast.yaml"), join(folder, "keys")];
  writeFileSync(keys, newKey());
  writeFileSync(config, isEncrypted ? `encryption: { keyFile: "${keys}" }\n` : "");
  return { files, config, keys, port: await freePort(), httpPort: await freePort() };
}

const newKey = (): string => `${randomBytes(32).toString("base64")}\n`;

const start = ({ files, config, port, httpPort }: Place) => startServer(port, files, ["--http-port", String(httpPort), "--config", config]);

/** What the database's files hold at this moment. */
const stored = ({ files: { database } }: Place): Buffer =>
  Buffer.concat([database, `${database}-wal`].filter((file) => existsSync(file)).map((file) => readFileSync(file)));

const connect = (port: number): Promise<Connection> =>
  Connection.connect({
    address: `127.0.0.1:${port}`,
    channelArgs: { "grpc.initial_reconnect_backoff_ms": 50, "grpc.min_reconnect_backoff_ms": 50, "grpc.max_reconnect_backoff_ms": 100 },
  });

/** Asks the HTTP API until there is an answer: the server may be down. */
async function ask({ httpPort }: Place, method: string, path: string, body?: string, key?: string): Promise<string> {
  const headers = {
    "x-principal-id": "ada",
    ...(body === undefined ? {} : { "content-type": body.startsWith("{") ? "application/json" : "application/yaml" }),
    ...(key === undefined ? {} : { "idempotency-key": key }),
  };
  for (;;) {
    const url = `http://127.0.0.1:${httpPort}/api/v1${path}`;
    const answer = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) })
      .then(async (response) => ({ status: response.status, text: await response.text() }))
      .catch(() => null);
    if (answer !== null && answer.status < 300) return answer.text;
    if (answer !== null && answer.status !== 503 && answer.status !== 409) throw new Error(`${method} ${path}: ${answer.text}`);
    await delay(25);
  }
}

/** Puts the marker wherever clients may put payloads: inputs, memos, signals, headers of definitions, jobs, heartbeats, results. */
async function sendSecrets(place: Place, client: Client): Promise<readonly string[]> {
  const ids = Array.from({ length: workflows }, (_, index) => `order-${index}`);
  for (const workflowId of ids) {
    const options = {
      workflowId,
      taskQueue: "nobody",
      args: [`${marker} of ${workflowId}`],
      memo: { note: marker },
      staticDetails: marker,
    };
    await client.workflow.start("order", options);
    await client.workflow.getHandle(workflowId).signal("change", marker);
    await delay(20);
  }
  await ask(place, "POST", "/workflows", `id: secret\nsteps:\n  one: { topic: job.secret, input: { say: "${marker}" } }\n`);
  await ask(place, "POST", "/workflows/secret/runs", JSON.stringify({ input: { say: marker } }), "the-run");
  await ask(place, "POST", "/jobs", JSON.stringify({ topic: "job.done", prompt: marker }), "the-job");
  return ids;
}

/** Takes a job as an HTTP worker, and answers with the marker. */
async function doJob(place: Place): Promise<void> {
  const leased = await ask(place, "POST", "/workers/lease", JSON.stringify({ task_queue: "job.done", worker_id: "w", wait_ms: 5_000 }));
  const { lease } = JSON.parse(leased) as { readonly lease: string };
  await ask(place, "POST", "/workers/heartbeat", JSON.stringify({ lease, details: marker }));
  await ask(place, "POST", "/workers/complete", JSON.stringify({ lease, result: { say: marker } }));
}

async function expectSecrets(place: Place, client: Client, ids: readonly string[]): Promise<void> {
  for (const workflowId of ids) {
    const { events = [] } = await client.workflow.getHandle(workflowId).fetchHistory();
    const texts = (events ?? []).map((event) => {
      const payloads = event.workflowExecutionStartedEventAttributes?.input ?? event.workflowExecutionSignaledEventAttributes?.input;
      return Buffer.from(payloads?.payloads?.[0]?.data ?? "").toString();
    });
    expect(texts.filter((text) => text !== "")).toEqual([`"${marker} of ${workflowId}"`, `"${marker}"`]);
  }
  const listed: unknown[] = [];
  for await (const { memo } of client.workflow.list({ query: "WorkflowType = 'order'" })) listed.push(memo);
  expect(listed).toEqual(ids.map(() => ({ note: marker })));
  expect(await ask(place, "GET", "/jobs?limit=10")).toContain("job.done");
}

describe("what clients send", () => {
  test.each([
    [false, true],
    [true, false],
  ])("encrypted %s: its files hold it: %s", async (isEncrypted, isFound) => {
    const place = await prepare(isEncrypted);
    const server = await start(place);
    onTestFinished(() => server.end());
    await accepting(place.httpPort, 15_000);
    const connection = await connect(place.port);
    const client = new Client({ connection });
    const ids = await Promise.race([sendSecrets(place, client), childFailure]);
    await doJob(place);
    expect(stored(place).includes(marker)).toBe(isFound);
    await expectSecrets(place, client, ids);
    await connection.close();
    await server.stop();
    expect(stored(place).includes(marker)).toBe(isFound);
    rmSync(place.files.folder, { recursive: true });
  });
});

test("what somebody has changed in the file is not served, logged and counted; the rest is served", async () => {
  const place = await prepare(true);
  const server = await start(place);
  onTestFinished(() => server.end());
  // Without the interceptors that ask again for minutes.
  const connection = await Connection.connect({ address: `127.0.0.1:${place.port}`, interceptors: [] });
  const client = new Client({ connection });
  for (const workflowId of ["first", "second"]) await client.workflow.start("order", { workflowId, taskQueue: "nobody", args: [marker] });
  await server.stop();
  const database = new Sqlite(place.files.database);
  database.exec(
    "UPDATE history SET bytes = substr(bytes, 1, 40) || x'00' || substr(bytes, 42) WHERE position = (SELECT min(position) FROM history)",
  );
  database.close();

  const again = await start(place);
  onTestFinished(() => again.end());
  await accepting(place.httpPort, 15_000);
  await expect(client.workflow.getHandle("first").fetchHistory()).rejects.toThrow(/store is not available/);
  expect((await client.workflow.getHandle("second").fetchHistory()).events).toHaveLength(2);
  const metrics = await (await fetch(`http://127.0.0.1:${place.httpPort}/metrics`)).text();
  expect(metrics).toMatch(/^holdfast_stored_bodies_refused_total 1$/m);
  expect(readFileSync(place.files.serverLog, "utf8")).toMatch(/"level":"error".*"area":"encryption".*history.*first/);
  await connection.close();
  await again.stop();
  rmSync(place.files.folder, { recursive: true });
});

test(`through ${kills} kills and a new master key nothing is lost (HOLDFAST_CRASH_SEED=${seed})`, { timeout: 120_000 }, async () => {
  const place = await prepare(true);
  const server = await start(place);
  onTestFinished(() => server.end());
  await accepting(place.httpPort, 15_000);
  const connection = await connect(place.port);
  const client = new Client({ connection });
  const [ids] = await Promise.race([Promise.all([sendSecrets(place, client), killServer(server, kills, seeded(seed))]), childFailure]);
  await expectSecrets(place, client, ids);

  const [former, next] = [readFileSync(place.keys, "utf8"), newKey()];
  for (const keys of [next + former, next]) {
    writeFileSync(place.keys, keys);
    await server.killAndRestart();
    await expectSecrets(place, client, ids);
  }
  await connection.close();
  await server.stop();
  expect(stored(place).includes(marker)).toBe(false);

  const log = readFileSync(place.files.serverLog, "utf8");
  expect(log.split("\n").filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
  expect([former, next].filter((key) => log.includes(key.trim()))).toEqual([]);

  // The old key alone, and none.
  writeFileSync(place.keys, former);
  const before = readFileSync(place.files.database);
  const begin = (...options: readonly string[]) => {
    const bin = fileURLToPath(new URL("../../bin/holdfast.js", import.meta.url));
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("HOLDFAST_")));
    return promisify(execFile)(process.execPath, [bin, "dev", "--db", place.files.database, "--port", "0", "--headless", ...options], {
      env,
    });
  };
  await expect(begin("--config", place.config)).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^holdfast: cannot start: the database is encrypted under master key [0-9a-f]{16}, which is none of /),
  });
  await expect(begin()).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining("the database is encrypted and no key is given"),
  });
  expect(readFileSync(place.files.database).equals(before)).toBe(true);
  rmSync(place.files.folder, { recursive: true });
});

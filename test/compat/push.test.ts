import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { answerJson, openEndpoint } from "../../src/service/push/push.test-kit.ts";
import { newSecret } from "../../src/service/push/webhook-signature.ts";

// Tasks are pushed over real connections, by a server in a process of its own: to the examples, and through its death.

const folder = mkdtempSync(join(tmpdir(), "holdfast-push-"));
const children = new Set<ChildProcess>();
const closing: (() => Promise<unknown>)[] = [];
async function kill(child: ChildProcess): Promise<void> {
  children.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}
afterEach(async () => {
  await Promise.all([...children].map(kill));
  for (const close of closing.splice(0)) await close();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Starts a program, and resolves with the first line that it prints. */
async function start(command: string, args: readonly string[], options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {}) {
  const child = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "inherit"] });
  children.add(child);
  const [line] = await once(child.stdout ?? child, "data");
  return { child, line: String(line).trim() };
}

type Json = { readonly [name: string]: unknown };

async function startServer(database: string) {
  const { child, line } = await start(process.execPath, [
    "--import",
    "tsx",
    fileURLToPath(new URL("./job-server.ts", import.meta.url)),
    database,
  ]);
  const ask = async (method: string, path: string, body?: object): Promise<Json> => {
    const response = await fetch(`http://${line}/api/v1${path}`, {
      method,
      ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    return response.status === 204 ? {} : ((await response.json()) as Json);
  };
  const reaches = async (id: string, state: string): Promise<Json> => {
    for (;;) {
      const job = await ask("GET", `/jobs/${id}`);
      if (job.state === state) return job;
      if (["SUCCEEDED", "FAILED", "TIMEOUT"].includes(String(job.state))) throw new Error(JSON.stringify(job));
    }
  };
  const submit = async (body: object): Promise<string> => String((await ask("POST", "/jobs", { topic: "job.greet", ...body })).job_id);
  return { child, ask, reaches, submit };
}

describe("the examples take what is signed", () => {
  const cwd = fileURLToPath(new URL("../../examples/webhook-worker/", import.meta.url));
  test.each([
    ["in Python", "python3", ["endpoint.py", "0"]],
    ["in TypeScript", process.execPath, ["--import", "tsx", "endpoint.ts", "0"]],
  ])("%s", async (_name, command, args) => {
    const secret = newSecret();
    const server = await startServer(":memory:");
    const { line: url } = await start(command, args, { cwd, env: { ...process.env, WEBHOOK_SECRET: secret } });
    await server.ask("PUT", "/endpoints/greeter", { task_queues: "job.greet", url, secret });
    expect(await server.ask("POST", "/endpoints/greeter/test")).toMatchObject({ ok: true, status: 200 });
    const good = await server.submit({ input: { name: "Ada" } });
    expect(await server.reaches(good, "SUCCEEDED")).toMatchObject({ result: { greeting: "Hello, Ada!", attempt: 1 } });
    const bad = await server.submit({ input: {}, retries: { max_attempts: 3 } });
    expect(await server.reaches(bad, "FAILED")).toMatchObject({ error_message: "whom to greet?", error_code: "BadInput", attempts: 1 });
    // The old secret still signs beside the new one, which this endpoint does not know.
    await server.ask("PUT", "/endpoints/greeter", { rotate_secret: true });
    expect(await server.ask("POST", "/endpoints/greeter/test")).toMatchObject({ ok: true });
    await server.ask("DELETE", "/endpoints/greeter");
    await server.ask("PUT", "/endpoints/greeter", { task_queues: "job.greet", url });
    expect(await server.ask("POST", "/endpoints/greeter/test")).toMatchObject({ ok: false, status: 401 });
    const forged = { "webhook-id": "a", "webhook-timestamp": String(Math.floor(Date.now() / 1000)), "webhook-signature": "v1,AAAA" };
    expect((await fetch(url, { method: "POST", headers: forged, body: "{}" })).status).toBe(401);
  });
});

test("a server that is killed between sending a task and hearing the answer pushes the next attempt, under another id", async () => {
  const database = join(folder, "killed.db");
  const endpoint = await openEndpoint((push) => {
    if (endpoint.received.length > 1) answerJson(push, 200, "done");
  });
  closing.push(endpoint.close);
  const before = await startServer(database);
  await before.ask("PUT", "/endpoints/slow", { task_queues: "job.greet", url: endpoint.url });
  const id = await before.submit({ input: {}, heartbeat_timeout_ms: 300, retries: { max_attempts: 2, backoff_ms: 1 } });
  const first = await endpoint.gets(1);
  await kill(before.child);
  const after = await startServer(database);
  const second = await endpoint.gets(2);
  expect(await after.reaches(id, "SUCCEEDED")).toMatchObject({ result: "done", attempts: 2 });
  const ids = [first, second].map(({ headers }) => headers["webhook-id"]);
  expect(ids.map((one) => String(one).replace(/_\d+$/, ""))).toEqual([String(ids[0]).slice(0, -2), String(ids[0]).slice(0, -2)]);
  expect(ids.map((one) => String(one).at(-1))).toEqual(["1", "2"]);
  expect(endpoint.received.length).toBe(2);
});

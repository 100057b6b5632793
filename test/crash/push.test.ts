import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../../examples/main-job/ports.ts";
import { seeded } from "../../sim/random.ts";
import { answerJson, openEndpoint } from "../../src/service/push/push.test-kit.ts";
import { killServer, startServer } from "./victims.ts";

// Jobs are pushed by the built server while it dies by SIGKILL, between sending and hearing as well: none is lost, and none is sent twice as
// one attempt.

const seed = Number(process.env.HOLDFAST_CRASH_SEED ?? randomInt(2 ** 31));
const kills = 5;
const jobs = 60;

type Json = { readonly [name: string]: unknown };

test(`each pushed job ends well through ${kills} kills (HOLDFAST_CRASH_SEED=${seed})`, { timeout: 120_000 }, async () => {
  const random = seeded(seed);
  const folder = mkdtempSync(join(tmpdir(), "holdfast-push-"));
  const endpoint = await openEndpoint((push) => {
    const { job_id } = JSON.parse(push.body) as { readonly job_id: string };
    setTimeout(() => answerJson(push, 200, { of: job_id }), random.between(0, 150));
  });
  const [port, httpPort] = [await freePort(), await freePort()];
  const config = join(folder, "holdfast.yaml");
  writeFileSync(config, "push: { allowPrivate: [127.0.0.1] }\n");
  const files = { folder, database: join(folder, "holdfast.db"), bundle: "", serverLog: join(folder, "server.log") };
  const server = await startServer(port, files, ["--http-port", String(httpPort), "--config", config]);
  onTestFinished(async () => {
    await server.end();
    await endpoint.close();
    rmSync(folder, { recursive: true });
  });

  /** Asks until the server is there. What it does twice has one effect. */
  async function ask(method: string, path: string, body?: object): Promise<Json> {
    for (;;) {
      try {
        const response = await fetch(`http://127.0.0.1:${httpPort}/api/v1${path}`, {
          method,
          ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
        });
        const answer = (await response.json()) as Json;
        if (response.ok) return answer;
        if (response.status < 500) throw new Refused(JSON.stringify(answer));
      } catch (error) {
        if (error instanceof Refused) throw error;
      }
      await delay(20);
    }
  }

  await ask("PUT", "/endpoints/all", { task_queues: "job.*", url: endpoint.url, max_concurrent: 4 });
  const killing = killServer(server, kills, random);
  const submitted = await Promise.all(
    Array.from({ length: jobs }, async (_, n) => {
      const job = { topic: "job.push", input: n, idempotency_key: `job-${n}`, heartbeat_timeout_ms: 400 };
      const { job_id } = await ask("POST", "/jobs", { ...job, retries: { max_attempts: 20, backoff_ms: 50 } });
      return String(job_id);
    }),
  );
  await killing;
  for (const id of submitted) {
    let job = await ask("GET", `/jobs/${id}`);
    for (; !["SUCCEEDED", "FAILED", "TIMEOUT"].includes(String(job.state)); job = await ask("GET", `/jobs/${id}`)) await delay(20);
    expect(job).toMatchObject({ state: "SUCCEEDED", result: { of: id } });
  }
  expect(new Set(submitted).size).toBe(jobs);
  const attempts = endpoint.received.map(({ headers }) => headers["webhook-id"]);
  expect(new Set(attempts).size).toBe(attempts.length);
});

class Refused extends Error {}

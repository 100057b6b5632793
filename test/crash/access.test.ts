import { randomInt } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../../examples/main-job/ports.ts";
import { seeded } from "../../sim/random.ts";
import { killServer, startServer } from "./victims.ts";

// Keys and roles of the built server while it dies by SIGKILL: what was answered holds, what was revoked stays so, and the first key is made once.

const seed = Number(process.env.HOLDFAST_CRASH_SEED ?? randomInt(2 ** 31));
const kills = 4;
const token = "t".repeat(40);

type Json = { readonly [name: string]: unknown };
type Answer = { readonly status: number; readonly json: Json };

test(`keys and roles hold through ${kills} kills (HOLDFAST_CRASH_SEED=${seed})`, { timeout: 120_000 }, async () => {
  const random = seeded(seed);
  const folder = mkdtempSync(join(tmpdir(), "holdfast-access-"));
  const [port, httpPort] = [await freePort(), await freePort()];
  const config = join(folder, "holdfast.yaml");
  writeFileSync(config, `auth: { required: true, bootstrapToken: ${token} }\n`);
  const files = { folder, database: join(folder, "holdfast.db"), bundle: "", serverLog: join(folder, "server.log") };
  const server = await startServer(port, files, ["--http-port", String(httpPort), "--config", config]);
  onTestFinished(async () => {
    await server.end();
    rmSync(folder, { recursive: true });
  });

  /** Once: the answer of what was asked may be lost. */
  async function tell(key: string, method: string, path: string, body?: object): Promise<Answer | null> {
    try {
      const headers = { "x-api-key": key, ...(body === undefined ? {} : { "content-type": "application/json" }) };
      const sent = body === undefined ? {} : { body: JSON.stringify(body) };
      const response = await fetch(`http://127.0.0.1:${httpPort}/api/v1/auth${path}`, { method, headers, ...sent });
      const text = await response.text();
      return { status: response.status, json: text === "" ? {} : (JSON.parse(text) as Json) };
    } catch {
      await delay(10);
      return null;
    }
  }
  /** Until the server is there. */
  async function ask(key: string, method: string, path: string, body?: object): Promise<Answer> {
    for (;;) {
      const answer = await tell(key, method, path, body);
      if (answer !== null) return answer;
    }
  }

  const first = await ask("", "POST", "/bootstrap", { token });
  expect(first.status).toBe(201);
  const root = String(first.json.key);
  const active = new Map<string, string>();
  const revoked = new Map<string, string>();
  let over = false;

  async function work(name: string): Promise<void> {
    for (let turn = 0; !over; turn++) {
      const grants = [{ namespaces: ["orders"], roles: [turn % 2 === 0 ? "worker" : "developer"] }];
      const made = await tell(root, "POST", "/keys", { name: `${name}-${turn}`, grants });
      if (made?.status !== 201) continue;
      const [id, key] = [String(made.json.id), String(made.json.key)];
      if (random.chance(0.5)) {
        active.set(id, key);
        continue;
      }
      // Asked again until it is answered.
      expect((await ask(root, "DELETE", `/keys/${id}`)).json).toMatchObject({ status: "revoked" });
      revoked.set(id, key);
      expect((await ask(root, "PUT", `/roles/${name}`, { permissions: ["jobs.read"] })).status).toBe(200);
    }
  }
  const working = Promise.all(["one", "two", "three"].map(work));
  await killServer(server, kills, random);
  over = true;
  await working;
  await server.killAndRestart();

  expect([active.size, revoked.size].every((size) => size > 0)).toBe(true);
  for (const [id, key] of active) expect((await ask(key, "GET", "/session")).json).toMatchObject({ credential: { kind: "api-key", id } });
  for (const key of revoked.values()) expect((await ask(key, "GET", "/session")).status).toBe(401);
  const { json } = await ask(root, "GET", "/roles");
  const own = (json.roles as readonly Json[]).filter(({ origin }) => origin === "api").map(({ name }) => String(name));
  expect(own.every((name) => ["one", "two", "three"].includes(name)) && own.length > 0).toBe(true);
  expect((await ask("", "POST", "/bootstrap", { token })).json).toMatchObject({ code: "not-bootstrapping" });
  expect(existsSync(join(folder, "bootstrap-token"))).toBe(false);
});

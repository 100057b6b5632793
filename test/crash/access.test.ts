import { randomInt } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFailed, onTestFinished, test } from "vitest";
import { freePort } from "../../examples/main-job/ports.ts";
import { seeded } from "../../sim/random.ts";
import { killServer, startServer } from "./victims.ts";

// Keys and roles are made, rotated and revoked while the built server dies by SIGKILL: what was answered holds, and no database has a secret.

const seed = Number(process.env.HOLDFAST_CRASH_SEED ?? randomInt(2 ** 31));
const kills = 5;
const bootstrapToken = "a-token-of-more-than-32-characters";

type NewKey = { readonly id: string; readonly key: string };

test(`keys and roles survive ${kills} kills, revoked ones stay so (HOLDFAST_CRASH_SEED=${seed})`, { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-crash-access-"));
  onTestFailed(() => void process.stderr.write(`crash: the database and the log are in ${folder}\n`));
  const files = { folder, bundle: "", database: join(folder, "holdfast.db"), serverLog: join(folder, "server.log") };
  const config = join(folder, "holdfast.yaml");
  writeFileSync(config, `auth: { required: true, bootstrapToken: "${bootstrapToken}" }\n`);
  const httpPort = await freePort();
  const server = await startServer(await freePort(), files, ["--http-port", String(httpPort), "--config", config]);
  onTestFinished(() => server.end());

  /** The status and the answer, or null when the server died before it had answered. */
  const ask = async (method: string, path: string, key: string, body?: object) => {
    const headers = { "x-api-key": key, ...(body === undefined ? {} : { "content-type": "application/json" }) };
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    return fetch(`http://127.0.0.1:${httpPort}/api/v1/auth${path}`, { method, headers, ...sent })
      .then(async (response) => ({ status: response.status, json: JSON.parse((await response.text()) || "null") }))
      .catch(() => null);
  };
  /** Asks until there is an answer: what it asks for must do no harm twice. */
  const askAgain = async (method: string, path: string, key: string, body?: object) => {
    for (;;) {
      const answer = await ask(method, path, key, body);
      if (answer !== null && answer.status !== 503) return answer;
      await delay(20);
    }
  };

  const first = await askAgain("POST", "/bootstrap", "", { token: bootstrapToken, name: "root" });
  expect(first.status).toBe(201);
  const admin: string = first.json.key;

  // What was answered, and so has to hold.
  const valid = new Map<string, NewKey>();
  const revoked = new Map<string, NewKey>();
  const roles = new Map<string, readonly string[] | null>();
  let isOver = false;
  const random = seeded(seed);
  const made: string[] = [admin];
  async function change(turn: number): Promise<void> {
    const grants = [{ namespaces: ["default"], roles: ["worker"] }];
    const created = await ask("POST", "/keys", admin, { name: `key-${turn}`, grants });
    if (created?.status === 201) {
      valid.set(created.json.id, created.json);
      made.push(created.json.key);
    }
    const [old] = [...valid.values()].filter(() => random.chance(0.3));
    if (old !== undefined) {
      // A revocation without an answer may have happened or not: it is asked for again, until it has.
      valid.delete(old.id);
      expect((await askAgain("DELETE", `/keys/${old.id}`, admin)).status).toBe(200);
      revoked.set(old.id, old);
    }
    const [rotated] = valid.values();
    const next = rotated === undefined ? null : await ask("POST", `/keys/${rotated.id}/rotate`, admin, { overlap: "1h" });
    if (next?.status === 201) {
      valid.set(next.json.id, next.json);
      made.push(next.json.key);
    }
    const name = `role-${turn % 5}`;
    const permissions = random.chance(0.5) ? ["jobs.read"] : ["jobs.read", "jobs.write"];
    const removes = random.chance(0.3);
    const saved = removes
      ? await askAgain("DELETE", `/roles/${name}`, admin)
      : await askAgain("PUT", `/roles/${name}`, admin, { permissions });
    // Deleted the first time, whose answer was lost.
    expect(removes ? [204, 404] : [200]).toContain(saved.status);
    roles.set(name, removes ? null : permissions);
  }
  const changing = (async () => {
    for (let turn = 0; !isOver; turn++) await change(turn);
  })();
  await killServer(server, kills, random);
  isOver = true;
  await changing;
  await server.killAndRestart();

  const statusOf = async ({ key }: NewKey) => (await askAgain("GET", "/session", key)).status;
  expect(valid.size).toBeGreaterThan(0);
  expect(revoked.size).toBeGreaterThan(0);
  for (const key of valid.values()) expect(await statusOf(key), key.id).toBe(200);
  for (const key of revoked.values()) expect(await statusOf(key), key.id).toBe(401);
  for (const [name, permissions] of roles) {
    const { status, json } = await askAgain("GET", `/roles/${name}`, admin);
    expect(permissions === null ? status : json.permissions, name).toEqual(permissions ?? 404);
  }
  // The token has been used, and stays so.
  expect((await askAgain("POST", "/bootstrap", "", { token: bootstrapToken, name: "again" })).status).toBe(409);

  const written = [files.database, `${files.database}-wal`, files.serverLog]
    .filter(existsSync)
    .map((file) => readFileSync(file).toString("latin1"));
  for (const text of made) expect(written.some((content) => content.includes(text.slice("hfk_0123456789abcdef_".length)))).toBe(false);
  expect(written.some((content) => content.includes(bootstrapToken))).toBe(false);
  await server.stop();
  rmSync(folder, { recursive: true });
});

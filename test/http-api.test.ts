import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Holdfast } from "../src/main.ts";

// The HTTP port of a whole server: what its parts promise is tested beside them.

const folder = mkdtempSync(join(tmpdir(), "holdfast-http-"));
const policy = join(folder, "policy.yaml");
writeFileSync(policy, "version: v3\nrules: [{ id: deploys, match: { topics: [job.deploy.*] }, decision: require_approval }]");

let server: Holdfast;
beforeAll(async () => {
  server = await Holdfast.start({ db: ":memory:", port: 0, httpPort: 0, policy: [policy], log: { level: "silent" } });
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const ask = async (path: string, options: RequestInit = {}) => {
  const response = await fetch(`http://${server.httpAddress}${path}`, options);
  return { status: response.status, text: await response.text() };
};
const json = async (path: string, options: RequestInit = {}) => JSON.parse((await ask(path, options)).text);

test("plain routes and the API share the port", async () => {
  expect(await ask("/readyz")).toEqual({ status: 200, text: "ready\n" });
  expect(await json("/api/v1/approvals")).toEqual({ items: [], next_cursor: null });
});

test("the policy file decides, and the ledger knows since when", async () => {
  const { snapshots, in_force } = await json("/api/v1/policy/snapshots");
  expect(in_force).toMatchObject({ version: "v3", published: true, bundles: [{ rules: 1 }] });
  const body = JSON.stringify({ topic: "job.deploy.apply", meta: { actor_id: "ada" } });
  const asked = await json("/api/v1/policy/evaluate", { method: "POST", headers: { "content-type": "application/json" }, body });
  expect(asked).toMatchObject({ decision: "DECISION_TYPE_REQUIRE_HUMAN", ruleId: "deploys", policySnapshot: snapshots[0] });
  const { items } = await json("/api/v1/audit?kind=policy-published", { headers: { "x-tenant-id": "system" } });
  expect(items).toMatchObject([{ kind: "policy-published", body: { snapshot_after: snapshots[0] } }]);
});

test("a stopped server does not wait for connections that stay open", async () => {
  const other = await Holdfast.start({ db: ":memory:", port: 0, httpPort: 0, log: { level: "silent" } });
  await (await fetch(`http://${other.httpAddress}/api/v1/audit/export`)).text();
  const watching = await fetch(`http://${other.httpAddress}/api/v1/stream`);
  const begun = performance.now();
  await other.stop();
  expect(performance.now() - begun).toBeLessThan(2_500);
  expect(await watching.text()).toBe("retry: 1000\n\n");
  await expect(fetch(`http://${other.httpAddress}/healthz`)).rejects.toThrow();
});

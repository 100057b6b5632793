import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { denialOf } from "@holdfast/sdk/client";
import { Client, Connection } from "@temporalio/client";
import { NativeConnection, type Worker } from "@temporalio/worker";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startRemediation } from "../../examples/incident-remediation/client.ts";
import { createIncidentWorker } from "../../examples/incident-remediation/worker.ts";
import { Holdfast } from "../../src/main.ts";
import { eventNamed, rejectionOf, until } from "./kit.ts";

// The incident example on a server with its policy.

const services = mkdtempSync(join(tmpdir(), "holdfast-services-"));
const file = (...parts: readonly string[]): string => join(services, ...parts);

let server: Holdfast;
let client: Client;
let connection: NativeConnection;
let worker: Worker;
let finished: Promise<void>;

beforeAll(async () => {
  server = await Holdfast.start({
    db: ":memory:",
    port: 0,
    httpPort: 0,
    log: { level: "error" },
    policy: [fileURLToPath(new URL("../../examples/incident-remediation/policy.yaml", import.meta.url))],
  });
  client = new Client({ connection: await Connection.connect({ address: server.address }) });
  connection = await NativeConnection.connect({ address: server.address });
  worker = await createIncidentWorker(connection, services);
  finished = worker.run();
});

afterAll(async () => {
  worker.shutdown();
  await finished;
  await connection.close();
  await client.connection.close();
  await server.stop();
  rmSync(services, { recursive: true, force: true });
});

test("diagnosis is free, and a restart keeps to the policy's limits", async () => {
  const handle = await startRemediation(client, "INC-7780");
  expect(await handle.result()).toMatchObject({ plan: { remedy: "restart" }, done: "search is restarted" });
  expect(readFileSync(file("search", "restarts.log"), "utf8").trim().split("\n")).toHaveLength(1);
  const { activityTaskScheduledEventAttributes: restart } = await eventNamed(handle, "ActivityTaskScheduled", "last");
  expect(restart).toMatchObject({ activityType: { name: "restart" }, retryPolicy: { maximumAttempts: 2 } });
  expect(Number(restart?.startToCloseTimeout?.seconds)).toBe(10);
});

test("a change in production waits for somebody on call", async () => {
  const handle = await startRemediation(client, "INC-7781");
  const api = `http://${server.httpAddress}/api/v1/approvals`;
  type Approvals = { readonly items: readonly { readonly id: string; readonly topic: string; readonly risk_tags: readonly string[] }[] };
  const approval = await until(async () => ((await (await fetch(api)).json()) as Approvals).items[0]);
  expect(approval).toMatchObject({
    workflow_id: "incident-INC-7781",
    rule_id: "production-needs-a-person",
    topic: "job.incident.patch.apply",
    labels: { env: "prod", service: "checkout" },
    capability: "service.change",
    risk_tags: ["change"],
  });
  expect(existsSync(file("checkout", "pool.conf"))).toBe(false);
  const approve = (role: string) =>
    fetch(`${api}/${approval.id}/approve`, { method: "POST", headers: { "x-principal-id": "ann", "x-principal-role": role } });
  expect((await approve("sales")).status).toBe(403);
  expect((await approve("on-call")).status).toBe(200);
  expect(await handle.result()).toMatchObject({ done: "pool.conf of checkout says: connections = 40" });
  expect(readFileSync(file("checkout", "pool.conf"), "utf8")).toBe("connections = 40\n");
});

test("the activity refuses a change that the constraints do not allow", async () => {
  const failure = await rejectionOf((await startRemediation(client, "INC-7782")).result());
  expect(denialOf(failure)).toMatchObject({ rule: "small-changes-in-staging", reason: "`secrets/bank.conf` may not be changed" });
  expect(existsSync(file("checkout-staging"))).toBe(false);
});

test("data is archived where it may not be deleted", async () => {
  mkdirSync(file("orders", "closed-orders"), { recursive: true });
  writeFileSync(file("orders", "closed-orders", "2023.csv"), "…");
  const handle = await startRemediation(client, "INC-7783");
  expect(await handle.result()).toMatchObject({ done: "closed-orders of orders is in the archive" });
  expect(existsSync(file("orders", "closed-orders.archived", "2023.csv"))).toBe(true);
});

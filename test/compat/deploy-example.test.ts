import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client, Connection, WorkflowFailedError } from "@temporalio/client";
import { NativeConnection, type Worker } from "@temporalio/worker";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runningVersion } from "../../examples/deploy/activities.ts";
import { pendingSteps, startDeploy } from "../../examples/deploy/client.ts";
import { createDeployWorker } from "../../examples/deploy/worker.ts";
import { Holdfast } from "../../src/main.ts";
import { causesOf, rejectionOf, until } from "./kit.ts";

// The deploy example on a server with both of its policy files: what a person sees who follows its README.

const example = (name: string): string => fileURLToPath(new URL(`../../examples/deploy/${name}`, import.meta.url));
const fleet = mkdtempSync(join(tmpdir(), "holdfast-fleet-"));
const running = (service: string): string => runningVersion(fleet, service);

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
    policy: [example("policy.yaml"), example("catalogue.yaml")],
  });
  client = new Client({ connection: await Connection.connect({ address: server.address }) });
  connection = await NativeConnection.connect({ address: server.address });
  worker = await createDeployWorker(connection, fleet);
  finished = worker.run();
});

afterAll(async () => {
  worker.shutdown();
  await finished;
  await connection.close();
  await client.connection.close();
  await server.stop();
  rmSync(fleet, { recursive: true, force: true });
});

type Approval = { readonly id: string; readonly status: string; readonly workflow_id: string };

/** Asks the HTTP API, as curl would. */
async function api<T>(path: string, body?: object): Promise<T> {
  const response = await fetch(`http://${server.httpAddress}/api/v1/approvals${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { "x-principal-id": "ann", "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as T;
}

const waiting = async (workflowId: string): Promise<Approval | undefined> =>
  (await api<{ readonly items: readonly Approval[] }>("")).items.find(({ workflow_id }) => workflow_id === workflowId);

test("a rejection fails the deploy, and nothing is changed", async () => {
  const handle = await startDeploy(client, "checkout");
  const { id } = await until(() => waiting("deploy-checkout"));
  await api(`/${id}/reject`, { reason: "not on a Friday" });
  const failure = await rejectionOf(handle.result());
  expect(failure).toBeInstanceOf(WorkflowFailedError);
  expect(causesOf(failure).at(-1)).toBe("ApplicationFailure: rejected by ann: not on a Friday");
  expect(running("checkout")).toBe("none");
});

test("a change in production waits for a person, and goes on once it is approved", async () => {
  const handle = await startDeploy(client, "checkout");
  const approval = await until(() => waiting("deploy-checkout"));
  expect(approval).toMatchObject({
    status: "pending",
    activity_type: "applyChange",
    topic: "job.deploy.apply",
    labels: { env: "prod" },
    rule_id: "require-approval-prod-write",
  });
  expect(await pendingSteps(client, "checkout")).toEqual([expect.stringMatching(/^applyChange is held by require-approval-prod-write: /)]);
  expect(running("checkout")).toBe("none");

  expect(await api<Approval>(`/${approval.id}/approve`, { reason: "looks right" })).toMatchObject({ id: approval.id, status: "granted" });
  expect(await handle.result()).toEqual({ status: "completed" });
  expect(running("checkout")).toBe("1.9.0");
  expect(await waiting("deploy-checkout")).toBeUndefined();
});

test("staging is changed without asking", async () => {
  const handle = await startDeploy(client, "checkout-staging");
  expect(await handle.result()).toEqual({ status: "completed" });
  expect(running("checkout-staging")).toBe("1.9.0");
});

// `npx tsx examples/incident-remediation/run.ts`: four incidents on a server of its own, with this script as the person on call.
import { mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { denialOf } from "@holdfast/sdk/client";
import { Client, Connection } from "@temporalio/client";
import { DefaultLogger, NativeConnection, Runtime } from "@temporalio/worker";
import { childFailure, startChild } from "../main-job/children.ts";
import { accepting, freePort } from "../main-job/ports.ts";
import { say, startTimeline } from "../main-job/screen.ts";
import { startRemediation } from "./client.ts";
import { incidents } from "./incidents.ts";
import { createIncidentWorker } from "./worker.ts";

const readyMsMax = 15_000;
const beside = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const dataDir = resolve(".holdfast/incidents");
rmSync(dataDir, { recursive: true, force: true });
mkdirSync(dataDir, { recursive: true });
Runtime.install({ logger: new DefaultLogger("ERROR") });

const ports = { grpc: await freePort(), http: await freePort() };
const address = `127.0.0.1:${ports.grpc}`;
const server = startChild({
  name: "server",
  args: [
    ...[beside("../../bin/holdfast.js"), "dev", "--db", ":memory:", "--port", String(ports.grpc), "--http-port", String(ports.http)],
    ...["--policy", beside("policy.yaml"), "--log-level", "warn"],
  ],
  logFile: join(dataDir, "server.log"),
});
await Promise.race([accepting(ports.grpc, readyMsMax), childFailure]);
const native = await NativeConnection.connect({ address });
const worker = await createIncidentWorker(native, join(dataDir, "services"));
const running = worker.run();
const connection = await Connection.connect({ address });
const client = new Client({ connection });

say("Four incidents, one policy (examples/incident-remediation/policy.yaml)\n");
const tell = startTimeline();
const over = new AbortController();
const onCall = watchApprovals(over.signal);
await Promise.all(incidents.map(({ id }) => remediate(id)));
over.abort();
await onCall;

worker.shutdown();
await running;
await connection.close();
await native.close();
await server.stop();

async function remediate(incidentId: string): Promise<void> {
  const incident = incidents.find(({ id }) => id === incidentId);
  tell(incidentId, `${incident?.service} ${incident?.symptom}`);
  const handle = await startRemediation(client, incidentId);
  try {
    tell(incidentId, `→ ${(await handle.result()).done}`);
  } catch (error) {
    const denial = denialOf(error);
    if (denial === null) throw error;
    tell(incidentId, `→ denied by ${denial.rule}: ${denial.reason}`);
  }
}

/** Approves whatever is asked for, as somebody who has looked at it would. */
async function watchApprovals(signal: AbortSignal): Promise<void> {
  const url = `http://127.0.0.1:${ports.http}/api/v1/approvals`;
  while (!signal.aborted) {
    const { items } = (await (await fetch(url)).json()) as {
      readonly items: readonly { readonly id: string; readonly workflow_id: string; readonly rule_id: string; readonly reason: string }[];
    };
    for (const { id, workflow_id, rule_id, reason } of items) {
      tell(workflow_id.replace("incident-", ""), `is held by ${rule_id}: ${reason}`);
      await delay(500);
      await fetch(`${url}/${id}/approve`, { method: "POST", headers: { "x-principal-id": "ann", "x-principal-role": "on-call" } });
      tell("ann", "has looked at it, and approves");
    }
    await delay(100);
  }
}

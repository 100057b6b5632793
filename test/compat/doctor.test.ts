import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Client, Connection } from "@temporalio/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "./kit.ts";

// A server and the command line as processes of their own, and the published client: what an operator is told at night, before and after SIGKILL.

const folder = mkdtempSync(join(tmpdir(), "holdfast-doctor-"));
const policy = join(folder, "policy.yaml");
writeFileSync(
  policy,
  `
version: v1
default_decision: allow
rules:
  - id: payouts
    match: { kinds: [workflow-start], names: [payout] }
    decision: require_approval
    reason: money leaves
    approval: { roles: [finance] }
`,
);
const holdfast = ["--import", "tsx", fileURLToPath(new URL("../../src/cli/holdfast.ts", import.meta.url))];

async function startServer() {
  const flags = [
    "server",
    "--allow-unauthenticated",
    "--db",
    join(folder, "holdfast.db"),
    "--port",
    "0",
    "--http-port",
    "0",
    "--policy",
    policy,
    "--log-level",
    "error",
  ];
  const child = spawn(process.execPath, [...holdfast, ...flags], { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface(child.stdout)) {
    const [, address, httpAddress] = /^ready: gRPC (\S+), HTTP (\S+)/.exec(line) ?? [];
    if (address !== undefined && httpAddress !== undefined) return { child, address, httpAddress };
  }
  throw new Error("the server ended");
}

async function kill({ child }: typeof server): Promise<void> {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

let server: Awaited<ReturnType<typeof startServer>>;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  await kill(server);
  rmSync(folder, { recursive: true });
});

const run = (...args: string[]): Promise<{ exitCode: number; printed: string }> =>
  new Promise((resolve) =>
    execFile(process.execPath, [...holdfast, ...args], (error, stdout) =>
      resolve({ exitCode: error === null ? 0 : Number(error.code), printed: stdout }),
    ),
  );
const doctor = (...args: string[]) => run("doctor", "--address", server.httpAddress, ...args);

test("the doctor names a worker that is missing and a workflow that waits for approval, also after a kill", async () => {
  expect((await doctor()).exitCode).toBe(0);
  const connection = await Connection.connect({ address: server.address });
  const client = new Client({ connection });
  await client.workflow.start("ship", { taskQueue: "warehouse", workflowId: "order-7" });
  await client.workflow.start("payout", { taskQueue: "bank", workflowId: "payout-7" });
  await connection.close();
  const found = async () => {
    const { exitCode, printed } = await doctor("--json");
    const { findings } = JSON.parse(printed) as { findings: readonly { kind: string; what: string; why: string }[] };
    // A worker that is only being restarted has ten seconds.
    return findings.length === 2 && { exitCode, findings };
  };
  const expected = {
    exitCode: 1,
    findings: [
      {
        kind: "no-worker",
        severity: "critical",
        what: "no worker polls the workflow task queue `warehouse`, where 1 task waits",
        examples: [{ namespace: "default", workflow_id: "order-7" }],
      },
      {
        kind: "approval-pending",
        what: "1 action waits for approval, the oldest being `payout` of workflow `payout-7`",
        why: "rule `payouts` asks for it (money leaves); may be decided by role `finance`; does not expire",
        examples: [{ namespace: "default", workflow_id: "payout-7" }],
      },
    ],
  };
  expect(await until(found)).toMatchObject(expected);

  await kill(server);
  expect((await doctor()).exitCode).toBe(2);
  server = await startServer();
  expect(await until(found)).toMatchObject(expected);

  const [, approval = ""] = /holdfast approval show (\S+)/.exec((await doctor()).printed) ?? [];
  expect((await run("approval", "approve", approval, "--as", "ada", "--role", "finance", "--address", server.httpAddress)).exitCode).toBe(
    0,
  );
  const { printed } = await doctor();
  expect(printed).not.toContain("waits for approval");
});

import { execFile } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client, Connection } from "@temporalio/client";
import { bundleWorkflowCode, DefaultLogger } from "@temporalio/worker";
import { expect, onTestFailed, onTestFinished, test } from "vitest";
import { childFailure } from "../../examples/main-job/children.ts";
import { accepting, freePort } from "../../examples/main-job/ports.ts";
import { seeded } from "../../sim/random.ts";
import type { refunds } from "./collector/workflows.ts";
import { startServer, startWorker } from "./victims.ts";

// People vote over the HTTP API of the built server, all at one time, while it dies by SIGKILL again and again.

const seed = Number(process.env.HOLDFAST_CRASH_SEED ?? randomInt(2 ** 31));
const kills = 8;
const workflows = 10;
const ordersEach = 10;
const approvalCount = workflows * ordersEach;
const voters = { ann: "approve", bob: "approve", cid: "approve", dan: "reject", eve: "reject" } as const;
const taskQueue = "crash-approvals";

const policy = `
version: v1
default_decision: allow
rules:
  - id: refunds
    match: { activity_types: [refund] }
    decision: require_approval
    approval: { roles: [finance], quorum: 2, four_eyes: true }
`;

type Approval = {
  readonly id: string;
  readonly status: string;
  readonly workflow_id: string;
  readonly activity_id: string;
  readonly votes: readonly { readonly voter: { readonly id: string }; readonly verdict: string }[];
};

test(`each approval ends once, through ${kills} kills (HOLDFAST_CRASH_SEED=${seed})`, { timeout: 120_000 }, async () => {
  const startedAt = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "holdfast-approvals-"));
  onTestFailed(() => {
    process.stderr.write(`crash: the database and the logs are in ${folder}\n`);
  });
  const files = {
    folder,
    bundle: join(folder, "workflows.js"),
    database: join(folder, "holdfast.db"),
    serverLog: join(folder, "server.log"),
  };
  const [policyFile, effectsFile] = [join(folder, "policy.yaml"), join(folder, "effects")];
  writeFileSync(policyFile, policy);
  writeFileSync(effectsFile, "");
  const workflowsPath = fileURLToPath(new URL("./collector/workflows.ts", import.meta.url));
  writeFileSync(files.bundle, (await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger("ERROR") })).code);

  const [port, httpPort] = [await freePort(), await freePort()];
  const server = await startServer(port, files, ["--http-port", String(httpPort), "--policy", policyFile]);
  onTestFinished(() => server.end());
  await accepting(httpPort, 15_000);
  const worker = await startWorker("worker", port, taskQueue, files);
  onTestFinished(() => worker.end());
  const connection = await Connection.connect({ address: `127.0.0.1:${port}` });
  const client = new Client({ connection });

  const handles = await Promise.all(
    Array.from({ length: workflows }, (_, index) =>
      client.workflow.start<typeof refunds>("refunds", {
        taskQueue,
        workflowId: `refunds-${index}`,
        args: [effectsFile, Array.from({ length: ordersEach }, (_, order) => `${index}/${order}`)],
      }),
    ),
  );
  const api = createApi(httpPort);
  const list = async (query: string): Promise<readonly Approval[]> => (await api("GET", `/approvals?limit=100&${query}`)).body.items ?? [];
  let waiting = await list("");
  for (; waiting.length < approvalCount; waiting = await list("")) await delay(20);

  const random = seeded(seed);
  const votes = waiting
    .flatMap(({ id }) => Object.entries(voters).map(([voter, verb]) => ({ id, voter, verb, order: random.between(0, 2 ** 30) })))
    .sort((a, b) => a.order - b.order);
  let answered = 0;
  const killing = (async () => {
    while (server.kills < kills) {
      // Each kill finds votes under way, and grants whose activities are.
      while (answered < ((server.kills + 1) * votes.length) / (kills + 1)) await delay(1);
      await server.killAndRestart();
    }
  })();
  const voting = Promise.all(
    votes.map(async ({ id, voter, verb }) => {
      const { status, body } = await api("POST", `/approvals/${id}/${verb}`, voter);
      answered++;
      if (status !== 200) expect([voter, status, body.code]).toEqual([voter, 409, expect.stringMatching(/^(not-pending|already-voted)$/)]);
      return { id, voter, verdict: verb === "approve" ? "grant" : "reject", acknowledged: status === 200 };
    }),
  );
  const [cast] = await Promise.race([Promise.all([voting, killing]), childFailure]);
  const results = await Promise.race([Promise.all(handles.map((handle) => handle.result())), childFailure]);

  const ended = await list("include_resolved=true");
  expect(await list("")).toEqual([]);
  expect(ended.length).toBe(approvalCount);
  const outcomes = new Map<string, string>(results.flat());
  const effects = new Set(readFileSync(effectsFile, "utf8").split("\n"));
  const records = await ledgerOf(httpPort);
  for (const { id, status, votes: counted, workflow_id, activity_id } of ended) {
    const order = `${workflow_id.replace("refunds-", "")}/${Number(activity_id) - 1}`;
    // The effect happened exactly when it was granted, and the workflow knows.
    expect([status, outcomes.get(order), effects.has(order)]).toEqual(
      status === "granted" ? ["granted", "refunded", true] : ["rejected", "PolicyDenied", false],
    );
    const [grants, rejections] = ["grant", "reject"].map((wanted) => counted.filter(({ verdict }) => verdict === wanted).length);
    expect([status, grants, rejections]).toEqual(status === "granted" ? ["granted", 2, 0] : ["rejected", grants, 1]);
    // What was acknowledged stands, in the approval and in the ledger.
    const stands = counted.map(({ voter, verdict }) => `${verdict} by ${voter.id}`);
    const acknowledged = cast.filter((vote) => vote.id === id && vote.acknowledged).map(({ voter, verdict }) => `${verdict} by ${voter}`);
    expect(stands).toEqual(expect.arrayContaining(acknowledged));
    const record = records.filter(({ approval }) => approval === id);
    expect(record.flatMap(({ verdict, voter }) => (verdict === undefined ? [] : [`${verdict} by ${voter?.id}`]))).toEqual(stands);
    expect(record.flatMap(({ status: end }) => end ?? [])).toEqual([status]);
  }

  await connection.close();
  await worker.stop();
  await server.stop();
  const { stdout } = await promisify(execFile)(process.execPath, [holdfast, "audit", "verify", "--db", files.database]);
  const granted = ended.filter(({ status }) => status === "granted").length;
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
  process.stdout.write(
    `crash: seed ${seed}, ${server.kills} kills, ${votes.length} votes on ${approvalCount} approvals, ${granted} granted, ${seconds} s; ${stdout.trim().split("\n").at(-1)}\n`,
  );
  rmSync(folder, { recursive: true });
});

const holdfast = fileURLToPath(new URL("../../bin/holdfast.js", import.meta.url));

/** Asks until the server answers; whether a request that got none was carried out, nobody knows. */
function createApi(port: number) {
  return async (method: string, path: string, as?: string) => {
    for (;;) {
      try {
        const response = await fetch(`http://127.0.0.1:${port}/api/v1${path}`, {
          method,
          headers: as === undefined ? {} : { "x-principal-id": as, "x-principal-role": "finance" },
          signal: AbortSignal.timeout(10_000),
        });
        return {
          status: response.status,
          body: (await response.json()) as { readonly code?: string; readonly items?: readonly Approval[] },
        };
      } catch {
        await delay(25);
      }
    }
  };
}

type Recorded = {
  readonly approval?: string;
  readonly verdict?: string;
  readonly voter?: { readonly id: string };
  readonly status?: string;
};

async function ledgerOf(port: number): Promise<readonly Recorded[]> {
  const response = await fetch(`http://127.0.0.1:${port}/api/v1/audit/export?kind=approval-vote,approval-closed`);
  const lines = (await response.text()).trimEnd().split("\n");
  return lines.map((line) => (JSON.parse(line) as { readonly body: Recorded }).body);
}

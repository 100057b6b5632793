import { randomUUID } from "node:crypto";
import { median, percentile } from "../figure.ts";
import { connectRaw, type RawClient } from "../grpc.ts";
import {
  completeActivityTask,
  completeRun,
  completeWorkflowTask,
  identity,
  namespace,
  pollActivityTask,
  pollWorkflowTask,
  queueNamed,
  scheduleStep,
  startRequest,
  startWorkflow,
} from "../rpcs.ts";
import type { Scenario } from "../scenario.ts";
import { startServer } from "../server.ts";

const policy = JSON.stringify({ rules: [{ id: "people", decision: "require_approval", match: { topics: ["activity.step"] } }] });

/** One approval at a time, granted over HTTP, on a server that has nothing else to do. */
export const approvals: Scenario = async ({ address, quick, cpuProf, folder }) => {
  if (address !== null) return [];
  const { server } = await startServer(folder("approvals"), { cpuProf, policy, http: true });
  const client = connectRaw(server.address);
  const api = `http://${server.httpAddress}/api/v1/approvals`;
  const count = quick ? 30 : 100;
  await oneWorkflow({ client, api, count });
  const rounds: (readonly number[])[] = [];
  for (let round = 0; round < (quick ? 2 : 5); round++) rounds.push(await oneWorkflow({ client, api, count }));
  client.close();
  await server.stop();
  return [
    {
      name: "grant → worker receives, p50",
      unit: "ms",
      rounds: rounds.map(median),
      note: "from sending the vote: request, commit and fsync included",
    },
    { name: "  p99", unit: "ms", rounds: rounds.map((values) => percentile(values, 0.99)) },
  ];
};

/** From sending each grant until the worker, which has a poll open, has the activity; milliseconds. */
async function oneWorkflow({ client, api, count }: { client: RawClient; api: string; count: number }): Promise<readonly number[]> {
  const workflowId = `approvals-${randomUUID()}`;
  const queue = { namespace, identity, taskQueue: queueNamed(workflowId) };
  await client.call(startWorkflow, startRequest(workflowId, workflowId));
  const took: number[] = [];
  for (let step = 0; step < count; step++) {
    const { taskToken } = await client.call(pollWorkflowTask, queue);
    await client.call(completeWorkflowTask, { namespace, identity, taskToken, commands: [scheduleStep(String(step), workflowId)] });
    const received = client.call(pollActivityTask, queue).then((task) => ({ task, at: performance.now() }));
    const id = await pendingApproval(api, workflowId);
    const sentAt = performance.now();
    await request(`${api}/${id}/approve`, { method: "POST", headers: { "content-type": "application/json", ...voter }, body: "{}" });
    const { task, at } = await received;
    took.push(at - sentAt);
    await client.call(completeActivityTask, { namespace, identity, taskToken: task.taskToken });
  }
  const { taskToken } = await client.call(pollWorkflowTask, queue);
  await client.call(completeWorkflowTask, { namespace, identity, taskToken, commands: [completeRun] });
  return took;
}

const voter = { "x-principal-id": "ada" };

async function pendingApproval(api: string, workflowId: string): Promise<string> {
  const listed = await request(`${api}?workflow_id=${workflowId}`, { method: "GET", headers: voter });
  const [approval] = ((await listed.json()) as { readonly items: readonly { readonly id: string }[] }).items;
  if (approval === undefined) throw new Error(`nothing of \`${workflowId}\` waits for approval`);
  return approval.id;
}

async function request(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return response;
}

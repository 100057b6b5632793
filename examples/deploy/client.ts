import { fileURLToPath } from "node:url";
import { Client, Connection, type WorkflowHandleWithFirstExecutionRunId } from "@temporalio/client";
import { deployTaskQueue, workflowIdOf } from "./deploy.ts";
import { DeployWorkflow } from "./workflows.ts";

export type DeployHandle = WorkflowHandleWithFirstExecutionRunId<typeof DeployWorkflow>;

export const startDeploy = (client: Client, service: string): Promise<DeployHandle> =>
  client.workflow.start(DeployWorkflow, { taskQueue: deployTaskQueue, workflowId: workflowIdOf(service), args: [{ service }] });

/** What an open deploy is busy with, one line each: a step that waits for an approval says by which rule, and why. */
export async function pendingSteps(client: Client, service: string): Promise<readonly string[]> {
  const { raw } = await client.workflow.getHandle(workflowIdOf(service)).describe();
  return (raw.pendingActivities ?? []).map(({ activityType, paused, pauseInfo }) =>
    paused
      ? `${activityType?.name} is held by ${pauseInfo?.rule?.ruleId}: ${pauseInfo?.rule?.reason}`
      : `${activityType?.name} is under way`,
  );
}

const usage = `usage: client.ts start SERVICE    deploy checkout or checkout-staging
       client.ts status SERVICE   what it is busy with
       client.ts result SERVICE   wait for the end
environment: TEMPORAL_ADDRESS (127.0.0.1:7233)`;

async function main([command, service = ""]: readonly string[]): Promise<void> {
  const connection = await Connection.connect({ address: process.env.TEMPORAL_ADDRESS ?? "127.0.0.1:7233" });
  const client = new Client({ connection });
  const commands: Readonly<Record<string, () => Promise<unknown>>> = {
    start: async () => `started ${(await startDeploy(client, service)).workflowId}`,
    status: async () => (await pendingSteps(client, service)).join("\n") || "nothing is under way",
    result: () => client.workflow.getHandle<typeof DeployWorkflow>(workflowIdOf(service)).result(),
  };
  console.log(await (commands[command ?? ""] ?? (async () => usage))());
  await connection.close();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));

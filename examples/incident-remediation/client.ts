import { fileURLToPath } from "node:url";
import { Client, Connection, type WorkflowHandleWithFirstExecutionRunId } from "@temporalio/client";
import { incidentTaskQueue, workflowIdOf } from "./incident.ts";
import { incidentRemediation } from "./workflows.ts";

export type IncidentHandle = WorkflowHandleWithFirstExecutionRunId<typeof incidentRemediation>;

export const startRemediation = (client: Client, incidentId: string): Promise<IncidentHandle> =>
  client.workflow.start(incidentRemediation, { taskQueue: incidentTaskQueue, workflowId: workflowIdOf(incidentId), args: [incidentId] });

const usage = `usage: client.ts start INCIDENT    INC-7780 to INC-7783
       client.ts result INCIDENT   wait for the end
environment: TEMPORAL_ADDRESS (127.0.0.1:7233)`;

async function main([command, incidentId = ""]: readonly string[]): Promise<void> {
  const connection = await Connection.connect({ address: process.env.TEMPORAL_ADDRESS ?? "127.0.0.1:7233" });
  const client = new Client({ connection });
  const commands: Readonly<Record<string, () => Promise<unknown>>> = {
    start: async () => `started ${(await startRemediation(client, incidentId)).workflowId}`,
    result: () => client.workflow.getHandle<typeof incidentRemediation>(workflowIdOf(incidentId)).result(),
  };
  console.log(await (commands[command ?? ""] ?? (async () => usage))());
  await connection.close();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));

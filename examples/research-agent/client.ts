import { fileURLToPath } from "node:url";
import { Client, Connection, type WorkflowHandleWithFirstExecutionRunId } from "@temporalio/client";
import { researchTaskQueue } from "./report.ts";
import { approveReport, getProgress, researchAgent } from "./workflows.ts";

export type ResearchHandle = WorkflowHandleWithFirstExecutionRunId<typeof researchAgent>;

export const startResearch = (client: Client, workflowId: string, question: string): Promise<ResearchHandle> =>
  client.workflow.start(researchAgent, { taskQueue: researchTaskQueue, workflowId, args: [question] });

const usage = `usage: client.ts ask ID QUESTION      start a research run
       client.ts progress ID          how far it is; prints the draft that waits for a review
       client.ts approve ID           publish the draft
       client.ts revise ID FEEDBACK   have it revised
       client.ts result ID            wait for the end
environment: TEMPORAL_ADDRESS (127.0.0.1:7233)`;

async function main([command, id = "", ...words]: readonly string[]): Promise<void> {
  const connection = await Connection.connect({ address: process.env.TEMPORAL_ADDRESS ?? "127.0.0.1:7233" });
  const client = new Client({ connection });
  const handle = client.workflow.getHandle<typeof researchAgent>(id);
  const reviewer = process.env.USER ?? "editor";
  const commands: Readonly<Record<string, () => Promise<unknown>>> = {
    ask: async () => `started ${(await startResearch(client, id, words.join(" "))).workflowId}`,
    progress: async () => {
      const { draft, ...progress } = await handle.query(getProgress);
      return `${JSON.stringify(progress)}${draft ? `\n\n${draft.text}` : ""}`;
    },
    approve: async () => {
      await handle.signal(approveReport, { approved: true, reviewer });
      return handle.result();
    },
    revise: async () => {
      await handle.signal(approveReport, { approved: false, reviewer, feedback: words.join(" ") });
      return "signal sent";
    },
    result: () => handle.result(),
  };
  console.log(await (commands[command ?? ""] ?? (async () => usage))());
  await connection.close();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));

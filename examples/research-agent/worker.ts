import { fileURLToPath } from "node:url";
import { NativeConnection, Worker } from "@temporalio/worker";
import { workflowCode } from "../workflow-code.ts";
import { createActivities } from "./activities.ts";
import { researchTaskQueue } from "./report.ts";

export const createResearchWorker = (connection: NativeConnection, deskDir: string): Promise<Worker> =>
  Worker.create({
    connection,
    taskQueue: researchTaskQueue,
    ...workflowCode(import.meta.url),
    activities: createActivities({ corpusDir: fileURLToPath(new URL("./corpus", import.meta.url)), deskDir }),
    // After a crash, open runs move to another worker's cache this soon.
    stickyQueueScheduleToStartTimeout: "2 seconds",
  });

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const connection = await NativeConnection.connect({ address: process.env.TEMPORAL_ADDRESS ?? "127.0.0.1:7233" });
  const worker = await createResearchWorker(connection, process.env.DESK_DIR ?? ".holdfast/desk");
  await worker.run();
  await connection.close();
}

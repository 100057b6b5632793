import { fileURLToPath } from "node:url";
import { holdfastPlugin } from "@holdfast/sdk/worker";
import { NativeConnection, Worker } from "@temporalio/worker";
import { workflowCode } from "../workflow-code.ts";
import { createActivities } from "./activities.ts";
import { incidentTaskQueue } from "./incident.ts";

export const createIncidentWorker = (connection: NativeConnection, servicesDir: string): Promise<Worker> =>
  Worker.create({
    connection,
    taskQueue: incidentTaskQueue,
    ...workflowCode(import.meta.url),
    activities: createActivities(servicesDir),
    plugins: [holdfastPlugin()],
  });

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const connection = await NativeConnection.connect({ address: process.env.TEMPORAL_ADDRESS ?? "127.0.0.1:7233" });
  const worker = await createIncidentWorker(connection, process.env.SERVICES_DIR ?? ".holdfast/services");
  await worker.run();
  await connection.close();
}

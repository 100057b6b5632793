import { fileURLToPath } from "node:url";
import { NativeConnection, Worker } from "@temporalio/worker";
import { workflowCode } from "../workflow-code.ts";
import { createActivities } from "./activities.ts";
import { deployTaskQueue } from "./deploy.ts";

export const createDeployWorker = (connection: NativeConnection, fleetDir: string): Promise<Worker> =>
  Worker.create({
    connection,
    taskQueue: deployTaskQueue,
    ...workflowCode(import.meta.url),
    activities: createActivities(fleetDir),
  });

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const connection = await NativeConnection.connect({ address: process.env.TEMPORAL_ADDRESS ?? "127.0.0.1:7233" });
  const worker = await createDeployWorker(connection, process.env.FLEET_DIR ?? ".holdfast/fleet");
  await worker.run();
  await connection.close();
}

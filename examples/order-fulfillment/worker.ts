import { fileURLToPath } from "node:url";
import { NativeConnection, Worker } from "@temporalio/worker";
import { workflowCode } from "../workflow-code.ts";
import { createActivities } from "./activities.ts";
import { noteAttempts } from "./attempts.ts";
import { orderTaskQueue } from "./order.ts";
import { openShop } from "./shop.ts";

export async function createOrderWorker(connection: NativeConnection, shopFile: string): Promise<Worker> {
  const shop = openShop(shopFile);
  return Worker.create({
    connection,
    taskQueue: orderTaskQueue,
    ...workflowCode(import.meta.url),
    activities: createActivities(shop),
    interceptors: { activity: [noteAttempts(shop)] },
    // After a crash, open runs move to another worker's cache this soon.
    stickyQueueScheduleToStartTimeout: "2 seconds",
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const address = process.env.TEMPORAL_ADDRESS ?? "127.0.0.1:7233";
  const connection = await NativeConnection.connect({ address });
  const worker = await createOrderWorker(connection, process.env.SHOP_DB ?? ".holdfast/shop.db");
  await worker.run();
  await connection.close();
}

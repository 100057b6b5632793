// The worker of the main job: both examples in one process, which the job kills and starts again.
import { NativeConnection } from "@temporalio/worker";
import { createOrderWorker } from "./order-fulfillment/worker.ts";
import { createResearchWorker } from "./research-agent/worker.ts";

const [address, shopFile, deskDir] = process.argv.slice(2);
if (!address || !shopFile || !deskDir) throw new Error("usage: worker ADDRESS SHOP_DB DESK_DIR");

const connection = await NativeConnection.connect({ address });
const workers = [await createOrderWorker(connection, shopFile), await createResearchWorker(connection, deskDir)];
process.send?.("ready");
await Promise.all(workers.map((worker) => worker.run()));
await connection.close();

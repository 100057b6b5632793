// A worker process of the crash test: it is killed and started again, and may find no server when it starts.
import { setTimeout as delay } from "node:timers/promises";
import { DefaultLogger, makeTelemetryFilterString, NativeConnection, Runtime, TransportError, Worker } from "@temporalio/worker";
import * as activities from "./activities.ts";

const [address, taskQueue, codePath] = process.argv.slice(2);
if (!address || !taskQueue || !codePath) throw new Error("usage: worker ADDRESS TASK_QUEUE WORKFLOW_BUNDLE");

// It never outlives the test that started it.
process.once("disconnect", () => process.exit());

Runtime.install({
  logger: new DefaultLogger("ERROR"),
  telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: "ERROR", other: "ERROR" }) } },
});

for (;;) {
  try {
    const connection = await NativeConnection.connect({ address });
    const worker = await Worker.create({
      connection,
      taskQueue,
      workflowBundle: { codePath },
      activities,
      // Runs that a dead worker has cached go to the other one soon.
      stickyQueueScheduleToStartTimeout: "500ms",
    });
    process.send?.("ready");
    await worker.run();
    break;
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    await delay(50);
  }
}

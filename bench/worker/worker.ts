// A worker as its users would write it, in a process of its own: worker.ts ADDRESS TASK_QUEUE. Asked for "gaps", it answers with the times
// between consecutive steps of the same workflow since it was last asked, milliseconds.
import { fileURLToPath } from "node:url";
import { DefaultLogger, NativeConnection, Runtime, Worker } from "@temporalio/worker";
import { begun, step } from "./activities.ts";

const [address = "", taskQueue = ""] = process.argv.slice(2);
Runtime.install({ logger: new DefaultLogger("WARN") });
const worker = await Worker.create({
  connection: await NativeConnection.connect({ address }),
  taskQueue,
  workflowsPath: fileURLToPath(new URL("./workflows.ts", import.meta.url)),
  activities: { step },
});

process.on("message", () => {
  process.send?.([...begun.values()].flatMap((times) => times.slice(1).map((time, index) => time - (times[index] ?? time))));
  begun.clear();
});
const running = worker.run();
process.send?.("ready");
await running;
process.exit(0);

// The same steps as Restate's users would write them: restate-service.mjs FOLDER PORT, where FOLDER has the SDK in its node_modules.
// Plain JavaScript, because it runs on the Node of that folder.
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder = "", port = ""] = process.argv.slice(2);
const restate = createRequire(join(folder, "package.json"))("@restatedev/restate-sdk");

const worker = restate.service({ name: "Worker", handlers: { step: async (_context, index) => index } });

const sequence = restate.service({
  name: "Sequence",
  handlers: {
    // A step is a call of another handler, journaled at both ends: what comes nearest to an activity.
    regular: async (context, steps) => {
      let sum = 0;
      for (let index = 0; index < steps; index++) sum += await context.serviceClient(worker).step(index);
      return sum;
    },
    // A step is a durable block of this handler: what comes nearest to a local activity.
    local: async (context, steps) => {
      let sum = 0;
      for (let index = 0; index < steps; index++) sum += await context.run("step", async () => index);
      return sum;
    },
  },
});

await restate.serve({ services: [worker, sequence], port: Number(port) });
process.send?.("ready");

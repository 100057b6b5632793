// `npm start`: the demonstration, on a server of its own.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { root } from "./inputs.mjs";
import { setup } from "./setup.mjs";

setup();
const demo = join(root, "dist/examples/run.js");
if (!existsSync(demo)) {
  process.stderr.write("there is no demonstration in this checkout (examples/run.ts); start a server with: npx holdfast dev\n");
  process.exit(1);
}
// The terminal sends Ctrl-C to the demo as well; it stops in order, and this process with it.
process.on("SIGINT", () => {});
const done = spawnSync(process.execPath, [demo, ...process.argv.slice(2)], { stdio: "inherit" });
process.exit(done.status ?? 1);

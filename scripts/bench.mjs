// `npm run bench`: sets up like the other commands, then runs the bench; see bench/README.md.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "./inputs.mjs";
import { setup } from "./setup.mjs";

setup();
const done = spawnSync(process.execPath, ["--import", "tsx", join(root, "bench/bench.ts"), ...process.argv.slice(2)], {
  cwd: root,
  stdio: "inherit",
});
process.exit(done.status ?? 1);

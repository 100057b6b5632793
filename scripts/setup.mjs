// Brings a checkout into working order: dependencies, generated protocol, build. Says nothing when there is nothing to do.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { isStamped } from "./fingerprint.mjs";
import { buildInputs, buildStamp, outdatedDependency, protocolInputs, protocolStamp, root } from "./inputs.mjs";

const nodeVersionMin = [20, 3];

const windows = process.platform === "win32";

function step(title, command, args) {
  process.stderr.write(`setup: ${title}\n`);
  // Progress goes to stderr, so that what a started program prints on stdout stays its own.
  const done = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2], shell: windows && command === "npm" });
  if (done.status !== 0) {
    process.stderr.write(`setup: failed: ${command} ${args.join(" ")}${done.error ? ` (${done.error.message})` : ""}\n`);
    process.exit(1);
  }
}

export function setup() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < nodeVersionMin[0] || (major === nodeVersionMin[0] && minor < nodeVersionMin[1])) {
    process.stderr.write(
      `Holdfast needs Node.js ${nodeVersionMin.join(".")} or newer, and this is ${process.versions.node}. See https://nodejs.org/en/download\n`,
    );
    process.exit(1);
  }
  const outdated = outdatedDependency();
  // Not `npm ci`: it refuses a lock file whose optional packages for other platforms the registry in use does not have.
  if (outdated !== null)
    step(`installing dependencies (${outdated}); the first time takes a minute or two`, "npm", [
      ...["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"],
    ]);
  if (!isStamped(protocolStamp, protocolInputs()))
    step("generating the protocol", process.execPath, [join("scripts", "generate-protocol.mjs")]);
  if (!isStamped(buildStamp, buildInputs())) step("building", process.execPath, [join("scripts", "build.mjs")]);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) setup();

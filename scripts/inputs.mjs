// What each generated folder is made of. Builders stamp it, setup compares.
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { fingerprint } from "./fingerprint.mjs";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
export const protocolStamp = join(root, "src/protocol/generated/.stamp");
export const buildStamp = join(root, "dist/.stamp");

const versionOf = (name) => {
  const file = join(root, "node_modules", name, "package.json");
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).version : "none";
};
const versions = (names) => names.map((name) => `${name}@${versionOf(name)}`).join(" ");

export const protocolInputs = () =>
  `${fingerprint(root, ["proto", "scripts/generate-protocol.mjs"])} ${versions(["@temporalio/core-bridge", "ts-proto", "@bufbuild/buf"])}`;

export const buildInputs = () => {
  const sources = fingerprint(
    root,
    ["src", "sdk/src", "sdk/package.json", "sdk/tsconfig.json", "examples", "scripts/build.mjs", "package.json"],
    ["src/protocol/generated"],
  );
  const dependencies = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  return `${sources} ${dependencies} ${protocolInputs()}`;
};

/** Null when node_modules holds what package-lock.json says, else the reason why not. Packages for other platforms may be absent. */
export function outdatedDependency() {
  const installedFile = join(root, "node_modules/.package-lock.json");
  if (!existsSync(installedFile)) return "no node_modules";
  const installed = JSON.parse(readFileSync(installedFile, "utf8")).packages;
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === "") continue;
    const found = installed[path];
    if (found === undefined && (entry.optional || entry.peer)) continue;
    if (found?.version !== entry.version) return `${path.replace(/^.*node_modules\//, "")} ${entry.version} is not installed`;
  }
  return null;
}

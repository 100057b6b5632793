// Tells whether an output is still made of its inputs, by content: file times mean little after a clone or a branch switch.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Hash of the names and contents of files and folders (recursively), without the folders in `skip`. A missing path is part of the hash. */
export function fingerprint(root, paths, skip = []) {
  const hash = createHash("sha256");
  const add = (path) => {
    if (skip.includes(path)) return;
    const full = join(root, path);
    hash.update(path);
    if (!existsSync(full)) return;
    if (statSync(full).isDirectory()) for (const name of readdirSync(full).sort()) add(`${path}/${name}`);
    else hash.update(readFileSync(full));
  };
  for (const path of paths) add(path);
  return hash.digest("hex");
}

export const isStamped = (stampFile, value) => existsSync(stampFile) && readFileSync(stampFile, "utf8") === value;

export function stamp(stampFile, value) {
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, value);
}

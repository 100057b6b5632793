import { realpath } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import type { Constraints } from "../decision.ts";
import { globOf } from "./glob.ts";

export type Access = "read" | "write";

/**
 * Where a path leads once links are followed, or why it may not be used. Writing needs `fs_read_write`, reading one of both lists; an entry
 * stands for itself and everything below. Without lists nothing is restricted.
 */
export async function pathAllowed(
  path: string,
  access: Access,
  { sandbox }: Pick<Constraints, "sandbox">,
): Promise<{ readonly path: string } | { readonly refusal: string }> {
  const real = await realPath(resolve(path));
  const { fsReadOnly, fsReadWrite } = sandbox ?? {};
  if (fsReadOnly === undefined && fsReadWrite === undefined) return { path: real };
  const allowed = [...(fsReadWrite ?? []), ...(access === "read" ? (fsReadOnly ?? []) : [])];
  const fits = await Promise.all(
    allowed.map(async (entry) => isWithin(real, entry.includes("*") ? entry : await realPath(resolve(entry)))),
  );
  return fits.includes(true)
    ? { path: real }
    : { refusal: `\`${path}\` is not among the files that may be ${access === "read" ? "read" : "written"}` };
}

/** Links are followed as far as the path exists, so that a new file in a linked folder is judged by where it will be. */
async function realPath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    const parent = dirname(path);
    if (!missing || parent === path) throw error;
    return join(await realPath(parent), path.slice(parent.length));
  }
}

/** Whether a pattern fits the path or a folder that it lies in. */
export function isWithin(path: string, pattern: string): boolean {
  const fits = globOf(pattern.length > 1 ? pattern.replace(/\/+$/, "") : pattern);
  if (pattern === sep) return true;
  const parts = path.split(sep);
  return parts.some((_, index) => fits(parts.slice(0, index + 1).join(sep)));
}

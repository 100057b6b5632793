import type { Constraints } from "../decision.ts";
import { isWithin } from "./paths.ts";

export type Diff = { readonly files: readonly string[]; readonly lines: number };

/** The files that a unified diff touches, under their old and new names, and how many lines it adds and removes. */
export function readDiff(text: string): Diff {
  const files = new Set<string>();
  let lines = 0;
  let removed = 0;
  let added = 0;
  for (const line of text.split(/\r?\n/)) {
    // Within a hunk, `--- x` is a removed line that begins with two dashes.
    if (removed > 0 || added > 0) {
      if (line.startsWith("-")) [removed, lines] = [removed - 1, lines + 1];
      else if (line.startsWith("+")) [added, lines] = [added - 1, lines + 1];
      else if (!line.startsWith("\\")) [removed, added] = [removed - 1, added - 1];
      continue;
    }
    const hunk = /^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@/.exec(line);
    const git = /^diff --git "?a\/(.+?)"? "?b\/(.+?)"?$/.exec(line);
    const name = /^(?:---|\+\+\+) "?(?:[ab]\/)?([^\t"]+)|^(?:rename|copy) (?:from|to) "?([^"]+)/.exec(line);
    if (hunk !== null) [removed, added] = [Number(hunk[1] ?? 1), Number(hunk[2] ?? 1)];
    else if (git !== null) for (const file of git.slice(1, 3)) files.add(file ?? "");
    else if (name !== null) files.add(name[1] ?? name[2] ?? "");
  }
  files.delete("/dev/null");
  return { files: [...files], lines };
}

/** Why a change may not be made; null when it may. A denied folder denies everything below. */
export function diffRefusal({ files, lines }: Diff, { diff }: Pick<Constraints, "diff">): string | null {
  if (diff === undefined) return null;
  const { maxFiles, maxLines, denyPathGlobs = [] } = diff;
  if (maxFiles !== undefined && files.length > maxFiles)
    return `the change touches ${files.length} files, and at most ${maxFiles} are allowed`;
  if (maxLines !== undefined && lines > maxLines) return `the change has ${lines} lines, and at most ${maxLines} are allowed`;
  const denied = files.find((file) => denyPathGlobs.some((glob) => isWithin(file.replace(/^\.\//, ""), glob)));
  return denied === undefined ? null : `\`${denied}\` may not be changed`;
}

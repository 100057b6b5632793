import { existsSync } from "node:fs";
import { basename, extname } from "node:path";
import type { Action } from "../governance/action.ts";
import type { Bundle, Snapshot } from "../governance/policy/snapshot.ts";
import type { Problem } from "../language/reader.ts";
import { UsageError } from "./context.ts";
import { oneLine } from "./table.ts";
import { textIn, textOf } from "./text-file.ts";

/** What was found in a file, at a place that an editor can jump to. */
export type FileProblem = Problem & { readonly file: string };

/** `snapshot` is null when a file cannot be used. */
export type Loaded = {
  readonly snapshot: Snapshot | null;
  readonly bundles: readonly Bundle[];
  readonly problems: readonly FileProblem[];
  /** Where a bundle was read. */
  fileOf(bundle: string): string;
};

/**
 * Reads policy files as one snapshot. A bundle is called like its file without folder and extension: hashes and canaries depend on the
 * name, and must not depend on where the files lie.
 */
export async function loadPolicies(files: readonly string[]): Promise<Loaded> {
  const { parsePolicy } = await import("../governance/policy/policy.ts");
  const { snapshotOf } = await import("../governance/policy/snapshot.ts");
  const read = [...new Set(files)].map((file) => ({ file, id: basename(file, extname(file)), ...parsePolicy(textOf(file)) }));
  const twin = read.find(({ id, file }) => read.some((other) => other.id === id && other.file !== file));
  if (twin !== undefined) throw new UsageError([`two files are called \`${twin.id}\`, and a policy knows them by that name`]);
  const problems = read.flatMap(({ file, problems }) => problems.map((problem) => ({ ...problem, file })));
  const bundles = read.flatMap(({ id, policy }) => (policy === null ? [] : [{ id, policy }]));
  const pathsById = new Map(read.map(({ id, file }) => [id, file]));
  return {
    snapshot: bundles.length === read.length ? snapshotOf(bundles) : null,
    bundles,
    fileOf: (id) => pathsById.get(id) ?? id,
    problems,
  };
}

/** Test cases may stand beside a policy: `orders.tests.yaml` beside `orders.yaml`. */
export const withTestsBeside = (files: readonly string[]): readonly string[] =>
  files.flatMap((file) => {
    const beside = file.replace(/\.(ya?ml|json)$/, ".tests.$1");
    return beside !== file && existsSync(beside) ? [file, beside] : [file];
  });

/** Reads an action from a file, or from stdin when it is called `-`. */
export async function loadAction(file: string): Promise<Action> {
  const { parseAction } = await import("../governance/policy/action-file.ts");
  const { action, problems } = parseAction(textIn(file));
  if (action === null) throw new UsageError(problems.map((problem) => sentence({ ...problem, file: file === "-" ? "stdin" : file })));
  return action;
}

/** As compilers write it, so that editors find the place. */
export const sentence = ({ file, line, column, severity, message, path }: FileProblem): string =>
  oneLine(`${file}:${line}:${column}: ${severity}: ${path === "" ? "" : `${path}: `}${message}`);

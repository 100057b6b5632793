import {
  into,
  list,
  mapping,
  name,
  type Place,
  type Placed,
  placed,
  report,
  scalarAt,
  wholeNumber,
  word,
  wordsOf,
} from "../../language/reader.ts";
import type { StepFields } from "../spec/fields.ts";
import type { Linker } from "../spec/linker.ts";

/** Starts its branches together, and ends when enough of them have succeeded; the others are cancelled. */
export type ParallelKind = {
  readonly kind: "parallel";
  readonly branches: readonly number[];
  /** How many must succeed. */
  readonly required: number;
  readonly parallelMax: number;
};

const strategies = ["all", "any", "n_of_m"] as const;

/** A list, or names with commas between them. */
const readBranches = (at: Place): readonly Placed<string>[] | undefined => {
  const written = scalarAt(at);
  if (typeof written !== "string") return list(placed(name))(at);
  return written.split(",").map((id) => ({ value: id.trim(), at }));
};
const readSettings = into(
  mapping({ steps: readBranches, strategy: word(wordsOf(strategies)), required: wholeNumber(1), maxParallel: wholeNumber(1) }),
  ({ steps = [], strategy, required, maxParallel }, at) => {
    if (steps.length === 0) return report(at, "a parallel step needs `steps`");
    const chosen = strategy ?? (required === undefined ? "all" : "n_of_m");
    if (chosen === "n_of_m" && required === undefined) return report(at, "`strategy: n_of_m` needs `required`");
    if (chosen !== "n_of_m" && required !== undefined) return report(at, `\`required\` is for \`strategy: n_of_m\``);
    const needed = chosen === "all" ? steps.length : chosen === "any" ? 1 : (required ?? 1);
    if (needed > steps.length) return report(at, `${needed} of ${steps.length} steps cannot succeed`);
    return { steps, required: needed, maxParallel };
  },
);

export function linkParallel({ input, maxParallel }: StepFields, at: Place, { claim }: Linker): ParallelKind | undefined {
  if (input === undefined) return report(at, "a parallel step needs `input` with `steps`");
  const settings = readSettings(input.at);
  if (settings === undefined) return undefined;
  const branches = settings.steps.map((ref) => claim(ref, "branch")).filter((index) => index !== undefined);
  if (branches.length < settings.steps.length) return undefined;
  if (new Set(branches).size < branches.length) return report(input.at, "a step is named twice");
  const parallelMax = settings.maxParallel ?? maxParallel?.value ?? branches.length;
  return { kind: "parallel", branches, required: settings.required, parallelMax };
}

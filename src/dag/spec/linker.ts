import { nearest } from "../../base/nearest.ts";
import { type Place, type Placed, report } from "../../language/reader.ts";
import type { StepFields } from "./fields.ts";

/** What a step type needs of the other steps while it is linked. */
export type Linker = {
  /** The index of a step; reports an unknown one. */
  find(ref: Placed<string>): number | undefined;
  /** The step that is started by another one. Reports a second claim, and a step that cannot be started so. */
  claim(ref: Placed<string>, as: "branch" | "case" | "body"): number | undefined;
};

export type Claims = Map<number, { readonly as: "branch" | "case" | "body" | "handler"; readonly by: number }>;

export function linker(
  indexOf: ReadonlyMap<string, number>,
  fieldsOf: (index: number) => StepFields | undefined,
  claims: Claims,
  by: number,
): Linker {
  const find = ({ value, at }: Placed<string>): number | undefined => {
    const index = indexOf.get(value);
    return index ?? unknownStep(value, [...indexOf.keys()], at);
  };
  return {
    find,
    claim: (ref, as) => {
      const index = find(ref);
      if (index === undefined) return undefined;
      const before = claims.get(index);
      if (index === by) return report(ref.at, `\`${ref.value}\` cannot start itself`);
      if (before !== undefined && (before.by !== by || before.as !== as))
        return report(ref.at, `\`${ref.value}\` is started by another step already`);
      if (as === "body") {
        const refusal = bodyRefusal(fieldsOf(index));
        if (refusal !== null) return report(ref.at, refusal.replace("it", `\`${ref.value}\``));
      }
      claims.set(index, { as, by });
      return index;
    },
  };
}

export function unknownStep(id: string, ids: readonly string[], at: Place): undefined {
  const meant = nearest(id, ids);
  return report(at, `there is no step \`${id}\`${meant === undefined ? "" : `, did you mean \`${meant}\`?`}`);
}

/** What is repeated is one action: more than one is a subworkflow. */
export const composites: readonly string[] = ["switch", "parallel", "loop"];
function bodyRefusal(body: StepFields | undefined): string | null {
  if (body === undefined) return null;
  if (composites.includes(body.type ?? "job")) return `it is a ${body.type}, and the body of a loop is a single action: use a subworkflow`;
  if (body.forEach !== undefined) return "it has `for_each`, and the body of a loop is a single action: use a subworkflow";
  if (body.condition !== undefined && body.type !== "condition") return "it is the body of a loop: its condition belongs to the loop";
  if (body.onError !== undefined || body.continueOnError === true)
    return "it is the body of a loop: `on_error` and `continue_on_error` belong to the loop";
  return null;
}

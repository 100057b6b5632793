import { type Place, report } from "../../language/reader.ts";
import type { Expression } from "../expression/expression.ts";
import type { StepFields } from "../spec/fields.ts";

/** Its output is whether the expression is true. What depends on it runs in either case, and can ask. */
export type ConditionKind = { readonly kind: "condition"; readonly expression: Expression };

export function linkCondition({ condition }: StepFields, at: Place): ConditionKind | undefined {
  return condition === undefined ? report(at, "a condition step needs `condition`") : { kind: "condition", expression: condition.value };
}

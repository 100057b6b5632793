import { assert } from "../../base/assert.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { type CelProblem, type CelProgram, celEnvironment, costsTooMuch, dependsOnSize, parseCel } from "../../language/cel.ts";
import { type ActionView, UnreadableInput } from "./action-view.ts";

/** A CEL expression that is true or false of an action. */
export type Expression = {
  readonly source: string;
  /** Refused with a sentence when it cannot be told: the input is unreadable, lacks a field, has another type, or is too large. */
  holds(view: ActionView): Result<boolean, string>;
};

let environment: ReturnType<typeof celEnvironment> | undefined;

/** Building it takes milliseconds, and many policies have no expression. */
function policyEnvironment(): ReturnType<typeof celEnvironment> {
  environment ??= celEnvironment({
    input: "dyn",
    args: "list<dyn>",
    tenant: "string",
    kind: "string",
    topic: "string",
    name: "string",
    labels: "map<string, string>",
    capability: "string",
    risk_tags: "list<string>",
    requires: "list<string>",
    pack_id: "string",
    principal: { id: "string", kind: "string", roles: "list<string>" },
    workflow_type: "string",
    workflow_id: "string",
    run_id: "string",
    action_id: "string",
    task_queue: "string",
    attempt: "int",
    secrets_present: "bool",
    mcp: { server: "string", tool: "string", resource: "string", action: "string" },
  });
  return environment;
}

/** Refused when it does not parse, names something unknown, mixes types, is no condition, or could cost too much. */
export function compileExpression(source: string): Result<Expression, CelProblem> {
  const parsed = parseCel(policyEnvironment(), source);
  if (!parsed.ok) return parsed;
  const program = parsed.value;
  if (program.type !== "bool" && program.type !== "dyn") return err({ message: `is ${program.type}, and a condition is bool`, offset: 0 });
  return ok({ source, holds: (view) => evaluate(program, view) });
}

/** An expression that was compiled before, when its policy was read. */
export function expressionOf(source: string): Expression {
  const expression = compileExpression(source);
  assert(expression.ok, "an expression of a policy that was read compiles");
  return expression.value;
}

function evaluate(program: CelProgram, view: ActionView): Result<boolean, string> {
  if (exceeds(program, view)) return err("the input is too large for this expression");
  try {
    const result = program.run(view);
    if (!result.ok) return result;
    return typeof result.value === "boolean"
      ? ok(result.value)
      : err(`the expression gave ${typeof result.value}, and a condition is true or false`);
  } catch (error) {
    if (error instanceof UnreadableInput) return err(error.message);
    throw error;
  }
}

function exceeds({ cost, variables }: CelProgram, view: ActionView): boolean {
  if (!dependsOnSize(cost)) return false;
  const readsInput = variables.has("input") || variables.has("args");
  const input = readsInput ? view.action.input.size() : { items: 0, letters: 0 };
  return costsTooMuch(cost, {
    items: Math.max(input.items, view.ownItems),
    letters: Math.max(input.letters, cost.patterns.length === 0 ? 0 : view.ownLetters),
  });
}

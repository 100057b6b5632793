import { type ASTNode, TypeError as CelTypeError, Environment, EvaluationError, ParseError } from "@marcbachmann/cel-js";
import { assert } from "../../base/assert.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { type PatternCost, patternCost } from "../../language/pattern-cost.ts";
import { type ActionView, UnreadableInput } from "./action-view.ts";

/** A CEL expression that is true or false of an action. */
export type Expression = {
  readonly source: string;
  /** Refused with a sentence when it cannot be told: the input is unreadable, lacks a field, has another type, or is too large. */
  holds(view: ActionView): Result<boolean, string>;
};

/** `offset` is where in the expression. */
export type ExpressionProblem = { readonly message: string; readonly offset: number };

const nodesMax = 500;
const nestedLoopsMax = 3;
/** About ten milliseconds of CEL, and of regular expressions. */
const stepsMax = 200_000;
const patternStepsMax = 20_000_000;

let environment: Environment | undefined;

/** Building it takes milliseconds, and many policies have no expression. */
function celEnvironment(): Environment {
  environment ??= new Environment({
    enableOptionalTypes: true,
    limits: { maxAstNodes: nodesMax, maxDepth: 50, maxListElements: 500, maxMapEntries: 100, maxCallArguments: 16 },
  })
    .registerVariable("input", "dyn")
    .registerVariable("args", "list<dyn>")
    .registerVariable("tenant", "string")
    .registerVariable("kind", "string")
    .registerVariable("topic", "string")
    .registerVariable("name", "string")
    .registerVariable("labels", "map<string, string>")
    .registerVariable("capability", "string")
    .registerVariable("risk_tags", "list<string>")
    .registerVariable("requires", "list<string>")
    .registerVariable("pack_id", "string")
    .registerVariable({ name: "principal", schema: { id: "string", kind: "string", roles: "list<string>" } })
    .registerVariable("workflow_type", "string")
    .registerVariable("workflow_id", "string")
    .registerVariable("run_id", "string")
    .registerVariable("action_id", "string")
    .registerVariable("task_queue", "string")
    .registerVariable("attempt", "int")
    .registerVariable("secrets_present", "bool")
    .registerVariable({ name: "mcp", schema: { server: "string", tool: "string", resource: "string", action: "string" } });
  return environment;
}

/** Refused when it does not parse, names something unknown, mixes types, is no condition, or could cost too much. */
export function compileExpression(source: string): Result<Expression, ExpressionProblem> {
  let parsed: ReturnType<Environment["parse"]>;
  try {
    parsed = celEnvironment().parse(source);
  } catch (error) {
    if (error instanceof ParseError) return err(problemOf(error));
    throw error;
  }
  const cost = costOf(parsed.ast);
  if (!cost.ok) return cost;
  const checked = parsed.check();
  if (!checked.valid) return err(checked.error === undefined ? { message: "is not valid", offset: 0 } : problemOf(checked.error));
  if (checked.type !== "bool" && checked.type !== "dyn") return err({ message: `is ${checked.type}, and a condition is bool`, offset: 0 });
  return ok({ source, holds: (view) => evaluate(parsed, cost.value, view) });
}

/** An expression that was compiled before, when its policy was read. */
export function expressionOf(source: string): Expression {
  const expression = compileExpression(source);
  assert(expression.ok, "an expression of a policy that was read compiles");
  return expression.value;
}

function evaluate(parsed: ReturnType<Environment["parse"]>, cost: Cost, view: ActionView): Result<boolean, string> {
  if (exceeds(cost, view)) return err("the input is too large for this expression");
  try {
    const value: unknown = parsed(view);
    return typeof value === "boolean" ? ok(value) : err(`the expression gave ${typeof value}, and a condition is true or false`);
  } catch (error) {
    if (error instanceof UnreadableInput) return err(error.message);
    if (error instanceof EvaluationError || error instanceof CelTypeError || error instanceof ParseError)
      return err(problemOf(error).message);
    throw error;
  }
}

const problemOf = ({ summary, range }: ParseError | EvaluationError | CelTypeError): ExpressionProblem => ({
  message: (summary[0]?.toLowerCase() ?? "") + summary.slice(1),
  offset: range?.start ?? 0,
});

type Cost = {
  readonly readsInput: boolean;
  readonly nodes: number;
  /** How deep loops (`all`, `exists`, `map`, …) stand in each other's bodies. */
  readonly loops: number;
  readonly patterns: readonly PatternCost[];
};

const loopMacros = new Set(["all", "exists", "exists_one", "map", "filter"]);

/** What bounds the cost of an expression, found in its text alone. */
function costOf(root: ASTNode): Result<Cost, ExpressionProblem> {
  let readsInput = false;
  let nodes = 0;
  let loops = 0;
  const patterns: PatternCost[] = [];
  let refusal: ExpressionProblem | null = null;
  const refuse = (node: ASTNode, message: string): void => {
    refusal ??= { message, offset: node.start };
  };
  const visit = (value: unknown, depth: number): void => {
    if (Array.isArray(value)) for (const item of value) visit(item, depth);
    else if (isNode(value)) {
      nodes++;
      loops = Math.max(loops, depth);
      if (value.op === "id" && (value.args === "input" || value.args === "args")) readsInput = true;
      if (value.op !== "rcall") {
        visit(value.args, depth);
        return;
      }
      const [name, receiver, args] = value.args;
      visit(receiver, depth);
      visit(args, depth + (loopMacros.has(name) ? 1 : 0));
      // Each could double what the one before has doubled.
      if (name === "bind") refuse(value, "`cel.bind` is not allowed in a policy");
      if (name === "matches") {
        const cost = patternCost(literalText(args[0]));
        if (cost.ok) patterns.push(cost.value);
        else refuse(args[0] ?? value, cost.error);
      }
    }
  };
  visit(root, 0);
  if (loops > nestedLoopsMax) refuse(root, `loops stand ${loops} deep in each other, and at most ${nestedLoopsMax} are allowed`);
  return refusal === null ? ok({ readsInput, nodes, loops, patterns }) : err(refusal);
}

const isNode = (value: unknown): value is ASTNode => typeof value === "object" && value !== null && "op" in value && "args" in value;
const literalText = (node: ASTNode | undefined): string | null =>
  node?.op === "value" && typeof node.args === "string" ? node.args : null;

function exceeds({ nodes, loops, patterns, readsInput }: Cost, view: ActionView): boolean {
  if (loops === 0 && patterns.length === 0) return false;
  const input = readsInput ? view.action.input.size() : { items: 0, letters: 0 };
  const turns = Math.max(input.items, view.ownItems, nodes) ** loops;
  const letters = Math.max(input.letters, patterns.length === 0 ? 0 : view.ownLetters);
  const patternSteps = patterns.reduce((sum, pattern) => sum + pattern.perText * letters ** pattern.power, 0);
  return (loops > 0 && nodes * turns > stepsMax) || turns * patternSteps > patternStepsMax;
}

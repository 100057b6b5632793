import { type ASTNode, TypeError as CelTypeError, Environment, EvaluationError, ParseError } from "@marcbachmann/cel-js";
import { err, ok, type Result } from "../base/result.ts";
import { type PatternCost, patternCost } from "./pattern-cost.ts";

/** A parsed and checked CEL expression. */
export type CelProgram = {
  /** The CEL type of its value; `dyn` when that is known only when it runs. */
  readonly type: string;
  /** The variables that it names. */
  readonly variables: ReadonlySet<string>;
  /** Each variable with the field that is taken of it first; null where it is used as a whole, or its field is computed. */
  readonly names: readonly (readonly [variable: string, field: string | null])[];
  readonly cost: CelCost;
  /** Refused with a sentence: a field is missing, or has another type. What a getter of a variable throws is passed on. */
  run(variables: object): Result<unknown, string>;
};

/** `offset` is where in the expression. */
export type CelProblem = { readonly message: string; readonly offset: number };

export type CelCost = {
  readonly nodes: number;
  /** How deep loops (`all`, `exists`, `map`, …) stand in each other's bodies. */
  readonly loops: number;
  readonly patterns: readonly PatternCost[];
};

/** How much there is to look at: the longest list and the longest text. */
export type CelSize = { readonly items: number; readonly letters: number };

/** The variables of a language: a CEL type, or the fields of a message. */
export type CelVariables = { readonly [name: string]: string | { readonly [field: string]: string } };

const nodesMax = 500;
const nestedLoopsMax = 3;
/** About ten milliseconds of CEL, and of regular expressions. */
const stepsMax = 200_000;
const patternStepsMax = 20_000_000;

/** Building one takes milliseconds: keep it. */
export function celEnvironment(variables: CelVariables): Environment {
  const environment = new Environment({
    enableOptionalTypes: true,
    limits: { maxAstNodes: nodesMax, maxDepth: 50, maxListElements: 500, maxMapEntries: 100, maxCallArguments: 16 },
  });
  for (const [name, type] of Object.entries(variables)) {
    if (typeof type === "string") environment.registerVariable(name, type);
    else environment.registerVariable({ name, schema: type });
  }
  return environment;
}

/** Refused when it does not parse, names something unknown, mixes types, or could cost too much. */
export function parseCel(environment: Environment, source: string): Result<CelProgram, CelProblem> {
  let parsed: ReturnType<Environment["parse"]>;
  try {
    parsed = environment.parse(source);
  } catch (error) {
    if (error instanceof ParseError) return err(problemOf(error));
    throw error;
  }
  const found = inspect(parsed.ast);
  if (!found.ok) return found;
  const checked = parsed.check();
  if (!checked.valid) return err(checked.error === undefined ? { message: "is not valid", offset: 0 } : problemOf(checked.error));
  return ok({ ...found.value, type: String(checked.type), run: (variables) => run(parsed, variables) });
}

function run(parsed: ReturnType<Environment["parse"]>, variables: object): Result<unknown, string> {
  try {
    return ok(parsed(variables as { readonly [name: string]: unknown }));
  } catch (error) {
    if (error instanceof EvaluationError || error instanceof CelTypeError || error instanceof ParseError)
      return err(problemOf(error).message);
    throw error;
  }
}

const problemOf = ({ summary, range }: ParseError | EvaluationError | CelTypeError): CelProblem => ({
  message: (summary[0]?.toLowerCase() ?? "") + summary.slice(1),
  offset: range?.start ?? 0,
});

const loopMacros = new Set(["all", "exists", "exists_one", "map", "filter"]);

/** What an expression names, and what bounds its cost: found in its text alone. */
function inspect(root: ASTNode): Result<Pick<CelProgram, "variables" | "names" | "cost">, CelProblem> {
  const variables = new Set<string>();
  const names: [string, string | null][] = [];
  let nodes = 0;
  let loops = 0;
  const patterns: PatternCost[] = [];
  let refusal: CelProblem | null = null;
  const refuse = (node: ASTNode, message: string): void => {
    refusal ??= { message, offset: node.start };
  };
  // `bound` are the names that loops give to their items.
  const use = (variable: string, field: string | null, bound: readonly string[]): void => {
    if (bound.includes(variable)) return;
    variables.add(variable);
    names.push([variable, field]);
  };
  const visit = (value: unknown, depth: number, bound: readonly string[]): void => {
    if (Array.isArray(value)) for (const item of value) visit(item, depth, bound);
    else if (isNode(value)) {
      nodes++;
      loops = Math.max(loops, depth);
      if (value.op === "id") use(value.args, null, bound);
      if (value.op === "." && value.args[0].op === "id") {
        nodes++;
        use(value.args[0].args, value.args[1], bound);
        return;
      }
      if (value.op !== "rcall") {
        visit(value.args, depth, bound);
        return;
      }
      const [name, receiver, args] = value.args;
      const isLoop = loopMacros.has(name);
      visit(receiver, depth, bound);
      visit(args, depth + (isLoop ? 1 : 0), isLoop && args[0]?.op === "id" ? [...bound, args[0].args] : bound);
      // Each could double what the one before has doubled.
      if (name === "bind") refuse(value, "`cel.bind` is not allowed");
      if (name === "matches") {
        const cost = patternCost(literalText(args[0]));
        if (cost.ok) patterns.push(cost.value);
        else refuse(args[0] ?? value, cost.error);
      }
    }
  };
  visit(root, 0, []);
  if (loops > nestedLoopsMax) refuse(root, `loops stand ${loops} deep in each other, and at most ${nestedLoopsMax} are allowed`);
  return refusal === null ? ok({ variables, names, cost: { nodes, loops, patterns } }) : err(refusal);
}

const isNode = (value: unknown): value is ASTNode => typeof value === "object" && value !== null && "op" in value && "args" in value;
const literalText = (node: ASTNode | undefined): string | null =>
  node?.op === "value" && typeof node.args === "string" ? node.args : null;

/** Whether its cost depends on what it looks at. */
export const dependsOnSize = ({ loops, patterns }: CelCost): boolean => loops > 0 || patterns.length > 0;

/** Whether it could take too long on something of this size. */
export function costsTooMuch({ nodes, loops, patterns }: CelCost, { items, letters }: CelSize): boolean {
  const turns = Math.max(items, nodes) ** loops;
  const patternSteps = patterns.reduce((sum, pattern) => sum + pattern.perText * letters ** pattern.power, 0);
  return (loops > 0 && nodes * turns > stepsMax) || turns * patternSteps > patternStepsMax;
}

import { err, ok, type Result } from "../../base/result.ts";
import { type CelProgram, celEnvironment, costsTooMuch, dependsOnSize, parseCel } from "../../language/cel.ts";
import { offsetIn, type Place, type Reader, report, scalarAt } from "../../language/reader.ts";
import { type Json, sizeOf } from "../json.ts";
import { type Root, roots, type Scope } from "./scope.ts";
import { evaluateSimple, parseSimple, pathsOf, type Simple } from "./simple.ts";

/** An expression of a workflow: of the simple language where its text is one, else CEL. */
export type Expression = {
  readonly source: string;
  /** What it names: `["steps", "detect"]`. At most two names of each path. */
  readonly names: readonly (readonly [root: string, field: string | null])[];
  readonly program: { readonly language: "simple"; readonly simple: Simple } | { readonly language: "cel"; readonly cel: CelProgram };
};

let environment: ReturnType<typeof celEnvironment> | undefined;
const workflowEnvironment = (): ReturnType<typeof celEnvironment> => {
  environment ??= celEnvironment(Object.fromEntries(roots.filter((root) => root !== "loop").map((root) => [root, "dyn"])));
  return environment;
};

/** What it looks at, as paths into the scope. Of CEL they are at most two names long. */
export const pathsIn = ({ program, names }: Expression): readonly (readonly string[])[] =>
  program.language === "simple" ? pathsOf(program.simple) : names.map(([root, field]) => (field === null ? [root] : [root, field]));

/** Where the expressions of a document stand, for as long as it is being read. */
const places = new WeakMap<Place["reading"], Map<Expression, Place>>();

export const expressionsIn = ({ reading }: Place): ReadonlyMap<Expression, Place> => places.get(reading) ?? new Map();

function placedAt(at: Place, expression: Expression): Expression {
  const known = places.get(at.reading) ?? new Map<Expression, Place>();
  places.set(at.reading, known.set(expression, at));
  return expression;
}

/** Reports what is wrong at its place. `offset` is where in the scalar the expression begins. */
export function compileExpression(source: string, at: Place, offset = 0): Expression | undefined {
  const refuse = (message: string, where: number): undefined => report(at, message, { offset: offsetIn(at, offset + where) });
  if (source.trim() === "") return refuse("the expression is empty", 0);
  const simple = parseSimple(source);
  if (simple !== null) {
    const paths = pathsOf(simple);
    const unknown = paths.find(([root = ""]) => !isRoot(root));
    if (unknown !== undefined) return refuse(`\`${unknown[0]}\` is not known here: ${known}`, 0);
    return placedAt(at, {
      source,
      names: paths.map(([root = "", field = null]) => [root, field]),
      program: { language: "simple", simple },
    });
  }
  const parsed = parseCel(workflowEnvironment(), source);
  if (!parsed.ok) return refuse(`the expression is refused: ${parsed.error.message}`, parsed.error.offset);
  return placedAt(at, { source, names: parsed.value.names, program: { language: "cel", cel: parsed.value } });
}

const isRoot = (name: string): name is Root => roots.some((root) => root === name);
const known = `expressions know ${roots.map((root) => `\`${root}\``).join(", ")}`;

/** A scalar that is an expression as a whole; `${…}` around it makes no difference. */
export const readExpression: Reader<Expression> = (at) => {
  const value = scalarAt(at);
  if (typeof value === "boolean" || typeof value === "number") return compileExpression(String(value), at);
  if (typeof value !== "string") return report(at, "expected an expression");
  const [, inner] = /^\s*\$\{(.*)\}\s*$/s.exec(value) ?? [];
  return inner === undefined ? compileExpression(value, at) : compileExpression(inner, at, value.indexOf("${") + 2);
};

/** Refused with a sentence, which names the expression. */
export function evaluate({ program, source, names }: Expression, scope: Scope): Result<Json, string> {
  if (program.language === "simple") return ok(evaluateSimple(program.simple, scope));
  const refuse = (message: string): Result<never, string> => err(`\`${source.trim()}\`: ${message}`);
  if (dependsOnSize(program.cel.cost)) {
    const looked = names.map(([root, field]) => lookedAt(scope, root, field)).map(sizeOf);
    const items = Math.max(0, ...looked.map((size) => size.items));
    const letters = Math.max(0, ...looked.map((size) => size.letters));
    if (costsTooMuch(program.cel.cost, { items, letters })) return refuse("there is too much to look at for this expression");
  }
  const result = program.cel.run(scope);
  if (!result.ok) return refuse(result.error);
  const value = toJson(result.value);
  return value === undefined ? refuse("the value is of a type that JSON does not have") : ok(value);
}

function lookedAt(scope: Scope, root: string, field: string | null): Json {
  const whole = (scope as { readonly [root: string]: Json | undefined })[root] ?? null;
  if (field === null || typeof whole !== "object" || whole === null || Array.isArray(whole)) return whole;
  return (whole as { readonly [key: string]: Json | undefined })[field] ?? null;
}

/** A value of CEL as JSON: integers are numbers, times and durations text. */
function toJson(value: unknown): Json | undefined {
  if (value === undefined || value === null) return null;
  if (typeof value === "bigint") return Number(value);
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value) || value instanceof Set) return whole([...value].map(toJson));
  if (value instanceof Map) return fields([...value].map(([key, item]) => [String(key), item]));
  if (typeof value !== "object") return undefined;
  if (value.constructor === Object || value.constructor === undefined) return fields(Object.entries(value));
  const primitive: unknown = value.valueOf();
  return primitive === value ? undefined : toJson(primitive);
}

const whole = (items: readonly (Json | undefined)[]): readonly Json[] | undefined =>
  items.every((item): item is Json => item !== undefined) ? items : undefined;
function fields(entries: readonly (readonly [string, unknown])[]): Json | undefined {
  const values = whole(entries.map(([, value]) => toJson(value)));
  return values === undefined ? undefined : Object.fromEntries(entries.map(([key], index) => [key, values[index] ?? null]));
}

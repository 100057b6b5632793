import { at, isList, isObject, type Json } from "../json.ts";
import type { Scope } from "./scope.ts";

/**
 * The simple language: paths, literals, one comparison, `!`, `length(x)` and `first(x)`. What is missing is null. It has no `&&`, no
 * parentheses, no arithmetic: whatever has these is CEL.
 */
export type Simple =
  | { readonly op: "literal"; readonly value: Json }
  | { readonly op: "path"; readonly path: readonly string[] }
  | { readonly op: "not" | "length" | "first"; readonly of: Simple }
  | { readonly op: Comparison; readonly left: Simple; readonly right: Simple };

/** In the order in which an expression is split: the first of these that stands anywhere in it is the outermost. */
const comparisons = ["==", "!=", ">=", "<=", ">", "<"] as const;
type Comparison = (typeof comparisons)[number];

const depthMax = 20;

/** Null when the text is not of the simple language. */
export function parseSimple(source: string, depth = 0): Simple | null {
  const text = source.trim();
  if (text === "" || depth > depthMax) return null;
  if (text.startsWith("!") && !text.startsWith("!=")) {
    const of = parseSimple(text.slice(1), depth + 1);
    return of === null ? null : { op: "not", of };
  }
  const masked = withoutQuoted(text);
  for (const op of comparisons) {
    const index = masked.indexOf(op);
    if (index < 0) continue;
    const left = parseSimple(text.slice(0, index), depth + 1);
    const right = parseSimple(text.slice(index + op.length), depth + 1);
    return left === null || right === null ? null : { op, left, right };
  }
  const [, name, argument] = /^(length|first)\((.*)\)$/s.exec(text) ?? [];
  if ((name === "length" || name === "first") && argument !== undefined) {
    const of = parseSimple(argument, depth + 1);
    return of === null ? null : { op: name, of };
  }
  return operand(text);
}

/** The text with as many blanks in place of every quoted part, so that operators inside of quotes are not seen. */
const withoutQuoted = (text: string): string => text.replace(/'[^']*'|"[^"]*"/g, (quoted) => " ".repeat(quoted.length));

function operand(text: string): Simple | null {
  if (/^'[^']*'$|^"[^"]*"$/.test(text)) return { op: "literal", value: text.slice(1, -1) };
  if (text === "true" || text === "false") return { op: "literal", value: text === "true" };
  if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) return { op: "literal", value: Number(text) };
  return /^[A-Za-z_][\w-]*(?:\.[\w-]+)*$/.test(text) ? { op: "path", path: text.split(".") } : null;
}

export function evaluateSimple(expression: Simple, scope: Scope): Json {
  switch (expression.op) {
    case "literal":
      return expression.value;
    case "path":
      // INVARIANT: a scope is made of JSON; what is absent reads as null.
      return at(scope as { readonly [root: string]: Json }, expression.path);
    case "not":
      return !isTrue(evaluateSimple(expression.of, scope));
    case "length":
      return lengthOf(evaluateSimple(expression.of, scope));
    case "first": {
      const value = evaluateSimple(expression.of, scope);
      return isList(value) ? (value[0] ?? null) : null;
    }
    default:
      return compare(expression.op, evaluateSimple(expression.left, scope), evaluateSimple(expression.right, scope));
  }
}

const lengthOf = (value: Json): number =>
  typeof value === "string" || isList(value) ? value.length : isObject(value) ? Object.keys(value).length : 0;

/** Nothing, false, the empty text and 0 are false; all else is true, the empty list as well. */
export const isTrue = (value: Json): boolean => value !== null && value !== false && value !== "" && value !== 0;

/** A number compares with anything as numbers, texts compare by letter, and other values are equal when they print alike. */
function compare(op: Comparison, left: Json, right: Json): boolean {
  if (typeof left === "number" || typeof right === "number") return holds(op, numberOf(left), numberOf(right));
  if (typeof left === "string" && typeof right === "string") return holds(op, left, right);
  if (op !== "==" && op !== "!=") return false;
  return holds(op, JSON.stringify(left), JSON.stringify(right));
}

/** A text as the number that it spells; 0 for what spells none. */
function numberOf(value: Json): number {
  if (typeof value === "number") return value;
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : 0;
  return Number.isNaN(number) ? 0 : number;
}

function holds<T extends number | string>(op: Comparison, left: T, right: T): boolean {
  switch (op) {
    case "==":
      return left === right;
    case "!=":
      return left !== right;
    case ">=":
      return left >= right;
    case "<=":
      return left <= right;
    case ">":
      return left > right;
    case "<":
      return left < right;
  }
}

export const isEqual = (left: Json, right: Json): boolean => compare("==", left, right);

/** Every path in it. */
export function pathsOf(expression: Simple): readonly (readonly string[])[] {
  if (expression.op === "literal") return [];
  if (expression.op === "path") return [expression.path];
  return "of" in expression ? pathsOf(expression.of) : [...pathsOf(expression.left), ...pathsOf(expression.right)];
}

import { stringify } from "yaml";
import { keyOf } from "../../language/reader.ts";
import type { Policy } from "./policy.ts";

/** The policy as a file that `parsePolicy` reads back, with everything said in full. */
export function printPolicy(policy: Policy): string {
  const rules = policy.rules.map(({ effect, line: _, ...rule }) => ({ ...rule, decision: effect }));
  const tests = policy.tests.map(({ line: _, ...test }) => test);
  return stringify(written({ ...policy, rules, tests }), { lineWidth: 0 });
}

/** Values that the author chose, rather than fields of ours: their keys stay as they are. */
const verbatim = new Set(["input", "args"]);

function written(value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, inner]) => [key, written(inner)]));
  if (Array.isArray(value)) return value.map(written);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => !isEmpty(inner));
  return Object.fromEntries(entries.map(([field, inner]) => [keyOf(field), verbatim.has(field) ? inner : written(inner)]));
}

/** What a file leaves out. An empty list of a match or a limit says something, so only absent values and texts are empty. */
const isEmpty = (value: unknown): boolean => value === null || value === undefined || value === "";

import { err, ok, type Result } from "../base/result.ts";

/** A bound for trying a regular expression on a text of n letters: `perText × n^power` steps. */
export type PatternCost = { readonly power: number; readonly perText: number };

/**
 * CEL's `matches` means RE2, which is linear; here JavaScript's engine runs it, which tries alternatives one after the other. So a pattern
 * must be written in the policy, must lack what RE2 lacks (backreferences, lookaround), and a repeated group may hold neither a repetition
 * nor alternatives. What is left is polynomial, and the polynomial is known.
 */
export function patternCost(pattern: string | null): Result<PatternCost, string> {
  if (pattern === null) return err("the pattern of `matches` must be a text in the policy");
  try {
    new RegExp(pattern);
  } catch {
    return err("the pattern of `matches` is no regular expression");
  }
  if (/\\[1-9]|\\k</.test(pattern)) return err("the pattern of `matches` must not refer back to a group");
  if (/\(\?(?!:)/.test(pattern)) return err("the pattern of `matches` must not look ahead or behind, nor set flags");
  let power = pattern.startsWith("^") ? 0 : 1;
  let choices = 1;
  // Of each open group: whether it holds a repetition or alternatives. The pattern itself is the outermost.
  const open = [false];
  let closed = false;
  const token = /\\.|\[(?:\\.|[^\]\\])*\]|\((?:\?:)?|\)|\||[*+]\??|\?\??|\{\d+(?:,\d*)?\}\??|[\s\S]/g;
  for (const [part] of pattern.matchAll(token)) {
    const repeats = /^(?:[*+]|\{)/.test(part) && part !== "{";
    const isOptional = part.startsWith("?");
    if ((repeats || isOptional) && closed) return err("a repeated group in the pattern of `matches` must not hold repetitions or `|`");
    closed = false;
    if (part.startsWith("(")) open.push(false);
    else if (part === ")") {
      closed = open.pop() ?? false;
      if (closed) open[open.length - 1] = true;
    } else if (repeats || isOptional || part === "|") {
      open[open.length - 1] = true;
      if (repeats) power++;
      else choices *= 2;
    }
  }
  return ok({ power, perText: pattern.length * choices });
}

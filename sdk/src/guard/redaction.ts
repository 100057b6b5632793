import type { Constraints } from "../decision.ts";

const secrets = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g,
  /\b(?:Bearer|Basic)\s+[\w+/.=~-]{8,}/gi,
  /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g,
  /\bgh[pousr]_\w{20,}\b/g,
  /\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g,
  /(?<=\b(?:password|passwd|secret|token|api[_-]?key)["']?\s*[:=]\s*["']?)[^\s"',;]{4,}/gi,
];
const people = [/[\w.+-]+@[\w-]+\.[\w.-]+/g, /\b\d(?:[ -]?\d){12,18}\b/g, /\+\d[\d ()-]{7,}\d/g];

/** What each level takes out; another name counts as stricter than all of these, as in the policy. */
const levels: { readonly [level: string]: readonly RegExp[] } = {
  none: [],
  low: secrets,
  medium: [...secrets, ...people],
  standard: [...secrets, ...people],
  high: [...secrets, ...people],
};

/** The text without what the level and the patterns of the constraints take out; nothing of it at the level `full`. */
export function redacted(text: string, { redactionLevel = "none", redactPatterns = [] }: Constraints): string {
  const taken = Object.hasOwn(levels, redactionLevel) ? levels[redactionLevel] : undefined;
  if (taken === undefined) return mask;
  const patterns = [...redactPatterns.map((pattern) => new RegExp(pattern, "gu")), ...taken];
  return patterns.reduce((rest, pattern) => rest.replace(pattern, mask), text);
}

const mask = "[redacted]";

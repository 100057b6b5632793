import { canonicalJson } from "../../base/canonical-json.ts";
import { parseBytes, parseDuration } from "../../base/quantity.ts";
import {
  flag,
  into,
  list,
  listOf,
  mapping,
  name,
  numberAbove,
  quantity,
  type ReadBy,
  report,
  text,
  warn,
  wholeNumber,
  word,
  wordsOf,
} from "../../language/reader.ts";
import { compileGlob } from "./glob.ts";

export const duration = quantity(parseDuration, "a duration such as `30s` or `1h30m`");
const bytes = quantity((value) => (value === 0 ? 0 : parseBytes(value)), "a size such as `512KiB` or a number of bytes");

/** What is counted separately: every topic, principal, tenant, workflow or run for itself, or every value of a label (`label:team`). */
export const scope = into(text, (written, at) =>
  /^(topic|principal|tenant|workflow|run|label:\S+)$/.test(written)
    ? written
    : report(at, `expected one of topic, principal, tenant, workflow, run, label:NAME, not "${written}"`),
);

/** At most `max` actions per window. */
export const readRate = into(mapping({ max: wholeNumber(1), per: duration, by: scope }), ({ max, per, by = "topic" }, at) =>
  max === undefined || per === undefined ? report(at, "a rate needs `max` and `per`") : { max, per, by },
);
export type Rate = ReadBy<typeof readRate>;

const spendUnits = ["tokens", "money", "actions"] as const;
/** At most `max` of something, reserved before an action and settled after it. */
export type Spend = {
  readonly unit: (typeof spendUnits)[number];
  readonly max: number;
  readonly by: string;
  /** Null when it is never given anew. */
  readonly per: number | null;
  /** How much each attempt reserves; all that is left when nothing is said, and of actions one. */
  readonly reserve?: number;
};

const readSpend = into(
  mapping({ unit: word(wordsOf(spendUnits)), max: numberAbove(0), by: scope, per: duration, reserve: numberAbove(0) }),
  ({ unit, max, by = "run", per = null, reserve }, at): Spend | undefined => {
    if (unit === undefined || max === undefined) return report(at, "a spending limit needs `unit` and `max`");
    if (unit === "actions" && reserve !== undefined) report(at, "an action reserves one action: `reserve` is for tokens and money");
    if (reserve !== undefined && reserve > max) report(at, `nothing could ever happen: \`reserve\` is more than \`max\`, ${max}`);
    if (unit === "actions" && max < 1) report(at, "nothing could ever happen: `max` is less than one action");
    if (unit !== "actions" && reserve === undefined)
      warn(
        at,
        "without `reserve`, an attempt reserves all that is left: one happens at a time, and one that reports nothing spends it all",
      );
    return { unit, max, by, per, ...(reserve === undefined ? {} : { reserve }) };
  },
);

type Budgets = {
  readonly maxRuntimeMs?: number;
  readonly maxAttempts?: number;
  readonly maxConcurrentJobs?: number;
  readonly maxInputBytes?: number;
  readonly maxOutputBytes?: number;
  readonly maxArtifactBytes?: number;
};

const readBudgets = into(
  mapping({
    maxRuntimeMs: wholeNumber(0),
    maxRuntime: duration,
    maxRetries: wholeNumber(0),
    maxAttempts: wholeNumber(1),
    maxConcurrentJobs: wholeNumber(0),
    maxInputBytes: bytes,
    maxOutputBytes: bytes,
    maxArtifactBytes: bytes,
  }),
  ({ maxRuntime, maxRetries, ...rest }, at): Budgets => {
    const attempts = maxRetries === undefined || maxRetries === 0 ? undefined : maxRetries + 1;
    if (maxRetries === 0) warn(at, "`max_retries: 0` means no limit in this format; `max_attempts: 1` forbids retries");
    const budgets = { ...rest, maxRuntimeMs: least(rest.maxRuntimeMs, maxRuntime), maxAttempts: least(rest.maxAttempts, attempts) };
    const limits = Object.entries(budgets).filter(([field, value]) => {
      if (value === 0) warn(at, `\`${field}\` is 0, which means no limit in this format`);
      return value !== undefined && value !== 0;
    });
    return Object.fromEntries(limits);
  },
);

/** As `@holdfast/sdk` compiles it: a pattern that is none would be found out where something was to be redacted. */
const regularExpression = into(text, (pattern, at) => {
  try {
    new RegExp(pattern, "u");
    return pattern;
  } catch {
    return report(at, `\`${pattern}\` is no regular expression of JavaScript (with the flag \`u\`)`);
  }
});

/** Known levels in rising order; another name counts as stricter than all of these. */
const redactionLevels = ["none", "low", "medium", "standard", "high", "full"];

/** A limit that comes with a permission: what the server can enforce it does, the rest travels to the worker. */
export const readConstraints = mapping({
  budgets: readBudgets,
  rates: listOf(readRate),
  spend: listOf(readSpend),
  sandbox: mapping({ isolated: flag, networkAllowlist: list(text), fsReadOnly: list(text), fsReadWrite: list(text) }),
  toolchain: mapping({ allowedTools: list(text), allowedCommands: list(text) }),
  diff: mapping({ maxFiles: wholeNumber(0), maxLines: wholeNumber(0), denyPathGlobs: list(text) }),
  redactionLevel: name,
  redactPatterns: list(regularExpression),
});
export type Constraints = ReadBy<typeof readConstraints>;

export const isUnconstrained = (constraints: Constraints): boolean =>
  Object.values(constraints).every((part) => (Array.isArray(part) ? part.length === 0 : Object.keys(part).length === 0));

/** As the ledger and views of jobs have them: in `snake_case`, as policies are written, with nothing in place of what is no limit. */
export function constraintsRecord(constraints: unknown): unknown {
  if (Array.isArray(constraints)) return constraints.map(constraintsRecord);
  if (typeof constraints !== "object" || constraints === null) return constraints;
  return Object.fromEntries(Object.entries(constraints).map(([field, value]) => [snakeCase(field), constraintsRecord(value)]));
}
const snakeCase = (field: string): string => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/**
 * Both at once: the smaller number, what both lists allow, what either list forbids, the stricter level. An allow list that only one side
 * has is that side's; two that share nothing allow nothing. Neither the order nor repetition makes a difference.
 */
export function mergeConstraints(a: Constraints, b: Constraints): Constraints {
  const merged: { readonly [F in keyof Required<Constraints>]: Constraints[F] | undefined } = {
    budgets: each(a.budgets, b.budgets, Math.min),
    rates: union(a.rates, b.rates),
    spend: union(a.spend, b.spend),
    sandbox: both(a.sandbox, b.sandbox, (x, y) => ({
      isolated: x.isolated === undefined && y.isolated === undefined ? undefined : x.isolated === true || y.isolated === true,
      networkAllowlist: common(x.networkAllowlist, y.networkAllowlist),
      fsReadOnly: common(x.fsReadOnly, y.fsReadOnly),
      fsReadWrite: common(x.fsReadWrite, y.fsReadWrite),
    })),
    toolchain: both(a.toolchain, b.toolchain, (x, y) => ({
      allowedTools: common(x.allowedTools, y.allowedTools),
      allowedCommands: common(x.allowedCommands, y.allowedCommands),
    })),
    diff: both(a.diff, b.diff, (x, y) => ({
      maxFiles: least(x.maxFiles, y.maxFiles),
      maxLines: least(x.maxLines, y.maxLines),
      denyPathGlobs: union(x.denyPathGlobs, y.denyPathGlobs),
    })),
    redactionLevel: stricter(a.redactionLevel, b.redactionLevel),
    redactPatterns: union(a.redactPatterns, b.redactPatterns),
  };
  return present(merged);
}

type Present<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };
const present = <T extends object>(fields: T): Present<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>;

const least = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.min(a, b);

function each<T extends { readonly [key: string]: number | undefined }>(
  a: T | undefined,
  b: T | undefined,
  choose: (x: number, y: number) => number,
): T | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const merged: Record<string, number | undefined> = { ...a };
  for (const [key, value] of Object.entries(b)) {
    const other = merged[key];
    merged[key] = other === undefined || value === undefined ? (other ?? value) : choose(other, value);
  }
  return merged as T;
}

const both = <T extends object>(a: T | undefined, b: T | undefined, merge: (x: T, y: T) => object): T | undefined =>
  a === undefined && b === undefined ? undefined : (present(merge(a ?? ({} as T), b ?? ({} as T))) as T);

const byText = (a: unknown, b: unknown): number => (canonicalJson(a) < canonicalJson(b) ? -1 : 1);

function union<T>(a: readonly T[] | undefined, b: readonly T[] | undefined): readonly T[] | undefined {
  if (a === undefined && b === undefined) return undefined;
  const distinct = new Map([...(a ?? []), ...(b ?? [])].map((item) => [canonicalJson(item), item]));
  return [...distinct.values()].sort(byText);
}

/** What both allow. A pattern of one side stays if it lies within a pattern of the other. */
function common(a: readonly string[] | undefined, b: readonly string[] | undefined): readonly string[] | undefined {
  if (a === undefined || b === undefined) return a === undefined && b === undefined ? undefined : [...new Set(a ?? b)].sort();
  const within = (item: string, others: readonly string[]): boolean =>
    others.some((other) => other === item || compileGlob(other)?.fits(item) === true);
  return [...new Set([...a.filter((item) => within(item, b)), ...b.filter((item) => within(item, a))])].sort();
}

function stricter(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const rank = (level: string): number => {
    const at = redactionLevels.indexOf(level);
    return at < 0 ? redactionLevels.length : at;
  };
  return rank(a) > rank(b) || (rank(a) === rank(b) && a > b) ? a : b;
}

import { canonicalJson } from "../../base/canonical-json.ts";
import { sha256Hex } from "../../base/sha256.ts";
import type { EpochMs } from "../../base/time.ts";
import { isList, isObject, type Json, type JsonObject } from "../../dag/json.ts";

/* Configuration that definitions look into: documents by scope, the more particular over the more general. */

/** From the most general to the most particular. */
export const configScopes = ["system", "org", "team", "workflow", "step"] as const;
export type ConfigScope = (typeof configScopes)[number];

export type ConfigDocument = {
  readonly scope: ConfigScope;
  /** What it is of: the id of an org, a team, a workflow or a step; `default` for the one of the system. */
  readonly scopeId: string;
  readonly data: JsonObject;
  /** What people say of it; nothing reads it. */
  readonly meta: JsonObject;
  /** Counts the changes, from 1. */
  readonly revision: number;
  readonly updatedAt: EpochMs;
  readonly updatedBy: string;
};

/** Whose configuration is looked for; what is null has none. */
export type ConfigOf = {
  readonly orgId: string | null;
  readonly teamId: string | null;
  readonly workflowId: string | null;
  readonly stepId: string | null;
};

/** What a run keeps of it from its start on. */
export type EffectiveConfig = {
  /** The revision of each scope, 0 where there is none: `system:1|org:0|team:0|workflow:4|step:0`. */
  readonly version: string;
  /** SHA-256 of the canonical JSON of `data`, hexadecimal. */
  readonly hash: string;
  readonly data: JsonObject;
};

export const systemScopeId = "default";
/** Letters of the JSON of one document. */
export const configLettersMax = 64 * 1024;
export const configNestingMax = 32;
const idPattern = /^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$/;
/** In JavaScript, whoever copies these without care changes more than an object. */
const unsafeKeys: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** What is wrong with a document, as a sentence; null when nothing is. */
export function configFault({ scope, scopeId, data, meta }: Pick<ConfigDocument, "scope" | "scopeId" | "data" | "meta">): string | null {
  if (!idPattern.test(scopeId))
    return "a scope id begins with a letter or digit, and has at most 128 letters, digits, `.`, `_`, `:`, `@` and `-`";
  if (scope === "system" && scopeId !== systemScopeId) return `the scope \`system\` has one document, \`${systemScopeId}\``;
  const fault = faultIn(data, configNestingMax) ?? faultIn(meta, configNestingMax);
  if (fault !== null) return fault;
  const limits = data.limits ?? null;
  if (isObject(limits) && Object.hasOwn(limits, "max_concurrent_runs"))
    return "`limits.max_concurrent_runs` limits nothing here: say `max_concurrent_runs` in the definition of the workflow";
  if (JSON.stringify([data, meta]).length > configLettersMax) return `a document has at most ${configLettersMax} letters`;
  return null;
}

function faultIn(value: Json, levels: number): string | null {
  if (!isObject(value) && !isList(value)) return null;
  if (levels === 0) return `values are nested at most ${configNestingMax} times`;
  const unsafe = isObject(value) ? Object.keys(value).find((key) => unsafeKeys.has(key)) : undefined;
  if (unsafe !== undefined) return `no key is called \`${unsafe}\``;
  for (const inner of isObject(value) ? Object.values(value) : value) {
    const fault = faultIn(inner, levels - 1);
    if (fault !== null) return fault;
  }
  return null;
}

/** Key by key at the top: what is more particular takes the place of the whole value. */
export const merged = (...from: readonly Json[]): JsonObject =>
  Object.fromEntries(from.flatMap((data) => (isObject(data) ? Object.entries(data) : [])));

export const hashOf = (data: JsonObject): string => sha256Hex(canonicalJson(data));
/** Names what stands in a document. */
export const tagOf = ({ data, meta }: Pick<ConfigDocument, "data" | "meta">): string => sha256Hex(canonicalJson([data, meta]));

/** Of the documents that there are, in the order of `configScopes`. */
export function effective(documents: readonly (ConfigDocument | null)[]): EffectiveConfig {
  const data = merged(...documents.map((document) => document?.data ?? null));
  const version = configScopes.map((scope, index) => `${scope}:${documents[index]?.revision ?? 0}`).join("|");
  return { version, hash: hashOf(data), data };
}

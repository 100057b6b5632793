import {
  dictionary,
  flag,
  into,
  list,
  mapping,
  type ReadBy,
  type Reader,
  report,
  scalarText,
  someOf,
  text,
  word,
  wordsOf,
} from "../../language/reader.ts";
import { type ActionKind, actionKinds, type McpCall } from "../action.ts";
import type { ActionView } from "./action-view.ts";
import { compileExpression, type Expression } from "./expression.ts";
import { compileGlob, type Glob } from "./glob.ts";

export const readGlob: Reader<string> = into(text, (pattern, at) =>
  compileGlob(pattern) === null ? report(at, `\`${pattern}\` is no pattern: see the glob rules`) : pattern.trim(),
);

export const readMcpPolicy = mapping({
  allowServers: list(text),
  denyServers: list(text),
  allowTools: list(text),
  denyTools: list(text),
  allowResources: list(text),
  denyResources: list(text),
  allowActions: list(text),
  denyActions: list(text),
});
export type McpPolicy = ReadBy<typeof readMcpPolicy>;

export const readKind = word(wordsOf(actionKinds));

/** What an action must be for a rule to apply. Every field given must hold; one that lists several values holds for any of them. */
export const readMatch = mapping(
  {
    tenants: someOf(text),
    namespaces: someOf(readGlob),
    kinds: someOf(readKind),
    topics: someOf(readGlob),
    names: someOf(readGlob),
    workflowTypes: someOf(readGlob),
    taskQueues: someOf(readGlob),
    capabilities: someOf(text),
    riskTags: someOf(text),
    requires: someOf(text),
    packIds: someOf(text),
    actorIds: someOf(text),
    actorTypes: someOf(word(wordsOf(["human", "service"]))),
    actorRoles: someOf(text),
    labels: dictionary(scalarText),
    secretsPresent: flag,
    mcp: readMcpPolicy,
  },
  { topic: "topics", tenant: "tenants", activity_types: "names" },
);
export type Match = ReadBy<typeof readMatch>;

/** The condition could not be told; the sentence says why. */
export type Unclear = { readonly unclear: string };

/** One requirement of a rule, and how to say it. */
export type Condition = {
  readonly field: string;
  readonly wanted: string;
  holds(view: ActionView): boolean | Unclear;
  found(view: ActionView): string;
};

/** The requirements of a match in the order in which they are tried: cheap ones first, the expression last. */
export function conditionsOf(match: Match, when: Expression | null): readonly Condition[] {
  const { tenants, kinds, capabilities, packIds, actorIds, actorTypes, riskTags, requires, actorRoles, secretsPresent } = match;
  const lowerTenants = tenants?.map((tenant) => tenant.trim().toLowerCase());
  return [
    globs("topics", match.topics, (view) => view.action.topic),
    oneOf("kinds", kinds, (view): ActionKind => view.action.kind),
    oneOf("tenants", lowerTenants, (view) => view.tenant),
    globs("namespaces", match.namespaces, (view) => view.action.namespace),
    oneOf("capabilities", capabilities, (view) => view.action.capability),
    globs("names", match.names, (view) => view.action.name),
    globs("workflow_types", match.workflowTypes, (view) => view.action.workflowType),
    globs("task_queues", match.taskQueues, (view) => view.action.taskQueue),
    oneOf("pack_ids", packIds, (view) => view.action.packId),
    oneOf("actor_ids", actorIds, (view) => view.action.principal.id),
    oneOf("actor_types", actorTypes, (view) => view.action.principal.kind),
    anyOf("actor_roles", actorRoles, (view) => view.action.principal.roles),
    anyOf("risk_tags", riskTags, (view) => view.action.riskTags),
    requires === undefined ? null : allOf(requires),
    match.labels === undefined ? null : labelsAre(match.labels),
    secretsPresent === undefined ? null : secretsAre(secretsPresent),
    match.mcp === undefined ? null : mcpIs(match.mcp),
    when === null ? null : expressionHolds(when),
  ].filter((condition) => condition !== null);
}

const written = (values: readonly string[]): string => (values.length === 0 ? "none" : values.join(", "));

function oneOf<T extends string>(field: string, values: readonly T[] | undefined, of: (view: ActionView) => T): Condition | null {
  if (values === undefined) return null;
  const set: ReadonlySet<string> = new Set(values);
  return { field, wanted: written(values), holds: (view) => set.has(of(view)), found: (view) => of(view) || "none" };
}

function anyOf(field: string, values: readonly string[] | undefined, of: (view: ActionView) => readonly string[]): Condition | null {
  if (values === undefined) return null;
  const set = new Set(values);
  const isWanted = (value: string): boolean => set.has(value);
  return { field, wanted: `any of ${written(values)}`, holds: (view) => of(view).some(isWanted), found: (view) => written(of(view)) };
}

const allOf = (values: readonly string[]): Condition => ({
  field: "requires",
  wanted: `all of ${written(values)}`,
  holds: ({ action }) => values.every((value) => action.requires.includes(value)),
  found: ({ action }) => written(action.requires),
});

function globs(field: string, patterns: readonly string[] | undefined, of: (view: ActionView) => string): Condition | null {
  if (patterns === undefined) return null;
  const compiled = compiledGlobs(patterns);
  return {
    field,
    wanted: written(patterns),
    holds: (view) => {
      const value = of(view);
      return compiled.some((glob) => glob.fits(value));
    },
    found: (view) => of(view) || "none",
  };
}

/** Patterns that the reader has accepted. */
export const compiledGlobs = (patterns: readonly string[]): readonly Glob[] => patterns.map(compileGlob).filter((glob) => glob !== null);

const labelsAre = (labels: ReadonlyMap<string, string>): Condition => {
  const entries = [...labels];
  const pairs = entries.map(([name, value]) => ({ name, value }));
  return {
    field: "labels",
    wanted: entries.map(([name, value]) => `${name}=${value}`).join(", "),
    // A loop: where no rule names a topic, this is what a decision consists of.
    holds: ({ action }) => {
      for (const { name, value } of pairs) if (action.labels.get(name) !== value) return false;
      return true;
    },
    found: ({ action }) => written(entries.map(([name]) => `${name}=${action.labels.get(name) ?? "(none)"}`)),
  };
};

const secretsAre = (wanted: boolean): Condition => ({
  field: "secrets_present",
  wanted: String(wanted),
  holds: (view) => view.secrets_present === wanted,
  found: (view) => String(view.secrets_present),
});

/** A match with `mcp` is about MCP calls that its lists allow; an action that is no MCP call does not match. */
function mcpIs(policy: McpPolicy): Condition {
  const refusal = mcpCheck(policy);
  return {
    field: "mcp",
    wanted: "an MCP call that the lists allow",
    holds: ({ mcpCall }) => mcpCall !== null && refusal(mcpCall) === null,
    found: ({ mcpCall }) => (mcpCall === null ? "no MCP call" : (refusal(mcpCall) ?? "allowed")),
  };
}

/** True of MCP calls that the lists do not allow. */
export function mcpRefused(policy: McpPolicy): Condition {
  const refusal = mcpCheck(policy);
  return {
    field: "mcp",
    wanted: "an MCP call that the tenant's lists refuse",
    holds: ({ mcpCall }) => mcpCall !== null && refusal(mcpCall) !== null,
    found: ({ mcpCall }) => (mcpCall === null ? "no MCP call" : (refusal(mcpCall) ?? "allowed")),
  };
}

/** Says which part of a call the lists do not allow, or null. Exact names in any case. */
function mcpCheck(policy: McpPolicy): (call: McpCall) => string | null {
  const set = (names: readonly string[] | undefined): ReadonlySet<string> => new Set(names?.map((name) => name.trim().toLowerCase()));
  const parts = [
    { part: "server", allowed: set(policy.allowServers), denied: set(policy.denyServers) },
    { part: "tool", allowed: set(policy.allowTools), denied: set(policy.denyTools) },
    { part: "resource", allowed: set(policy.allowResources), denied: set(policy.denyResources) },
    { part: "action", allowed: set(policy.allowActions), denied: set(policy.denyActions) },
  ] as const;
  return (call) => {
    for (const { part, allowed, denied } of parts) {
      const value = call[part].toLowerCase();
      if (value !== "" && denied.has(value)) return `mcp ${part} "${call[part]}" denied`;
      if (allowed.size > 0 && !allowed.has(value)) return `mcp ${part} "${call[part]}" not allowed`;
    }
    return null;
  };
}

const expressionHolds = (when: Expression): Condition => ({
  field: "when",
  wanted: when.source,
  holds: (view) => {
    const held = when.holds(view);
    return held.ok ? held.value : { unclear: held.error };
  },
  found: (view) => {
    const held = when.holds(view);
    return held.ok ? String(held.value) : held.error;
  },
});

/** A CEL condition, checked where it stands. */
export const readWhen: Reader<string> = into(text, (source, at) => {
  const compiled = compileExpression(source);
  if (compiled.ok) return source;
  // Behind an opening quote the expression begins one further; in a block of several lines only the block's place is known.
  const style = at.node !== null && "type" in at.node ? at.node.type : undefined;
  const start = at.node?.range?.[0] ?? 0;
  const shift = style === "PLAIN" ? compiled.error.offset : style?.startsWith("QUOTE") ? compiled.error.offset + 1 : 0;
  return report(at, `\`when\`: ${compiled.error.message}`, { offset: start + shift });
});

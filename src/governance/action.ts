import { canonicalJson } from "../base/canonical-json.ts";
import { sha256Hex } from "../base/sha256.ts";
import { type ActionInput, noInput } from "./action-input.ts";

export const actionKinds = [
  "activity",
  "job",
  "child-workflow",
  "external-signal",
  "external-cancellation",
  "workflow-start",
  "schedule",
  "local-activity",
  "tool-call",
] as const;
export type ActionKind = (typeof actionKinds)[number];

/** Who asks: a person or a program, and the roles it acts in. */
export type Principal = { readonly id: string; readonly kind: "human" | "service"; readonly roles: readonly string[] };

/** The call of a Model Context Protocol server; an empty part is one that was not named. */
export type McpCall = { readonly server: string; readonly tool: string; readonly resource: string; readonly action: string };

export type Labels = ReadonlyMap<string, string>;

/** What a decision is about. Texts that do not apply are empty. */
export type Action = {
  /** Isolates executions; isolation of policy follows it, see `tenantOf`. */
  readonly namespace: string;
  readonly kind: ActionKind;
  /** What policies name. Empty when the caller said nothing: the policy's catalogue, or else `defaultTopic`, gives it. */
  readonly topic: string;
  /** The activity type, workflow type, signal or tool. */
  readonly name: string;
  readonly labels: Labels;
  readonly capability: string;
  readonly riskTags: readonly string[];
  readonly requires: readonly string[];
  readonly packId: string;
  readonly principal: Principal;
  readonly workflowType: string;
  readonly workflowId: string;
  readonly runId: string;
  /** The activity id, child workflow id or step id: tells two actions of one run apart. */
  readonly actionId: string;
  readonly taskQueue: string;
  /** From 1; each retry is one more. */
  readonly attempt: number;
  /** Null: concluded from labels and risk tags, see `secretsPresent`. */
  readonly secretsPresent: boolean | null;
  /** Null: concluded from labels, see `mcpCallOf`. */
  readonly mcp: McpCall | null;
  readonly input: ActionInput;
  /** Why what the caller said of the action cannot be read: such an action is denied. */
  readonly unreadable: string | null;
};

const nothing: Action = {
  namespace: "default",
  kind: "activity",
  topic: "",
  name: "",
  labels: new Map(),
  capability: "",
  riskTags: [],
  requires: [],
  packId: "",
  principal: { id: "", kind: "service", roles: [] },
  workflowType: "",
  workflowId: "",
  runId: "",
  actionId: "",
  taskQueue: "",
  attempt: 1,
  secretsPresent: null,
  mcp: null,
  input: noInput,
  unreadable: null,
};

/** An action with the given fields, and nothing said for the rest. */
export const actionOf = (fields: Partial<Action>): Action => ({ ...nothing, ...fields });

/** The one mapping between the two: a namespace is a tenant of the same name, in whatever case it is written. */
export const tenantOf = (namespace: string): string => namespace.toLowerCase();

const topicPrefixes: { readonly [K in ActionKind]: string } = {
  activity: "activity",
  job: "job",
  "child-workflow": "child-workflow",
  "external-signal": "signal",
  "external-cancellation": "cancel",
  "workflow-start": "workflow",
  schedule: "schedule",
  "local-activity": "local-activity",
  "tool-call": "tool",
};

/** The topic of an action that nobody gave one: `activity.ChargeCard`, `workflow.OrderWorkflow`. */
export const defaultTopic = ({ kind, name }: Action): string => `${topicPrefixes[kind]}.${name}`;

const yes = new Set(["true", "1", "yes"]);

/** The label `secrets_present` decides when there is one; otherwise the risk tag `secrets`. */
export function secretsPresent({ secretsPresent: said, labels, riskTags }: Action): boolean {
  if (said !== null) return said;
  const label = labels.get("secrets_present");
  return label === undefined ? riskTags.includes("secrets") : yes.has(label.toLowerCase());
}

/** The MCP call that an action is, from its own fields or from labels (`mcp.tool`, `mcp_tool` or `mcpTool`); null when it is none. */
export function mcpCallOf({ mcp, labels }: Action): McpCall | null {
  if (mcp !== null || labels.size === 0) return mcp;
  const part = (name: string): string =>
    labels.get(`mcp.${name}`) || labels.get(`mcp_${name}`) || labels.get(`mcp${name[0]?.toUpperCase()}${name.slice(1)}`) || "";
  const call = { server: part("server"), tool: part("tool"), resource: part("resource"), action: part("action").toLowerCase() };
  return call.server === "" && call.tool === "" && call.resource === "" && call.action === "" ? null : call;
}

/**
 * Identifies what is asked for, so that a grant names what it grants. SHA-256 (hexadecimal) of the canonical JSON of
 * `["holdfast.job/1", {…}]` with tenant, topic, kind, name, labels, capability, risk tags (sorted, each once), input digest, workflow id,
 * run id and action id. The attempt is no part of it, nor is who asks: a retry asks for the same thing.
 */
export const jobHash = (action: Action): string =>
  sha256Hex(
    canonicalJson([
      "holdfast.job/1",
      {
        tenant: tenantOf(action.namespace),
        topic: action.topic,
        kind: action.kind,
        name: action.name,
        labels: action.labels,
        capability: action.capability,
        risk_tags: [...new Set(action.riskTags)].sort(),
        input: action.input.digest(),
        workflow_id: action.workflowId,
        run_id: action.runId,
        action_id: action.actionId,
      },
    ]),
  );

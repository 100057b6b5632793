import type { ActionFields } from "./action.ts";
import type { Constraints, Decision } from "./decision.ts";
import type { Remediation } from "./denial.ts";
import { post, type TlsOptions } from "./post.ts";

/** Where a Safety Kernel answers. */
export type KernelOptions = {
  /** The HTTP port of a Holdfast server, `host:port` or a URL. Default `HOLDFAST_HTTP_ADDRESS`, or else `127.0.0.1:8081`. */
  readonly address?: string;
  /** How long to wait for a decision; 5,000 by default. */
  readonly timeoutMs?: number;
  /** Whose policy decides; the namespace of the workflow, when left out. */
  readonly tenant?: string;
  /** Who asks, for a server that wants to know. Default `HOLDFAST_API_KEY`. */
  readonly apiKey?: string;
  /** The server speaks TLS: `true`, or with which certificates. An address that begins with `https://` says so as well. */
  readonly tls?: boolean | TlsOptions;
  /** Sent with every question, for a proxy that authenticates. */
  readonly headers?: { readonly [name: string]: string };
};

/** What a kernel is asked about. */
export type AskedAction = ActionFields & {
  readonly tenant?: string;
  /** `activity`, `local-activity`, `tool-call`, `workflow-start`, … */
  readonly kind: string;
  readonly name: string;
  readonly workflowType?: string;
  readonly workflowId?: string;
  readonly runId?: string;
  readonly actionId?: string;
  readonly taskQueue?: string;
  readonly attempt?: number;
  /** The first argument: what `when:` looks into. */
  readonly input?: unknown;
};

export type Effect = "ALLOW" | "DENY" | "REQUIRE_APPROVAL" | "THROTTLE" | "ALLOW_WITH_CONSTRAINTS";

export type KernelDecision = Decision & {
  readonly effect: Effect;
  readonly constraints: Constraints;
  /** How long a throttled action waits. */
  readonly delayMs: number | null;
  readonly remediations: readonly Remediation[];
};

/** There was no decision: nobody answered in time, or not in a form that can be read. */
export class KernelUnavailable extends Error {
  override readonly name = "KernelUnavailable";
}

const timeoutMsDefault = 5_000;

/** What the policy in force there decides. Records nothing, and asks nobody for an approval. Rejects with `KernelUnavailable`. */
export async function askKernel(options: KernelOptions, action: AskedAction): Promise<KernelDecision> {
  const { address = process.env.HOLDFAST_HTTP_ADDRESS || "127.0.0.1:8081", timeoutMs = timeoutMsDefault } = options;
  const { apiKey = process.env.HOLDFAST_API_KEY || undefined, tls = false } = options;
  const tenant = options.tenant ?? action.tenant;
  try {
    const answer = await post(new URL("/api/v1/policy/evaluate", baseOf(address, tls !== false)), {
      headers: {
        ...options.headers,
        "content-type": "application/json",
        ...(apiKey === undefined ? {} : { "x-api-key": apiKey.trim() }),
        ...(tenant === undefined ? {} : { "x-tenant-id": tenant }),
      },
      body: JSON.stringify(question(action)),
      tls: typeof tls === "boolean" ? undefined : tls,
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (answer.status !== 200) throw new Error(`it answered with status ${answer.status}: ${answer.text.slice(0, 300)}`);
    return decisionFrom(JSON.parse(answer.text));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new KernelUnavailable(`the safety kernel at ${address} gave no decision: ${why}`, { cause });
  }
}

function baseOf(address: string, isSecure: boolean): string {
  if (!address.includes("://")) return `${isSecure ? "https" : "http"}://${address}`;
  if (isSecure && !address.startsWith("https:")) throw new Error("its address has to begin with https://");
  return address;
}

const question = (action: AskedAction): object => ({
  kind: action.kind,
  name: action.name,
  topic: action.topic,
  labels: action.labels,
  workflow_type: action.workflowType,
  workflow_id: action.workflowId,
  run_id: action.runId,
  step_id: action.actionId,
  task_queue: action.taskQueue,
  attempt: action.attempt,
  meta: {
    capability: action.capability,
    risk_tags: action.riskTags,
    requires: action.requires,
    pack_id: action.packId,
    actor_id: action.actor,
  },
  input: action.input,
});

const effects: { readonly [type: string]: Effect } = {
  DECISION_TYPE_ALLOW: "ALLOW",
  DECISION_TYPE_DENY: "DENY",
  DECISION_TYPE_REQUIRE_HUMAN: "REQUIRE_APPROVAL",
  DECISION_TYPE_THROTTLE: "THROTTLE",
  DECISION_TYPE_ALLOW_WITH_CONSTRAINTS: "ALLOW_WITH_CONSTRAINTS",
};

type Answer = {
  readonly decision: string;
  readonly ruleId: string;
  readonly reason: string;
  readonly policySnapshot: string;
  readonly delayMs: number | null;
  readonly remediations: readonly Remediation[];
  readonly exactConstraints?: Constraints;
};

function decisionFrom(answer: unknown): KernelDecision {
  const { decision, ruleId, reason, policySnapshot, delayMs, remediations, exactConstraints } = answer as Answer;
  const effect = Object.hasOwn(effects, decision) ? effects[decision] : undefined;
  // CAP's form of constraints cannot tell an empty allow list from none.
  if (effect === undefined || exactConstraints === undefined) throw new Error("its answer is no decision of a Holdfast server");
  return { effect, rule: ruleId || null, reason, snapshot: policySnapshot, constraints: exactConstraints, delayMs, remediations };
}

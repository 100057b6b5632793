import { type Action, type McpCall, mcpCallOf, secretsPresent, tenantOf } from "../action.ts";

/** An expression looks into an input that cannot be read. Its message is the sentence for people. */
export class UnreadableInput extends Error {}

const noCall: McpCall = { server: "", tool: "", resource: "", action: "" };

/**
 * An action as rules see it. What costs something is concluded when the first rule asks, and kept for the others. The getters in the
 * words of a policy file are the variables of its expressions.
 */
export class ActionView {
  readonly action: Action;
  readonly tenant: string;
  #mcp: McpCall | null | undefined;
  #secrets: boolean | undefined;
  #labels: { readonly [name: string]: string } | undefined;

  constructor(action: Action) {
    this.action = action;
    this.tenant = tenantOf(action.namespace);
  }

  get mcpCall(): McpCall | null {
    if (this.#mcp === undefined) this.#mcp = mcpCallOf(this.action);
    return this.#mcp;
  }

  get secrets_present(): boolean {
    this.#secrets ??= secretsPresent(this.action);
    return this.#secrets;
  }

  /** The longest of the action's own lists, for the cost of an expression. */
  get ownItems(): number {
    const { labels, riskTags, requires, principal } = this.action;
    return Math.max(labels.size, riskTags.length, requires.length, principal.roles.length);
  }

  /** The longest of the action's own texts. */
  get ownLetters(): number {
    const { labels, riskTags, requires, principal, workflowId, topic, name, capability } = this.action;
    const texts = [...labels.keys(), ...labels.values(), ...riskTags, ...requires, ...principal.roles];
    return [principal.id, workflowId, topic, name, capability, ...texts].reduce((longest, text) => Math.max(longest, text.length), 0);
  }

  /** The first argument: most activities take one object. */
  get input(): unknown {
    return this.args[0] ?? null;
  }
  get args(): readonly unknown[] {
    const read = this.action.input.args();
    if (!read.ok) throw new UnreadableInput(read.error);
    return read.value;
  }
  get kind(): string {
    return this.action.kind;
  }
  get topic(): string {
    return this.action.topic;
  }
  get name(): string {
    return this.action.name;
  }
  get labels(): { readonly [name: string]: string } {
    this.#labels ??= Object.fromEntries(this.action.labels);
    return this.#labels;
  }
  get capability(): string {
    return this.action.capability;
  }
  get risk_tags(): readonly string[] {
    return this.action.riskTags;
  }
  get requires(): readonly string[] {
    return this.action.requires;
  }
  get pack_id(): string {
    return this.action.packId;
  }
  get principal(): object {
    return this.action.principal;
  }
  get workflow_type(): string {
    return this.action.workflowType;
  }
  get workflow_id(): string {
    return this.action.workflowId;
  }
  get run_id(): string {
    return this.action.runId;
  }
  get action_id(): string {
    return this.action.actionId;
  }
  get task_queue(): string {
    return this.action.taskQueue;
  }
  get attempt(): bigint {
    return BigInt(this.action.attempt);
  }
  get mcp(): McpCall {
    return this.mcpCall ?? noCall;
  }
}

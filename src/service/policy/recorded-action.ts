import { type Action, type ActionKind, actionKinds, actionOf } from "../../governance/action.ts";
import { type ActionInput, noInput } from "../../governance/action-input.ts";

/* What the ledger says of an action, so that people find it and another policy can decide it again. */

/**
 * An action as it was asked for, and as the policy then described it. What says nothing is left out. Of the input there is only the digest:
 * the ledger outlives the data that workflows carry.
 */
export function actionRecord(asked: Action, decided: Action): object {
  const { kind, topic, name, workflowType, workflowId, actionId, taskQueue, attempt, principal, requires, packId, input } = decided;
  const digest = input.digest();
  // The policy's catalogue may have said the rest.
  const said = { ...(asked.topic === "" ? {} : { topic: asked.topic }), ...meaning(asked) };
  return {
    kind,
    topic,
    name,
    workflow_type: workflowType,
    workflow_id: workflowId,
    action_id: actionId,
    task_queue: taskQueue,
    attempt,
    principal: principal.id,
    ...(principal.kind === "service" ? {} : { principal_kind: principal.kind }),
    ...listed("roles", principal.roles),
    ...meaning(decided),
    ...listed("requires", requires),
    ...(packId === "" ? {} : { pack_id: packId }),
    ...(digest === noInput.digest() ? {} : { input: digest }),
    ...(Object.keys(said).length === 0 ? {} : { asked: said }),
    ...(asked.unreadable === null ? {} : { unreadable: asked.unreadable }),
  };
}

const meaning = ({ labels, capability, riskTags }: Action): object => ({
  ...(labels.size === 0 ? {} : { labels: Object.fromEntries(labels) }),
  ...(capability === "" ? {} : { capability }),
  ...listed("risk_tags", riskTags),
});

const listed = (name: string, values: readonly string[]): object => (values.length === 0 ? {} : { [name]: values });

export type RecordedAction = {
  /** As it was asked for; what its input was is not recorded. */
  readonly action: Omit<Action, "input">;
  /** Null when it had none. */
  readonly inputDigest: string | null;
  readonly effect: string;
  readonly rule: string | null;
  /** The hash of the snapshot that decided. */
  readonly snapshot: string;
  /** As the policy then described it. */
  readonly topic: string;
};

/** Reads what `actionRecord` wrote into a decision's entry; null for what is none. */
export function recordedAction(body: Uint8Array, { namespace, runId }: { namespace: string; runId: string | null }): RecordedAction | null {
  const record = objectIn(parsed(body));
  const kind = kindOf(record.kind);
  const { effect, snapshot, rule } = record;
  if (kind === null || typeof effect !== "string" || typeof snapshot !== "string" || typeof record.task_queue !== "string") return null;
  const asked = objectIn(record.asked);
  const { input: _, ...action } = actionOf({
    namespace,
    kind,
    name: textIn(record.name),
    topic: textIn(asked.topic),
    labels: new Map(Object.entries(objectIn(asked.labels)).map(([label, value]) => [label, String(value)])),
    capability: textIn(asked.capability),
    riskTags: textsIn(asked.risk_tags),
    requires: textsIn(record.requires),
    packId: textIn(record.pack_id),
    principal: {
      id: textIn(record.principal),
      kind: record.principal_kind === "human" ? "human" : "service",
      roles: textsIn(record.roles),
    },
    workflowType: textIn(record.workflow_type),
    workflowId: textIn(record.workflow_id),
    runId: runId ?? "",
    actionId: textIn(record.action_id),
    taskQueue: record.task_queue,
    attempt: typeof record.attempt === "number" ? record.attempt : 1,
    unreadable: typeof record.unreadable === "string" ? record.unreadable : null,
  });
  return {
    action,
    inputDigest: typeof record.input === "string" ? record.input : null,
    effect,
    rule: typeof rule === "string" ? rule : null,
    snapshot,
    topic: textIn(record.topic),
  };
}

type Fields = { readonly [name: string]: unknown };

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString());
  } catch {
    return null;
  }
}
const objectIn = (value: unknown): Fields => (typeof value === "object" && value !== null ? (value as Fields) : {});
const textIn = (value: unknown): string => (typeof value === "string" ? value : "");
const textsIn = (value: unknown): readonly string[] => (Array.isArray(value) ? value.filter((item) => typeof item === "string") : []);
const kindOf = (value: unknown): ActionKind | null => actionKinds.find((kind) => kind === value) ?? null;

/** An input that is not at hand. Whoever looks into it is told so, and leaves a trace. */
export function missingInput(digest: string): ActionInput & { readonly wasAskedFor: boolean } {
  let asked = false;
  return {
    digest: () => digest,
    args: () => {
      asked = true;
      return { ok: false, error: "the input is not available" };
    },
    size: () => {
      asked = true;
      return { items: 0, letters: 0 };
    },
    get wasAskedFor() {
      return asked;
    },
  };
}

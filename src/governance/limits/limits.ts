import { type Action, tenantOf } from "../action.ts";
import type { CompiledLimit, Snapshot } from "../policy/snapshot.ts";

/** The limits that hold for a topic, in the order of the snapshot. */
export const limitsFor = (snapshot: Snapshot, topic: string): readonly CompiledLimit[] =>
  snapshot.limits.length === 0 ? [] : snapshot.limits.filter(({ topics }) => topics.some((glob) => glob.fits(topic)));

/** What a limit counts together: the value of its scope in this action. An action without the label counts among all such. */
export function countedAs(by: string, action: Action): string {
  if (by.startsWith("label:")) return `${by}=${action.labels.get(by.slice("label:".length)) ?? ""}`;
  const values: { readonly [scope: string]: string } = {
    topic: action.topic,
    principal: action.principal.id,
    tenant: tenantOf(action.namespace),
    workflow: action.workflowId,
    run: `${action.workflowId}/${action.runId}`,
  };
  return `${by}=${values[by] ?? ""}`;
}

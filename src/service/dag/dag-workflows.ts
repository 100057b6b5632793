import { err, ok, type Result } from "../../base/result.ts";
import type { Problem } from "../../language/reader.ts";
import type { Namespaces } from "../namespaces.ts";
import type { Workflow } from "./definition-documents.ts";
import type { DefinitionRefusal, Definitions, Save } from "./definitions.ts";
import type { RunSlots } from "./run-slots.ts";

export type DagWorkflowRefusal = DefinitionRefusal | { readonly kind: "no-such-namespace" };
type Answer<T> = Promise<Result<T, DagWorkflowRefusal>>;

/** Workflows as whoever edits them sees them; see `Definitions`. */
export type DagWorkflows = {
  save(namespace: string, save: Save): Answer<{ readonly workflow: Workflow; readonly problems: readonly Problem[] }>;
  get(namespace: string, id: string): Answer<Workflow>;
  list(namespace: string): Answer<readonly Workflow[]>;
  remove(namespace: string, id: string): Answer<void>;
};

export function createDagWorkflows({
  namespaces,
  definitions,
  slots,
}: {
  readonly namespaces: Pick<Namespaces, "get">;
  readonly definitions: Definitions;
  readonly slots: Pick<RunSlots, "changed">;
}): DagWorkflows {
  const within = async <T>(namespace: string, ask: (namespaceId: string) => Answer<T>): Answer<T> => {
    const found = namespaces.get(namespace);
    return found.ok ? ask(found.value.id) : err({ kind: "no-such-namespace" });
  };
  return {
    save: (namespace, save) =>
      within(namespace, async (namespaceId) => {
        const saved = await definitions.save(namespaceId, save);
        if (!saved.ok) return saved;
        const current = await definitions.current(namespaceId, saved.value.workflow.id);
        if (current !== null) slots.changed(current.key, current.spec.maxConcurrentRuns);
        return saved;
      }),
    get: (namespace, id) =>
      within(namespace, async (namespaceId) => {
        const workflow = await definitions.get(namespaceId, id);
        return workflow === null ? err({ kind: "no-such-workflow" }) : ok(workflow);
      }),
    list: (namespace) => within(namespace, async (namespaceId) => ok(await definitions.list(namespaceId))),
    remove: (namespace, id) => within(namespace, (namespaceId) => definitions.remove(namespaceId, id)),
  };
}

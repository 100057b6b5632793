import { TaskToken } from "../../protocol/generated/holdfast/state/v1/state.ts";
import type { Namespaces } from "../namespaces.ts";
import type { Runs } from "../runs.ts";

/** What has to be looked up to know whether somebody may do what they ask for. */
export type AccessLookup = {
  /** The name of a namespace; null for an id that there is not. */
  namespaceOfId(id: string): string | null;
  /** Of the task that a token stands for; null for what is no token. */
  namespaceOfToken(token: Uint8Array): string | null;
  /** The task queue of an execution's workflow tasks; null when there is no such execution. */
  taskQueueOf(namespace: string, execution: { readonly workflowId: string; readonly runId: string }): Promise<string | null>;
};

export function createAccessLookup<I>({
  namespaces,
  runs,
}: {
  readonly namespaces: Pick<Namespaces, "byId" | "get">;
  readonly runs: Pick<Runs<I>, "find">;
}): AccessLookup {
  const namespaceOfId = (id: string): string | null => namespaces.byId(id)?.name ?? null;
  return {
    namespaceOfId,
    namespaceOfToken: (token) => {
      try {
        return namespaceOfId(TaskToken.decode(token).namespaceId);
      } catch {
        return null;
      }
    },
    taskQueueOf: async (namespace, execution) => {
      const found = namespaces.get(namespace);
      if (!found.ok) return null;
      const cell = await runs.find({ namespaceId: found.value.id, ...execution });
      return cell.ok ? (cell.value.state.started.taskQueue?.name ?? null) : null;
    },
  };
}

import type { MutableState } from "../../execution/execution.ts";
import { decodeRun } from "../../execution/stored-run.ts";
import type { VisibilityQuery } from "../../execution/visibility/filter.ts";
import { IndexedValueType } from "../../protocol/generated/temporal/api/enums/v1/common.ts";
import { WorkflowExecutionStatus } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import type { Store } from "../../store/store.ts";
import type { Namespaces } from "../namespaces.ts";
import { nextTurn } from "./repair.ts";

/** Goes through the open runs of all namespaces, newest first, page by page. */
export type RunningRuns = {
  /** The next page, as stored, of at most `limit`; `isLast` when the next call begins anew. */
  next(limit: number): Promise<{ readonly states: readonly MutableState[]; readonly isLast: boolean }>;
};

export const runningQuery: VisibilityQuery = {
  filter: {
    op: "compare",
    field: { name: "ExecutionStatus", system: true, type: IndexedValueType.KEYWORD },
    comparison: "=",
    value: WorkflowExecutionStatus.RUNNING,
  },
  orderBy: [],
  groupBy: null,
};

/** They are read past the cache, which is for runs that are busy. */
export function createRunningRuns({
  store,
  namespaces,
}: {
  readonly store: Pick<Store, "listExecutions" | "loadRun">;
  readonly namespaces: Pick<Namespaces, "list">;
}): RunningRuns {
  let at: { readonly namespaceId: string; readonly after: string | null } | null = null;

  return {
    next: async (limit) => {
      const ids = namespaces.list().map(({ id }) => id);
      const namespaceId = at !== null && ids.includes(at.namespaceId) ? at.namespaceId : ids[0];
      if (namespaceId === undefined) return { states: [], isLast: true };
      const after = at?.namespaceId === namespaceId ? at.after : null;
      const page = await store.listExecutions({ namespaceId, query: runningQuery, limit, after });
      const nextNamespace = ids[ids.indexOf(namespaceId) + 1];
      if (page.next !== null) at = { namespaceId, after: page.next };
      else at = nextNamespace === undefined ? null : { namespaceId: nextNamespace, after: null };
      const states: MutableState[] = [];
      for (const { key } of page.executions) {
        // Requests get their turn between two.
        await nextTurn();
        const stored = await store.loadRun(key);
        if (stored !== null) states.push(decodeRun(key, stored));
      }
      return { states, isLast: at === null };
    },
  };
}

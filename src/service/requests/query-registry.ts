import type { WorkflowQuery, WorkflowQueryResult } from "../../protocol/generated/temporal/api/query/v1/message.ts";
import type { RunCell } from "../runs.ts";

/** A query that waits for a workflow task to travel with. */
type PendingQuery = {
  readonly query: WorkflowQuery;
  /** The started event id of the workflow task that carries it, 0 before. */
  sentWith: number;
  readonly answer: (answer: WorkflowQueryResult | "again") => void;
};

/** Queries that travel with workflow tasks, by run id and query id. In memory only: their callers wait. */
export type QueryRegistry = Map<string, Map<string, PendingQuery>>;

/** Queries of one run that may wait at one time. */
export const pendingQueriesMax = 100;

/** Waits until a workflow task brings the answer, or `again` when the query has to find another way. */
export function awaitWorkflowTask(
  registry: QueryRegistry,
  run: { readonly cell: RunCell; readonly queryId: string; readonly query: WorkflowQuery },
): { readonly answer: Promise<WorkflowQueryResult | "again">; readonly cancel: () => void } {
  const { cell, queryId, query } = run;
  const { runId } = cell.key;
  let queries = registry.get(runId);
  if (queries === undefined) {
    queries = new Map();
    registry.set(runId, queries);
  }
  const own = queries;
  let cancel = () => {};
  const answer = new Promise<WorkflowQueryResult | "again">((resolve) => {
    const finish = (result: WorkflowQueryResult | "again") => {
      own.delete(queryId);
      if (own.size === 0 && registry.get(runId) === own) registry.delete(runId);
      cell.listeners.delete(look);
      resolve(result);
    };
    /** The task that was to carry the query, or did, is over without an answer. */
    const look = () => {
      const pending = own.get(queryId);
      const task = cell.broken ? undefined : cell.state.core.workflowTask;
      if (pending !== undefined && (task === undefined || (pending.sentWith !== 0 && task.startedEventId !== pending.sentWith)))
        finish("again");
    };
    cell.listeners.add(look);
    own.set(queryId, { query, sentWith: 0, answer: finish });
    cancel = () => finish("again");
  });
  return { answer, cancel };
}

/** Gives the waiting queries of a run to the workflow task that starts now. */
export function attachQueries(registry: QueryRegistry, cell: RunCell, startedEventId: number): { [id: string]: WorkflowQuery } {
  const attached: { [id: string]: WorkflowQuery } = {};
  for (const [id, pending] of registry.get(cell.key.runId) ?? []) {
    pending.sentWith = startedEventId;
    attached[id] = pending.query;
  }
  return attached;
}

/**
 * Takes what a worker answered together with its workflow task, before that task's commit, after which every query still waiting has to
 * find another way. The result gives the answers out once it is known whether what they saw is on disk; if not, they are asked again.
 */
export function takeAnswers(
  registry: QueryRegistry,
  runId: string,
  results: { readonly [id: string]: WorkflowQueryResult },
): (committed: boolean) => void {
  const queries = registry.get(runId);
  const taken = Object.entries(results).map(([id, result]) => {
    const pending = queries?.get(id);
    queries?.delete(id);
    return { pending, result };
  });
  return (committed) => {
    for (const { pending, result } of taken) pending?.answer(committed ? result : "again");
  };
}

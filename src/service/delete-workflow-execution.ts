import { ok } from "../base/result.ts";
import { terminateRun } from "../execution/close.ts";
import { isRunning } from "../execution/execution.ts";
import type { Engine } from "./engine.ts";
import type { Services } from "./services.ts";

/** Removes a run with its history, an open one after terminating it. */
export const deleteWorkflowExecution =
  ({ namespaces, runs, store }: Engine): Services["deleteWorkflowExecution"] =>
  async (request) => {
    const namespace = namespaces.get(request.namespace);
    if (!namespace.ok) return namespace;
    const { workflowId = "", runId = "" } = request.workflowExecution ?? {};
    const found = await runs.find({ namespaceId: namespace.value.id, workflowId, runId });
    if (!found.ok) return found;
    const { key } = found.value;
    const ended = await runs.transact(key, (draft) => {
      if (isRunning(draft)) terminateRun(draft, { reason: "deleted", identity: "history-service" });
      return ok(undefined);
    });
    if (!ended.ok) return ended;
    runs.forget([key]);
    await store.deleteRuns([key]);
    return ok({});
  };

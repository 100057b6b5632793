import { err, ok } from "../../base/result.ts";
import { isRunning } from "../../execution/execution.ts";
import { alreadyCompleted, requestCancel } from "../../execution/signal.ts";
import { notFound } from "../../protocol/refusal.ts";
import type { Engine } from "../engine.ts";
import { provenBy, type Services } from "../services.ts";

/** Asks a workflow to cancel. Asking twice, or asking a closed workflow, changes nothing and succeeds. */
export const requestCancelWorkflowExecution =
  ({ namespaces, runs }: Engine): Services["requestCancelWorkflowExecution"] =>
  async (request, caller) => {
    const namespace = namespaces.get(request.namespace);
    if (!namespace.ok) return namespace;
    const { workflowId = "", runId = "" } = request.workflowExecution ?? {};
    const done = await runs.transact({ namespaceId: namespace.value.id, workflowId, runId }, (draft) => {
      const { firstExecutionRunId } = request;
      if (firstExecutionRunId !== "" && firstExecutionRunId !== draft.started.firstExecutionRunId)
        return err(notFound(`workflow not found for ID: ${workflowId}`));
      // The chain may go on in another run; only one that is over for good is asked in vain.
      if (!isRunning(draft)) return err(alreadyCompleted);
      requestCancel(draft, { reason: request.reason, identity: request.identity }, provenBy(caller));
      return ok(undefined);
    });
    return done.ok || done.error === alreadyCompleted ? ok({}) : done;
  };

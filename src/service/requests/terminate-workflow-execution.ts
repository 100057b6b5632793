import { err, ok } from "../../base/result.ts";
import { payloadsBytes } from "../../execution/activity.ts";
import { terminateRun } from "../../execution/close.ts";
import { isRunning } from "../../execution/execution.ts";
import { alreadyCompleted, blobTooLarge } from "../../execution/signal.ts";
import { notFound } from "../../protocol/refusal.ts";
import type { Engine } from "../engine.ts";
import { provenBy, type Services } from "../services.ts";

/** Ends a workflow at once, without asking it. Refused when there is no such open execution. */
export const terminateWorkflowExecution =
  ({ namespaces, runs, limits }: Engine): Services["terminateWorkflowExecution"] =>
  async (request, caller) => {
    const namespace = namespaces.get(request.namespace);
    if (!namespace.ok) return namespace;
    if (payloadsBytes(request.details) > limits.blobSizeError) return err(blobTooLarge);
    const { workflowId = "", runId = "" } = request.workflowExecution ?? {};
    const done = await runs.transact({ namespaceId: namespace.value.id, workflowId, runId }, (draft) => {
      const { firstExecutionRunId, reason, details, identity } = request;
      if (firstExecutionRunId !== "" && firstExecutionRunId !== draft.started.firstExecutionRunId)
        return err(notFound(`workflow not found for ID: ${workflowId}`));
      if (!isRunning(draft)) return err(alreadyCompleted);
      terminateRun(draft, { reason, details, identity }, provenBy(caller));
      return ok(undefined);
    });
    return done.ok ? ok({}) : done;
  };

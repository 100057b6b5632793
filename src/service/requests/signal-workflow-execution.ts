import { ok } from "../../base/result.ts";
import { signal } from "../../execution/signal.ts";
import type { Engine } from "../engine.ts";
import { provenBy, type Services } from "../services.ts";

/** Records a signal, once per request id, and wakes the workflow. Refused when there is no such open execution, or the namespace is full. */
export const signalWorkflowExecution =
  ({ namespaces, runs, quotas }: Engine): Services["signalWorkflowExecution"] =>
  async (request, caller) => {
    const namespace = namespaces.get(request.namespace);
    if (!namespace.ok) return namespace;
    const room = quotas.mayStore(namespace.value.id);
    if (!room.ok) return room;
    const { workflowId = "", runId = "" } = request.workflowExecution ?? {};
    const done = await runs.transact({ namespaceId: namespace.value.id, workflowId, runId }, (draft) =>
      signal(draft, { ...request, ...provenBy(caller) }),
    );
    return done.ok ? ok({ link: undefined }) : done;
  };

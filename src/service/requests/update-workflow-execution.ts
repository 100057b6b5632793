import { err, ok, type Result } from "../../base/result.ts";
import type { DurationMs } from "../../base/time.ts";
import { type Draft, isRunning } from "../../execution/execution.ts";
import { alreadyCompleted } from "../../execution/signal.ts";
import { admitUpdate, closedUnderUpdate, updateStatus } from "../../execution/update.ts";
import { make } from "../../protocol/codec.ts";
import { UpdateWorkflowExecutionLifecycleStage as Stage } from "../../protocol/generated/temporal/api/enums/v1/update.ts";
import { WorkflowIdConflictPolicy } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import type { Failure } from "../../protocol/generated/temporal/api/failure/v1/message.ts";
import type { Outcome, Request } from "../../protocol/generated/temporal/api/update/v1/message.ts";
import {
  PollWorkflowExecutionUpdateResponse,
  type UpdateWorkflowExecutionRequest,
  UpdateWorkflowExecutionResponse,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { invalidArgument, notFound, type Refusal } from "../../protocol/refusal.ts";
import type { Engine } from "../engine.ts";
import type { RunCell } from "../runs.ts";
import { provenBy, type Services } from "../services.ts";
import { awaitRun, patienceFor } from "./await-run.ts";
import { attachOnConflict, startOrFind, startResponse } from "./start-workflow-execution.ts";

type Reached = { readonly stage: Stage; readonly outcome: Outcome | undefined };
type Wait = { readonly patience: DurationMs; readonly signal: AbortSignal };

/**
 * Sends an update to a workflow and waits until it is accepted or completed, 20 s at most; then the answer says how far it came, and the
 * caller asks again with the same update id. One update id is one update.
 */
export const updateWorkflowExecution =
  (engine: Engine): Services["updateWorkflowExecution"] =>
  async (request, caller) => {
    const { namespaces, runs, longPoll } = engine;
    const namespace = namespaces.get(request.namespace);
    if (!namespace.ok) return namespace;
    const named = nameUpdate(engine, request);
    if (!named.ok) return named;
    const { updateId, update, wanted } = named.value;
    const { workflowId = "", runId = "" } = request.workflowExecution ?? {};
    const target: { cell: RunCell | null } = { cell: null };
    const admitted = await runs.transact({ namespaceId: namespace.value.id, workflowId, runId }, (draft, cell) => {
      if (request.firstExecutionRunId !== "" && request.firstExecutionRunId !== draft.started.firstExecutionRunId)
        return err(notFound(`workflow not found for ID: ${workflowId}`));
      target.cell = cell;
      return admitOnce(draft, updateId, update);
    });
    if (!admitted.ok) return admitted;
    if (target.cell === null) return err(notFound(`workflow not found for ID: ${workflowId}`));
    const reached = await awaitStage(engine, target.cell, updateId, wanted, {
      patience: patienceFor(caller, longPoll.update),
      signal: caller.signal,
    });
    return reached.ok ? ok(respond(target.cell, updateId, reached.value)) : reached;
  };

/** A known update is joined; a new one is taken in. */
const admitOnce = (draft: Draft, updateId: string, update: Request): Result<void, Refusal> =>
  updateStatus(draft, updateId) === null ? admitUpdate(draft, updateId, update) : ok(undefined);

function nameUpdate(
  { newId }: Engine,
  request: UpdateWorkflowExecutionRequest,
): Result<{ updateId: string; update: Request; wanted: Stage }, Refusal> {
  const wanted = request.waitPolicy?.lifecycleStage ?? Stage.UNSPECIFIED;
  if (wanted === Stage.ADMITTED) {
    return err({
      kind: "permission-denied",
      message: "wait stage ADMITTED is not supported",
      reason: "an update that nobody has accepted can be lost",
    });
  }
  if (request.request === undefined) return err(invalidArgument("Request is nil."));
  const updateId = request.request.meta?.updateId || newId();
  const update = { ...request.request, meta: { updateId, identity: request.request.meta?.identity ?? "" } };
  return ok({ updateId, update, wanted: wanted === Stage.UNSPECIFIED ? Stage.ACCEPTED : wanted });
}

/** Waits until an update has come as far as wanted; says how far it came when patience runs out. */
async function awaitStage({ runs }: Engine, cell: RunCell, updateId: string, wanted: Stage, wait: Wait): Promise<Result<Reached, Refusal>> {
  const look = ({ state }: RunCell, rejections: Draft["rejections"]): Result<Reached, Refusal> | null => {
    const rejection = rejections.get(updateId);
    if (rejection !== undefined) return ok(failedWith(rejection));
    const status = updateStatus(state, updateId);
    if (status?.stage === "completed") return ok({ stage: Stage.COMPLETED, outcome: status.update.outcome });
    if (!isRunning(state))
      return status?.stage === "accepted" ? ok(failedWith(closedUnderUpdate)) : err(aborted(state.core.newExecutionRunId !== ""));
    if (status === null) return err(notFound(`update "${updateId}" not found`));
    return status.stage === "accepted" && wanted <= Stage.ACCEPTED ? ok({ stage: Stage.ACCEPTED, outcome: undefined }) : null;
  };
  const found = await awaitRun(runs, cell, look, wait);
  if (found !== null) return found;
  const stage = updateStatus(cell.state, updateId)?.stage === "accepted" ? Stage.ACCEPTED : Stage.ADMITTED;
  return ok({ stage, outcome: undefined });
}

const failedWith = (failure: Failure): Reached => ({ stage: Stage.COMPLETED, outcome: { value: { $case: "failure", value: failure } } });

/** The next run of the chain may still take the update: its caller tries again. */
const aborted = (goesOn: boolean): Refusal =>
  goesOn ? { kind: "aborted", message: "workflow update was aborted" } : notFound("workflow update was aborted by closing workflow");

const respond = ({ key: { workflowId, runId } }: RunCell, updateId: string, { stage, outcome }: Reached): UpdateWorkflowExecutionResponse =>
  make(UpdateWorkflowExecutionResponse, { updateRef: { workflowExecution: { workflowId, runId }, updateId }, stage, outcome });

/** Waits for the outcome of an update that was sent before. */
export const pollWorkflowExecutionUpdate =
  (engine: Engine): Services["pollWorkflowExecutionUpdate"] =>
  async (request, caller) => {
    const { namespaces, runs, longPoll } = engine;
    const namespace = namespaces.get(request.namespace);
    if (!namespace.ok) return namespace;
    const updateId = request.updateRef?.updateId ?? "";
    const { workflowId = "", runId = "" } = request.updateRef?.workflowExecution ?? {};
    const found = await runs.find({ namespaceId: namespace.value.id, workflowId, runId });
    if (!found.ok) return found;
    await found.value.settled;
    if (updateStatus(found.value.state, updateId) === null) return err(notFound(`update "${updateId}" not found`));
    const asked = request.waitPolicy?.lifecycleStage ?? Stage.UNSPECIFIED;
    const patience = asked === Stage.UNSPECIFIED ? 0 : patienceFor(caller, longPoll.update);
    const reached = await awaitStage(engine, found.value, updateId, asked, { patience, signal: caller.signal });
    if (!reached.ok) return reached;
    const { updateRef, stage, outcome } = respond(found.value, updateId, reached.value);
    return ok(make(PollWorkflowExecutionUpdateResponse, { updateRef, stage, outcome }));
  };

/** Update-with-start: starts the workflow or finds it running, and sends it the update, in one commit. */
export const executeMultiOperation =
  (engine: Engine): Services["executeMultiOperation"] =>
  async ({ operations }, caller) => {
    const [first, second] = operations.map(({ operation }) => operation);
    if (operations.length !== 2 || first?.$case !== "startWorkflow" || second?.$case !== "updateWorkflow") {
      return err(invalidArgument("Operations have to be exactly [Start, Update]."));
    }
    const [start, request] = [first.value, second.value];
    const named = nameUpdate(engine, request);
    if (!named.ok) return refusedBy(1, named.error);
    const { updateId, update, wanted } = named.value;
    const admit = (draft: Draft) => admitOnce(draft, updateId, update);
    const failure: { ofUpdate: boolean } = { ofUpdate: false };
    const noting = (act: (draft: Draft) => Result<void, Refusal>) => (draft: Draft) => {
      const done = act(draft);
      failure.ofUpdate = !done.ok;
      return done;
    };
    const onExisting = (draft: Draft): Result<void, Refusal> => {
      const attached = attachOnConflict(start).onExisting?.(draft) ?? ok(undefined);
      // The first request may be repeated after its run has closed: then the update's outcome is the answer.
      return attached.ok && (isRunning(draft) || updateStatus(draft, updateId) !== null)
        ? noting(admit)(draft)
        : attached.ok
          ? err(alreadyCompleted)
          : attached;
    };
    const started = await startOrFind(engine, start, start.workflowIdConflictPolicy || WorkflowIdConflictPolicy.FAIL, {
      ...provenBy(caller),
      afterFirstTask: noting(admit),
      onExisting,
    });
    if (!started.ok) return refusedBy(failure.ofUpdate ? 1 : 0, started.error);
    const { cell } = started.value;
    const reached = await awaitStage(engine, cell, updateId, wanted, {
      patience: patienceFor(caller, engine.longPoll.update),
      signal: caller.signal,
    });
    if (!reached.ok) return refusedBy(1, reached.error);
    return ok({
      responses: [
        { response: { $case: "startWorkflow", value: await startResponse(started.value) } },
        { response: { $case: "updateWorkflow", value: respond(cell, updateId, reached.value) } },
      ],
    });
  };

const refusedBy = (operation: 0 | 1, refusal: Refusal): { readonly ok: false; readonly error: Refusal } =>
  err({
    kind: "multi-operation",
    message: "Update-with-Start could not be executed.",
    statuses: operation === 0 ? [refusal, null] : [null, refusal],
  });

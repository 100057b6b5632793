import { err, ok, type Result } from "../../base/result.ts";
import { fromProtoTime } from "../../base/time.ts";
import { denialText } from "../../execution/admission.ts";
import { startAdmitted } from "../../execution/admitted-start.ts";
import { appendExternalEvent } from "../../execution/buffer.ts";
import { terminateRun } from "../../execution/close.ts";
import { type Draft, isRunning, openDraft, type RunKey } from "../../execution/execution.ts";
import { signal } from "../../execution/signal.ts";
import { startedAttributes } from "../../execution/start.ts";
import { waitsToBegin } from "../../execution/start-gate.ts";
import { decideStart, idPoliciesProblem, type StartVerdict } from "../../execution/start-policy.ts";
import { scheduleWorkflowTask } from "../../execution/workflow-task.ts";
import { make } from "../../protocol/codec.ts";
import type { Principal } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { WorkflowExecutionStatus, WorkflowIdConflictPolicy } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { History, WorkflowExecutionOptionsUpdatedEventAttributes } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import {
  type SignalWithStartWorkflowExecutionRequest,
  type StartWorkflowExecutionRequest,
  StartWorkflowExecutionResponse,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { invalidArgument, type Refusal } from "../../protocol/refusal.ts";
import { openSession } from "../access/session.ts";
import type { InlineWorker } from "../dispatch.ts";
import type { Engine } from "../engine.ts";
import { NotCommitted, type RunCell } from "../runs.ts";
import { type Caller, provenBy, type Services } from "../services.ts";

const attemptsMax = 8;

/** What came of a start: the run, and whether this request created it. */
export type Started = { readonly cell: RunCell; readonly started: boolean; readonly inline: InlineWorker | undefined };

type AnyStart = StartWorkflowExecutionRequest | (SignalWithStartWorkflowExecutionRequest & { readonly requestEagerExecution?: false });

/** What else happens in the change that starts a run, or that finds it running. */
export type WithStart = {
  /** On the new run, before its first workflow task is scheduled. */
  readonly onNew?: (draft: Draft) => Result<void, Refusal>;
  /** On the new run, after its first workflow task is scheduled. */
  readonly afterFirstTask?: (draft: Draft) => Result<void, Refusal>;
  /** On the run that was found; without it that run is left alone. */
  readonly onExisting?: (draft: Draft) => Result<void, Refusal>;
  /** Whoever asks, if they proved who they are. */
  readonly principal?: Principal | undefined;
};

/**
 * Starts a run, or finds the one that the id policies say is the answer. All in one commit per attempt, one at a time per workflow id. Only
 * where a run would be started does the policy decide; what it denies is recorded, and changes nothing else.
 */
export async function startOrFind(
  engine: Engine,
  request: AnyStart,
  conflict: WorkflowIdConflictPolicy,
  extra: WithStart = {},
): Promise<Result<Started, Refusal>> {
  const { namespaces, runs, quotas, store, startLock, newId } = engine;
  const namespace = namespaces.get(request.namespace);
  if (!namespace.ok) return namespace;
  const namespaceId = namespace.value.id;
  const { workflowId } = request;
  const policies = { reuse: request.workflowIdReusePolicy, conflict };
  const problem = idPoliciesProblem(policies);
  if (problem !== null) return err(problem);
  if ("completionCallbacks" in request && request.completionCallbacks.length > 0)
    return err({ kind: "unimplemented", message: "completion callbacks are not implemented by this server" });

  const attempt = async (): Promise<Result<Started, Refusal>> => {
    const expectedRunId = await store.currentRunId({ namespaceId, workflowId });
    const latest = expectedRunId === null ? null : await runs.load({ namespaceId, workflowId, runId: expectedRunId });
    // A run whose closing is not on disk yet may still be running: then there would be two.
    await latest?.settled;
    if (latest?.broken) throw new NotCommitted("the latest run is not what is stored");
    const context = runs.contextOf(namespaceId);
    const verdict = decideStart(latest?.state ?? null, policies, request.requestId);
    const found = latest === null ? null : await existing(verdict, latest);
    if (found !== null) return found;

    // One that takes the place of another is no run more.
    const room = latest !== null && isRunning(latest.state) ? quotas.mayStore(namespaceId) : quotas.mayStart(namespaceId);
    if (!room.ok) return room;
    const key: RunKey = { namespaceId, workflowId, runId: newId() };
    const attributes = startedAttributes(key, request, context);
    if (!attributes.ok) return attributes;
    const eagerExecutionAccepted = request.requestEagerExecution === true && fromProtoTime(attributes.value.firstWorkflowTaskBackoff) === 0;
    const { userMetadata, links, requestId, identity } = request;
    const asked = { ...attributes.value, eagerExecutionAccepted };
    const { draft, refused } = startAdmitted(key, asked, context, { userMetadata, links, requestId, principal: extra.principal });
    if (refused !== null) {
      await runs.submit([], { undone: [draft] });
      const message = denialText(`the start of workflow type \`${request.workflowType?.name ?? ""}\``, refused);
      return err({ kind: "permission-denied", message, reason: refused.failure.message });
    }
    const before = extra.onNew?.(draft) ?? ok(undefined);
    if (!before.ok) return before;
    scheduleWorkflowTask(draft);
    const after = extra.afterFirstTask?.(draft) ?? ok(undefined);
    if (!after.ok) return after;

    const cell = runs.create(key);
    const part = { cell, draft, becomeCurrent: { expectedRunId } };
    // The policy may keep the run back.
    const inline: InlineWorker | undefined = draft.started.eagerExecutionAccepted
      ? {
          runId: key.runId,
          poll: { identity, requestId: "", buildId: "", tasksPerSecond: null },
          returnNewWorkflowTask: true,
          workflowTask: null,
          activityTasks: [],
        }
      : undefined;
    const options = inline === undefined ? {} : { inline };
    if (verdict.verdict === "terminate-and-start" && latest !== null) {
      const old = openDraft(latest.state, context);
      if (isRunning(old)) terminateRun(old, { reason: "TerminateIfRunning WorkflowIdReusePolicy", identity: "history-service" });
      await runs.submit([{ cell: latest, draft: old }, part], options);
    } else await runs.submit([part], options);
    return ok({ cell, started: true, inline });
  };

  async function existing(verdict: StartVerdict, latest: RunCell): Promise<Result<Started, Refusal> | null> {
    if (verdict.verdict === "start" || verdict.verdict === "terminate-and-start") return null;
    if (verdict.verdict === "refuse" || (verdict.verdict === "repeated" && extra.onExisting === undefined)) {
      await latest.settled;
      return verdict.verdict === "refuse" ? err(verdict.refusal) : ok({ cell: latest, started: true, inline: undefined });
    }
    if (extra.onExisting === undefined) return ok({ cell: latest, started: false, inline: undefined });
    const draft = openDraft(latest.state, runs.contextOf(namespaceId));
    const done = extra.onExisting(draft);
    if (!done.ok) return done;
    await runs.submit([{ cell: latest, draft }]);
    return ok({ cell: latest, started: verdict.verdict === "repeated", inline: undefined });
  }

  return startLock.run(`${namespaceId}\n${workflowId}`, async () => {
    for (let tries = 1; tries <= attemptsMax; tries++) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof NotCommitted)) throw error;
      }
    }
    return err({ kind: "unavailable", message: `workflow id \`${workflowId}\` is busy, try again` });
  });
}

/** Starts a workflow. Asked twice with one request id, it starts once. */
export const startWorkflowExecution =
  (engine: Engine): Services["startWorkflowExecution"] =>
  async (request, caller) => {
    const eager = mayWorkOn(request, caller) ? request : { ...request, requestEagerExecution: false };
    const by = { ...attachOnConflict(request), ...provenBy(caller) };
    const started = await startOrFind(engine, eager, request.workflowIdConflictPolicy, by);
    return started.ok ? ok(await startResponse(started.value)) : started;
  };

/** With USE_EXISTING a caller may leave its request id with the running execution, so that its repetition is known. */
export function attachOnConflict({ onConflictOptions, requestId, identity, links }: StartWorkflowExecutionRequest): WithStart {
  if (!onConflictOptions?.attachRequestId) return {};
  return {
    onExisting: (draft) => {
      if (draft.core.startRequestId === requestId || draft.requestIds.has(requestId)) return ok(undefined);
      const value = make(WorkflowExecutionOptionsUpdatedEventAttributes, { attachedRequestId: requestId, identity });
      draft.requestIds.set(requestId, true);
      appendExternalEvent(
        draft,
        { $case: "workflowExecutionOptionsUpdatedEventAttributes", value },
        { workerMayIgnore: true, links: onConflictOptions.attachLinks ? links : [] },
      );
      return ok(undefined);
    },
  };
}

export async function startResponse({ cell, started, inline }: Started): Promise<StartWorkflowExecutionResponse> {
  const handout = await inline?.workflowTask?.();
  return make(StartWorkflowExecutionResponse, {
    runId: cell.key.runId,
    firstExecutionRunId: cell.state.started.firstExecutionRunId,
    started,
    status: started ? WorkflowExecutionStatus.RUNNING : cell.state.core.status,
    eagerWorkflowTask:
      handout === undefined ? undefined : { ...handout.response, history: History.decode(handout.history ?? new Uint8Array(0)) },
  });
}

/** An eager start hands out a task as a poll does. */
const mayWorkOn = ({ namespace, taskQueue }: StartWorkflowExecutionRequest, { session = openSession }: Caller): boolean =>
  session.authority.allows("tasks.work", namespace) && session.authority.mayPoll(taskQueue?.name ?? "");

/** Signals the running execution, or starts one whose first fact is the signal. */
export const signalWithStartWorkflowExecution =
  (engine: Engine): Services["signalWithStartWorkflowExecution"] =>
  async (request, caller) => {
    const conflict = request.workflowIdConflictPolicy || WorkflowIdConflictPolicy.USE_EXISTING;
    if (conflict === WorkflowIdConflictPolicy.FAIL) {
      return err(
        invalidArgument("Invalid WorkflowIDConflictPolicy: WORKFLOW_ID_CONFLICT_POLICY_FAIL is not supported for this operation."),
      );
    }
    const { signalName, signalInput: input, identity, header, links } = request;
    const proven = provenBy(caller);
    const send = (draft: Draft) => signal(draft, { signalName, input, identity, header, links, requestId: request.requestId, ...proven });
    const started = await startOrFind(engine, request, conflict, {
      ...proven,
      onNew: send,
      onExisting: (draft) => {
        const { requestId } = request;
        // A repetition changes nothing, also when the run that it started has closed since.
        if (requestId !== "" && (draft.core.startRequestId === requestId || draft.requestIds.has(requestId))) return ok(undefined);
        // Unlike a plain signal this one also wakes a run that waits out its start delay, though not one that waits for the policy.
        if (draft.started.cronSchedule === "" && draft.started.attempt === 1 && !waitsToBegin(draft.core))
          draft.core.firstWorkflowTaskDue = 0;
        return send(draft);
      },
    });
    if (!started.ok) return started;
    const { cell, started: isNew } = started.value;
    return ok({
      runId: cell.key.runId,
      firstExecutionRunId: cell.state.started.firstExecutionRunId,
      started: isNew,
      signalLink: undefined,
    });
  };

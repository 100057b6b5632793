import { err, ok } from "../../base/result.ts";
import { respondWorkflowTaskCompleted as complete, respondWorkflowTaskFailed as fail } from "../../execution/complete-workflow-task.ts";
import { timeOutWorkflowTask } from "../../execution/workflow-task.ts";
import { make } from "../../protocol/codec.ts";
import { TaskToken_Kind } from "../../protocol/generated/holdfast/state/v1/state.ts";
import { WorkflowTaskFailedCause } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { TimeoutType } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import {
  PollWorkflowTaskQueueResponse,
  RespondWorkflowTaskCompletedResponse,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { Refusal } from "../../protocol/refusal.ts";
import type { InlineWorker, WorkflowTaskHandout } from "../dispatch.ts";
import type { Engine } from "../engine.ts";
import { NotCommitted } from "../runs.ts";
import type { Services } from "../services.ts";
import { patienceFor } from "./await-run.ts";
import { takeAnswers } from "./query-registry.ts";

const attemptsMax = 8;

/** Waits for a workflow task of a queue, 60 s at most; an empty task token says that none came. */
export const pollWorkflowTaskQueue =
  ({ namespaces, matching, longPoll }: Engine): Services["pollWorkflowTaskQueue"] =>
  async (request, caller) => {
    const namespace = namespaces.get(request.namespace);
    if (!namespace.ok) return namespace;
    const queue = { namespaceId: namespace.value.id, taskQueue: request.taskQueue?.name ?? "", type: "workflow" } as const;
    const poll = {
      identity: request.identity,
      requestId: "",
      buildId: request.workerVersionCapabilities?.buildId ?? request.binaryChecksum,
      tasksPerSecond: null,
    };
    const handout = await matching.poll(queue, poll, { patience: patienceFor(caller, longPoll.poll), signal: caller.signal });
    return ok(
      handout === null ? { response: make(PollWorkflowTaskQueueResponse), history: null } : ((await handout()) as WorkflowTaskHandout),
    );
  };

/** Takes in what a worker decided. Refused when the task is gone, or with the cause when a command is not acceptable; then nothing of it has happened. */
export const respondWorkflowTaskCompleted =
  ({ runs, queries, metrics, tokens }: Engine): Services["respondWorkflowTaskCompleted"] =>
  async (request) => {
    const decoded = tokens.decode(request.taskToken, TaskToken_Kind.WORKFLOW_TASK);
    if (!decoded.ok) return decoded;
    const token = decoded.value;
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const found = await runs.find(token);
      if (!found.ok) return found;
      const cell = found.value;
      const completion = complete(cell.state, runs.contextOf(token.namespaceId), token, request);
      if (!completion.ok) {
        await cell.settled;
        if (cell.broken) continue;
        return completion;
      }
      const { draft, refusal, resetHistoryEventId } = completion.value;
      const inline: InlineWorker = {
        runId: token.runId,
        poll: { identity: request.identity, requestId: "", buildId: request.workerVersionStamp?.buildId ?? "", tasksPerSecond: null },
        returnNewWorkflowTask: request.returnNewWorkflowTask && refusal === null,
        workflowTask: null,
        activityTasks: [],
      };
      // Answers to queries are for whoever asked, whatever becomes of the commands; but what they saw must be on disk.
      const giveAnswers = takeAnswers(queries, token.runId, request.queryResults);
      try {
        await runs.submit([{ cell, draft }], { inline });
        giveAnswers(true);
      } catch (error) {
        giveAnswers(false);
        if (error instanceof NotCommitted) continue;
        throw error;
      }
      if (refusal !== null) {
        metrics.workflowTaskFailures.add(1, refusal.kind === "invalid-argument" ? (refusal.message.split(":")[0] ?? "") : refusal.kind);
        return err(refusal);
      }
      const handout = await inline.workflowTask?.();
      const activityTasks = await Promise.all(inline.activityTasks.map((make) => make()));
      return ok({
        response: make(RespondWorkflowTaskCompletedResponse, { workflowTask: handout?.response, activityTasks, resetHistoryEventId }),
        history: handout?.history ?? null,
      });
    }
    return err<Refusal>({ kind: "unavailable", message: "the workflow is busy, try again" });
  };

/** A worker could not process its task: it is written down once, and tried again. Refused when the task is gone. */
export const respondWorkflowTaskFailed =
  ({ runs, metrics, tokens }: Engine): Services["respondWorkflowTaskFailed"] =>
  async (request) => {
    const decoded = tokens.decode(request.taskToken, TaskToken_Kind.WORKFLOW_TASK);
    if (!decoded.ok) return decoded;
    const done = await runs.transact(decoded.value, (draft) => fail(draft, decoded.value, request));
    if (!done.ok) return done;
    metrics.workflowTaskFailures.add(1, causeNames.get(request.cause) ?? "UNKNOWN");
    return ok({});
  };

const causeNames = new Map<number, string>(Object.entries(WorkflowTaskFailedCause).map(([name, cause]) => [cause, name]));

/** Takes a run's next workflow task from its sticky worker: any worker may have it. */
export const resetStickyTaskQueue =
  ({ namespaces, runs }: Engine): Services["resetStickyTaskQueue"] =>
  async (request) => {
    const namespace = namespaces.get(request.namespace);
    if (!namespace.ok) return namespace;
    const { workflowId = "", runId = "" } = request.execution ?? {};
    const done = await runs.transact({ namespaceId: namespace.value.id, workflowId, runId }, (draft) => {
      const task = draft.core.workflowTask;
      const waitsThere = draft.core.sticky !== undefined && task !== undefined && task.startedEventId === 0;
      draft.core.sticky = undefined;
      if (waitsThere) timeOutWorkflowTask(draft, TimeoutType.SCHEDULE_TO_START);
      return ok(undefined);
    });
    return done.ok ? ok({}) : done;
  };

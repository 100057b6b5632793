import type { Result } from "../base/result.ts";
import { ok } from "../base/result.ts";
import { WorkflowTaskFailedCause } from "../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { terminateRun } from "./close.ts";
import { type Context, type Draft, hasStartedWorkflowTask, isRunning, type MutableState, openDraft } from "./execution.ts";
import { failWorkflowTask, scheduleWorkflowTask } from "./workflow-task.ts";

/**
 * Carries out one request on a run: state and request decide what happens, and nothing has happened if the request is refused.
 * The draft holds the new state, its events, and the work that became due.
 */
export function decide<T, E>(
  state: MutableState,
  context: Context,
  request: (draft: Draft) => Result<T, E>,
): Result<{ readonly draft: Draft; readonly value: T }, E> {
  const draft = openDraft(state, context);
  const result = request(draft);
  if (!result.ok) return result;
  holdLimits(draft);
  return ok({ draft, value: result.value });
}

/** A run that outgrows its bounds is ended, and a buffer that does is flushed, whatever the request was. */
export function holdLimits(draft: Draft): void {
  const { core, context } = draft;
  const { limits } = context;
  if (!isRunning(draft)) return;
  const historyCountMax = context.historyCountMax?.(draft.started.taskQueue?.name ?? "") ?? limits.historyCountError;
  if (core.nextEventId - 1 > historyCountMax) {
    terminateRun(draft, { reason: "Workflow history count exceeds limit.", identity: "history-service" });
  } else if (core.historyBytes > limits.historySizeError) {
    terminateRun(draft, { reason: "Workflow history size exceeds limit.", identity: "history-service" });
  } else if (
    (draft.buffered.length > limits.bufferedEvents || core.bufferedBytes > limits.bufferedBytes) &&
    hasStartedWorkflowTask(draft)
  ) {
    failWorkflowTask(draft, { cause: WorkflowTaskFailedCause.FORCE_CLOSE_COMMAND, identity: "history-service" });
    scheduleWorkflowTask(draft);
  }
}

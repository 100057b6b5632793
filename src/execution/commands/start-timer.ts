import { err, ok } from "../../base/result.ts";
import { fromProtoTime, toProtoTime } from "../../base/time.ts";
import { make } from "../../protocol/codec.ts";
import { WorkflowTaskFailedCause } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { TimerStartedEventAttributes } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import { appendEvent } from "../history.ts";
import { durationMax } from "../limits.ts";
import { idProblem } from "../validation.ts";
import type { HandleCommand } from "./command.ts";

export const startTimer: HandleCommand<"startTimerCommandAttributes"> = (draft, { timerId, startToFireTimeout }, scope) => {
  const fireAfterMs = fromProtoTime(startToFireTimeout);
  const problem =
    idProblem("TimerId", timerId, draft.context.limits) ??
    (fireAfterMs <= 0 ? "A valid StartToFireTimeout is not set on StartTimerCommand" : null);
  if (problem !== null) return err({ cause: WorkflowTaskFailedCause.BAD_START_TIMER_ATTRIBUTES, message: problem });
  if (draft.timers.has(timerId))
    return err({ cause: WorkflowTaskFailedCause.START_TIMER_DUPLICATE_ID, message: `timer id \`${timerId}\` is already in use` });
  appendEvent(
    draft,
    {
      $case: "timerStartedEventAttributes",
      value: make(TimerStartedEventAttributes, {
        timerId,
        startToFireTimeout: toProtoTime(Math.min(fireAfterMs, durationMax)),
        workflowTaskCompletedEventId: scope.workflowTaskCompletedEventId,
      }),
    },
    scope.metadata,
  );
  return ok(undefined);
};

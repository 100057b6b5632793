import { err, ok } from "../../base/result.ts";
import { make } from "../../protocol/codec.ts";
import { WorkflowTaskFailedCause } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { TimerCanceledEventAttributes } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import { removeBuffered } from "../buffer.ts";
import { appendEvent } from "../history.ts";
import type { HandleCommand } from "./command.ts";

export const cancelTimer: HandleCommand<"cancelTimerCommandAttributes"> = (draft, { timerId }, scope) => {
  const timer = draft.timers.get(timerId);
  if (timer === undefined)
    return err({ cause: WorkflowTaskFailedCause.BAD_CANCEL_TIMER_ATTRIBUTES, message: `no timer \`${timerId}\` is pending` });
  // The worker did not see it fire, so it never did.
  if (timer.firing)
    removeBuffered(draft, (attributes) => attributes.$case === "timerFiredEventAttributes" && attributes.value.timerId === timerId);
  appendEvent(
    draft,
    {
      $case: "timerCanceledEventAttributes",
      value: make(TimerCanceledEventAttributes, {
        timerId,
        startedEventId: timer.startedEventId,
        workflowTaskCompletedEventId: scope.workflowTaskCompletedEventId,
        identity: scope.identity,
      }),
    },
    scope.metadata,
  );
  return ok(undefined);
};

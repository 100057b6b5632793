import { expect, test } from "vitest";
import { eventsOf, setup } from "./kit.ts";
import { alarms, cancelledTimer, sleeper, timerNeverStarted } from "./workflows/timers.ts";

const compat = setup({ workflows: "timers" });

test("a timer fires", async () => {
  const handle = await compat.start(sleeper, { args: [20] });
  expect(await handle.result()).toBe("awake");
  expect(await eventsOf(handle)).toBe(
    "1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowTaskStarted, 4 WorkflowTaskCompleted, " +
      "5 TimerStarted, 6 TimerFired, 7 WorkflowTaskScheduled, 8 WorkflowTaskStarted, 9 WorkflowTaskCompleted, 10 WorkflowExecutionCompleted",
  );
});

test("a timer is cancelled", async () => {
  const handle = await compat.start(cancelledTimer);
  expect(await handle.result()).toBe("cancelled");
  expect(await eventsOf(handle, 5)).toBe(
    "5 TimerStarted, 6 TimerStarted, 7 TimerFired, 8 WorkflowTaskScheduled, 9 WorkflowTaskStarted, 10 WorkflowTaskCompleted, " +
      "11 TimerCanceled, 12 WorkflowExecutionCompleted",
  );
});

test("a timer that is cancelled where it starts never reaches the server", async () => {
  const handle = await compat.start(timerNeverStarted);
  expect(await handle.result()).toBe("cancelled");
  expect(await eventsOf(handle, 4)).toBe("4 WorkflowTaskCompleted, 5 WorkflowExecutionCompleted");
});

test("many timers fire in the order of their times, not of their starts", async () => {
  const durations = Array.from({ length: 40 }, (_, index) => 400 - index * 10);
  const handle = await compat.start(alarms, { args: [durations] });
  expect(await handle.result()).toEqual(durations.toReversed());
});

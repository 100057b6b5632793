import { describe, expect, test } from "vitest";
import { hourMs, minuteMs, secondMs, toProtoTime } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import { StickyExecutionAttributes, TaskQueue } from "../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import { failActivity } from "./activity.ts";
import { applicationFailure, completeRun, scheduleActivity, startTestRun, startTimer, type TestRun } from "./execution.test-kit.ts";
import { wake, wakeAt } from "./wake.ts";

const seconds = (count: number) => toProtoTime(count * secondMs);
/** Seconds until the run wants to be woken, null for never. */
const wakesIn = (run: TestRun) => {
  const at = wakeAt(run.state);
  return at === null ? null : (at - run.now) / secondMs;
};
const sticky = make(StickyExecutionAttributes, {
  workerTaskQueue: make(TaskQueue, { name: "sticky" }),
  scheduleToStartTimeout: seconds(10),
});

describe("when a run wants to be woken", () => {
  const started = (options: Parameters<typeof startTestRun>[0], act: (run: TestRun) => void) => {
    const run = startTestRun(options);
    act(run);
    return run;
  };
  test.each([
    ["its workflow task waits on a normal queue", started({}, () => {}), null],
    ["a worker holds its workflow task", started({}, (run) => run.poll()), 10],
    ["... with a time-out of its own", started({ workflowTaskTimeout: seconds(3) }, (run) => run.poll()), 3],
    ["it has nothing to do", started({}, (run) => run.step()), null],
    [
      "its workflow task waits on a sticky queue",
      started({}, (run) => {
        run.step([], { stickyAttributes: sticky });
        run.signal();
      }),
      10,
    ],
    [
      "a speculative one waits",
      started({}, (run) => {
        run.step();
        run.admitUpdate("u1");
      }),
      5,
    ],
    ["the first of two timers", started({}, (run) => run.step([startTimer("1", 9 * secondMs), startTimer("2", 7 * secondMs)])), 7],
    ["a run time-out", started({ workflowRunTimeout: seconds(60) }, (run) => run.step()), 60],
    ["an execution time-out", started({ workflowExecutionTimeout: seconds(50) }, (run) => run.step()), 50],
    ["a start delay", started({ workflowStartDelay: seconds(40) }, () => {}), 40],
    ["an activity may wait for ever", started({}, (run) => run.step([scheduleActivity("a")])), null],
    [
      "an activity that runs",
      started({}, (run) => {
        run.step([scheduleActivity("a", { heartbeatTimeout: seconds(4) })]);
        run.pollActivity("a");
      }),
      4,
    ],
    [
      "an activity between two attempts",
      started({}, (run) => {
        run.step([scheduleActivity("a")]);
        run.pollActivity("a");
        run.do((draft) => failActivity(draft, run.activity("a"), { failure: applicationFailure(), identity: "worker" }));
      }),
      1,
    ],
    ["it closed", started({ workflowRunTimeout: seconds(60) }, (run) => run.step([startTimer("1", secondMs), completeRun])), null],
  ] as const)("%s: %s", (_, run, seconds) => {
    expect(wakesIn(run)).toBe(seconds);
  });
});

describe("woken", () => {
  /** As after a time in which the server was down. */
  const wakeLate = (run: TestRun, by: number) => run.doAfter(by, wake);

  test("timers fire in the order in which they were due, in one transition, and ask for one workflow task", () => {
    const run = startTestRun();
    run.step([startTimer("late", 3 * secondMs), startTimer("early", secondMs), startTimer("also early", secondMs)]);
    wakeLate(run, minuteMs);
    const fired = run.history.flatMap(({ attributes }) =>
      attributes?.$case === "timerFiredEventAttributes" ? [attributes.value.timerId] : [],
    );
    expect(fired).toEqual(["early", "also early", "late"]);
    expect(run.draw(8)).toBe("8 TimerFired, 9 TimerFired, 10 TimerFired, 11 WorkflowTaskScheduled");
    expect(run.written("timerFiredEventAttributes")).toMatchObject({ timerId: "late", startedEventId: 5 });
  });

  test("the run's own time-out comes before all else", () => {
    const run = startTestRun({ workflowRunTimeout: seconds(60) });
    run.step([startTimer("1", secondMs), scheduleActivity("a", { scheduleToStartTimeout: seconds(1) })]);
    wakeLate(run, minuteMs);
    expect(run.draw(7)).toBe("7 WorkflowExecutionTimedOut");
  });

  test("everything else that is due happens at once", () => {
    const run = startTestRun();
    run.step([startTimer("1", secondMs), scheduleActivity("a", { scheduleToStartTimeout: seconds(1) })], { stickyAttributes: sticky });
    run.signal();
    wakeLate(run, minuteMs);
    expect(run.draw(9)).toBe("9 TimerFired, 10 ActivityTaskTimedOut, 11 WorkflowTaskTimedOut, 12 WorkflowTaskScheduled");
  });

  test("too early, nothing happens", () => {
    const run = startTestRun({ workflowRunTimeout: seconds(60) });
    run.step([startTimer("1", 2 * secondMs)]);
    wakeLate(run, secondMs);
    expect(run.draw(6)).toBe("");
    expect(run.last).toMatchObject({ batches: [], dueTasks: [] });
  });

  test("a start delay ends with the first workflow task; the run's time-out counts from there", () => {
    const run = startTestRun({ workflowStartDelay: seconds(3_600), workflowRunTimeout: seconds(60) });
    run.advance(hourMs);
    expect(run.draw()).toBe("1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled");
    run.advance(minuteMs);
    expect(run.draw(3)).toBe("3 WorkflowExecutionTimedOut");
  });
});

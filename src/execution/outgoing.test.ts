import { describe, expect, test } from "vitest";
import { minuteMs, secondMs, toProtoTime } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import { Hold } from "../protocol/generated/holdfast/state/v1/state.ts";
import { Payload, RetryPolicy } from "../protocol/generated/temporal/api/common/v1/message.ts";
import { UserMetadata } from "../protocol/generated/temporal/api/sdk/v1/user_metadata.ts";
import type { Admission, Marks, WantedAction } from "./admission.ts";
import { cancelUnstartedChild, childStarted, childToStart } from "./child.ts";
import { command, completeRun, payloads, startChild, startTestRun, startTime, type TestRun } from "./execution.test-kit.ts";
import { denialFailure } from "./failures.ts";
import { pendingAction, unansweredHolds } from "./held-action.ts";
import { applyClearance, heldBackChild, outgoingAction, wantedOutgoing } from "./outgoing.ts";

const denied = denialFailure({ rule: "rule-7", reason: "not on Sundays", snapshot: "s1", remediations: [] });
const marks: Marks = {
  header: { "x-decision": make(Payload, { data: new Uint8Array([1]) }) },
  userMetadata: make(UserMetadata, { summary: make(Payload, { data: new Uint8Array([2]) }) }),
};
const allow: Admission = { effect: "allow", marks, caps: null, snapshot: "s1" };
const refuse: Admission = { effect: "refuse", marks, rule: "rule-7", failure: denied, snapshot: "s1" };
const hold = (expiresAt = 0): Admission => ({
  effect: "hold",
  marks,
  caps: null,
  snapshot: "s1",
  hold: make(Hold, { approvalId: "ap-1", ruleId: "rule-7", reason: "a human decides", since: startTime, expiresAt }),
});
const delay: Admission = { effect: "delay", marks, until: startTime + minuteMs, snapshot: "s1" };

/** A run under a policy that says the same of everything, which asked for one action: event 5. */
function asking(admission: Admission, ...commands: Parameters<TestRun["step"]>[0] & object) {
  const wanted: WantedAction[] = [];
  const run = startTestRun(
    {},
    {
      admit: (action) => {
        if (action.kind === "workflow-start") return { ...allow, marks: null };
        wanted.push(action);
        return admission;
      },
    },
  );
  run.step(commands);
  return { run, wanted };
}

const child = startChild("child-1", { input: payloads("book") });
const signal = command("signalExternalWorkflowExecution", {
  execution: { workflowId: "other", runId: "" },
  signalName: "go",
  control: "c",
  input: payloads("now"),
});
const cancel = command("requestCancelExternalWorkflowExecution", { workflowId: "other", control: "c" });

const kinds = [
  {
    what: "a child",
    asked: child,
    effect: "start-child",
    initiated: "5 StartChildWorkflowExecutionInitiated",
    refused: "6 ChildWorkflowExecutionStarted, 7 ChildWorkflowExecutionFailed, 8 WorkflowTaskScheduled",
    wanted: { kind: "child-workflow", name: "Child", id: "child-1", taskQueue: "orders", input: payloads("book") },
  },
  {
    what: "a signal",
    asked: signal,
    effect: "signal-external",
    initiated: "5 SignalExternalWorkflowExecutionInitiated",
    refused: "6 SignalExternalWorkflowExecutionFailed, 7 WorkflowTaskScheduled",
    wanted: { kind: "external-signal", name: "go", id: "other", taskQueue: "", input: payloads("now") },
  },
  {
    what: "a cancellation",
    asked: cancel,
    effect: "cancel-external",
    initiated: "5 RequestCancelExternalWorkflowExecutionInitiated",
    refused: "6 RequestCancelExternalWorkflowExecutionFailed, 7 WorkflowTaskScheduled",
    wanted: { kind: "external-cancel", name: "other", id: "other", taskQueue: "", input: undefined },
  },
] as const;

describe.each(kinds)("$what", ({ asked, effect, initiated, refused, wanted: expected }) => {
  const effects = (run: TestRun) => run.last.effects.map(({ kind }) => kind);
  const clearance = (run: TestRun) =>
    (run.state.children.get(5) ?? run.state.externalSignals.get(5) ?? run.state.externalCancels.get(5))?.clearance;

  test("is decided before it is initiated, and noted on the event that does it", () => {
    const { run, wanted } = asking(allow, asked);
    expect(wanted).toMatchObject([{ ...expected, attempt: 1, scheduledEventId: 0, grant: null }]);
    expect(run.draw(5)).toBe(initiated);
    expect(effects(run)).toEqual([effect]);
    const event = run.history[4];
    expect(event?.userMetadata).toEqual(marks.userMetadata);
    const value = event?.attributes?.value;
    if (value !== undefined && "header" in value) expect(value.header?.fields).toEqual(marks.header);
  });

  test("the summary that the workflow gives it stays", () => {
    const own = make(UserMetadata, { summary: make(Payload, { data: new Uint8Array([3]) }) });
    const { run } = asking(allow, { ...asked, userMetadata: own });
    expect(run.history[4]?.userMetadata).toEqual(own);
  });

  test("that is refused ends after all commands, without an effect", () => {
    const { run } = asking(refuse, asked);
    expect(run.draw(5)).toBe(`${initiated}, ${refused}`);
    expect(effects(run)).toEqual([]);
    expect(clearance(run)).toBeUndefined();
  });

  test("that is refused is of no more account when the run closes in the same task", () => {
    const { run } = asking(refuse, asked, completeRun);
    expect(run.draw(5)).toBe(`${initiated}, 6 WorkflowExecutionCompleted`);
    expect(effects(run)).not.toContain(effect);
  });

  test("that is held has no effect, nor an end, until it is released", () => {
    const { run } = asking(hold(), asked);
    run.advance(90 * minuteMs);
    expect(run.draw(5)).toBe(initiated);
    expect(effects(run)).toEqual([]);
    run.do((draft) => pendingAction(draft, 5)?.release({ approvalId: "ap-1", jobHash: "h" }));
    expect(run.last.effects).toEqual([{ kind: "resume-action", initiatedEventId: 5 }]);
    expect(unansweredHolds(run.last)).toEqual([]);
    // Whoever lets it leave decides it once more, and is shown the grant.
    expect(clearance(run)).toMatchObject({ hold: undefined, policySnapshot: "" });
    run.do((draft) => {
      const action = outgoingAction(draft, 5);
      const event = run.history[4];
      expect(action !== null && event !== undefined && wantedOutgoing(action, event)).toMatchObject({
        ...expected,
        scheduledEventId: 5,
        grant: { approvalId: "ap-1", jobHash: "h" },
      });
    });
  });

  test("that nobody approves in time is refused", () => {
    const { run } = asking(hold(startTime + minuteMs), asked);
    run.advance(2 * minuteMs);
    expect(run.draw(5)).toBe(`${initiated}, ${refused}`);
    expect(unansweredHolds(run.last)).toMatchObject([{ kind: "settle-approval", eventId: 5, hold: { approvalId: "ap-1" } }]);
  });

  test("that is refused while a worker has the workflow task waits in the buffer, and cannot be let go any more", () => {
    const { run } = asking(hold(), asked);
    run.signal();
    run.poll();
    run.do((draft) => pendingAction(draft, 5)?.refuse(denied));
    expect(unansweredHolds(run.last)).toMatchObject([{ eventId: 5 }]);
    run.do((draft) => expect(pendingAction(draft, 5)).toBeNull());
    run.complete();
    const last = refused.includes("Child")
      ? "ChildWorkflowExecutionStarted, 11 ChildWorkflowExecutionFailed"
      : refused.slice(2).split(",")[0];
    expect(run.draw(10)).toContain(`10 ${last}`);
    expect(clearance(run)).toBeUndefined();
  });

  test("that is delayed leaves when its time has come", () => {
    const { run } = asking(delay, asked);
    run.advance(minuteMs - 1);
    expect(effects(run)).toEqual([]);
    run.advance(1);
    expect(run.last.effects).toEqual([{ kind: "resume-action", initiatedEventId: 5 }]);
    // Told from one that has not waited by the snapshot that made it wait.
    run.do((draft) => {
      const action = outgoingAction(draft, 5);
      const event = run.history[4];
      expect(action !== null && event !== undefined && wantedOutgoing(action, event)).toMatchObject({ waitedUnder: "s1" });
    });
    expect(effects(run)).toEqual([]);
  });

  test("whose run closes gives its approval back", () => {
    const { run } = asking(hold(), asked);
    run.signal();
    run.step([completeRun]);
    expect(unansweredHolds(run.last)).toMatchObject([{ kind: "settle-approval", eventId: 5 }]);
  });

  test("is decided again where it leaves: allowed, held after all, or refused", () => {
    const { run } = asking(allow, asked);
    run.do((draft) => expect(applyClearance(draft, 5, { ...allow, snapshot: "s2" })).toBe(true));
    expect(clearance(run)?.policySnapshot).toBe("s2");
    run.do((draft) => expect(applyClearance(draft, 5, hold())).toBe(false));
    expect(clearance(run)?.hold?.approvalId).toBe("ap-1");
    run.do((draft) => {
      expect(applyClearance(draft, 5, refuse)).toBe(false);
      expect(draft.refused).toEqual([{ eventId: 5, failure: denied }]);
    });
  });
});

test("the parent's code reads of a refused child as of any that failed; the child that history names does not exist", () => {
  const { run } = asking(refuse, child);
  const started = run.written("childWorkflowExecutionStartedEventAttributes");
  const failed = run.written("childWorkflowExecutionFailedEventAttributes");
  expect(started.workflowExecution?.runId).not.toBe("");
  expect(failed).toMatchObject({ initiatedEventId: 5, startedEventId: 6, failure: denied, workflowExecution: started.workflowExecution });
});

test("a refused signal says why in its summary, and names no cause that tells whether there is somebody", () => {
  const { run } = asking(refuse, signal);
  expect(run.written("signalExternalWorkflowExecutionFailedEventAttributes")).toMatchObject({
    initiatedEventId: 5,
    control: "c",
    cause: 1,
  });
  const summary = run.history.at(-2)?.userMetadata?.summary;
  expect(summary === undefined ? "" : JSON.parse(new TextDecoder().decode(summary.data))).toBe("PolicyDenied: not on Sundays");
});

test("a permission caps the run time-out and the attempts of a child", () => {
  const { run } = asking(
    { ...allow, caps: { startToClose: 2 * secondMs, attempts: 3 } },
    startChild("child-1", { workflowRunTimeout: toProtoTime(minuteMs), retryPolicy: make(RetryPolicy, { maximumAttempts: 9 }) }),
  );
  expect(run.written("startChildWorkflowExecutionInitiatedEventAttributes")).toMatchObject({
    workflowRunTimeout: toProtoTime(2 * secondMs),
    retryPolicy: { maximumAttempts: 3 },
  });
});

describe("a child that its parent gives up", () => {
  const giveUp = command("requestCancelExternalWorkflowExecution", { workflowId: "child-1", childWorkflowOnly: true });

  test("while it waits needs no decision: nothing leaves the run", () => {
    const { run, wanted } = asking(hold(), child);
    run.signal();
    run.step([giveUp]);
    expect(wanted.map(({ kind }) => kind)).toEqual(["child-workflow"]);
    run.do((draft) => {
      const waiting = heldBackChild(draft, { namespace: "default", workflowId: "child-1" });
      if (waiting !== null) cancelUnstartedChild(draft, waiting);
    });
    expect(run.draw(11)).toBe("11 ChildWorkflowExecutionStarted, 12 ChildWorkflowExecutionCanceled, 13 WorkflowTaskScheduled");
    expect(unansweredHolds(run.last)).toMatchObject([{ eventId: 5 }]);
  });

  test("once it runs, or if it is another's, is decided", () => {
    const { run, wanted } = asking(allow, child);
    run.do((draft) => {
      const waiting = childToStart(draft, 5);
      if (waiting !== null) childStarted(draft, waiting, { runId: "r", header: undefined });
    });
    run.step([giveUp]);
    expect(wanted.map(({ kind }) => kind)).toEqual(["child-workflow", "external-cancel"]);
  });
});

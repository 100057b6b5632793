import { describe, expect, test } from "vitest";
import { WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { terminateRun } from "./close.ts";
import { applicationFailure, command, completeRun, startTestRun, type TestRun } from "./execution.test-kit.ts";
import { decideStart, idPoliciesProblem } from "./start-policy.ts";

const { ALLOW_DUPLICATE, ALLOW_DUPLICATE_FAILED_ONLY, REJECT_DUPLICATE, TERMINATE_IF_RUNNING } = WorkflowIdReusePolicy;
const { UNSPECIFIED, FAIL, USE_EXISTING, TERMINATE_EXISTING } = WorkflowIdConflictPolicy;
const nameOf = (names: object, value: number) => Object.entries(names).find(([, of]) => of === value)?.[0] ?? "";

const latestRuns: { readonly [status: string]: () => TestRun } = {
  running: () => startTestRun(),
  completed: () => closedBy((run) => run.step([completeRun])),
  failed: () => closedBy((run) => run.step([command("failWorkflowExecution", { failure: applicationFailure() })])),
  canceled: () => closedBy((run) => run.step([command("cancelWorkflowExecution")])),
  terminated: () => closedBy((run) => run.do((draft) => terminateRun(draft, { reason: "enough", identity: "client" }))),
};
function closedBy(close: (run: TestRun) => unknown): TestRun {
  const run = startTestRun();
  close(run);
  return run;
}

const verdictOf = (latest: TestRun, reuse: WorkflowIdReusePolicy, conflict: WorkflowIdConflictPolicy, requestId = "another") =>
  decideStart(latest.state, { reuse, conflict }, requestId).verdict;

describe("every policy, whatever the latest run is", () => {
  const s = "start";
  const r = "refuse";
  const t = "terminate-and-start";
  const u = "use-existing";
  test.each([
    // reuse                       conflict            running  completed  failed  canceled  terminated
    [ALLOW_DUPLICATE, UNSPECIFIED, [r, s, s, s, s]],
    [ALLOW_DUPLICATE, FAIL, [r, s, s, s, s]],
    [ALLOW_DUPLICATE, USE_EXISTING, [u, s, s, s, s]],
    [ALLOW_DUPLICATE, TERMINATE_EXISTING, [t, s, s, s, s]],
    [ALLOW_DUPLICATE_FAILED_ONLY, UNSPECIFIED, [r, r, s, s, s]],
    [ALLOW_DUPLICATE_FAILED_ONLY, USE_EXISTING, [u, r, s, s, s]],
    [ALLOW_DUPLICATE_FAILED_ONLY, TERMINATE_EXISTING, [t, r, s, s, s]],
    [REJECT_DUPLICATE, UNSPECIFIED, [r, r, r, r, r]],
    [REJECT_DUPLICATE, USE_EXISTING, [u, r, r, r, r]],
    [TERMINATE_IF_RUNNING, UNSPECIFIED, [t, s, s, s, s]],
    [WorkflowIdReusePolicy.UNSPECIFIED, UNSPECIFIED, [r, s, s, s, s]],
  ] as const)("reuse %i, conflict %i", (reuse, conflict, verdicts) => {
    const label = `${nameOf(WorkflowIdReusePolicy, reuse)} + ${nameOf(WorkflowIdConflictPolicy, conflict)}`;
    const found = Object.values(latestRuns).map((latest) => verdictOf(latest(), reuse, conflict));
    expect({ label, found }).toEqual({ label, found: verdicts });
  });

  test("a workflow id that was never used", () => {
    expect(decideStart(null, { reuse: REJECT_DUPLICATE, conflict: FAIL }, "request")).toEqual({ verdict: "start" });
  });
});

describe("the same request again", () => {
  test.each(Object.keys(latestRuns))("is answered as before: the run is %s", (status) => {
    const latest = latestRuns[status]?.() ?? startTestRun();
    expect(verdictOf(latest, TERMINATE_IF_RUNNING, UNSPECIFIED, "start")).toBe("repeated");
  });

  test("also when it was attached to a run that another request started", () => {
    const latest = startTestRun();
    latest.do((draft) => draft.requestIds.set("attached", true));
    expect(verdictOf(latest, REJECT_DUPLICATE, FAIL, "attached")).toBe("repeated");
  });

  test("a request without an id is never one", () => {
    const latest = startTestRun();
    latest.do((draft) => {
      draft.core.startRequestId = "";
    });
    expect(verdictOf(latest, ALLOW_DUPLICATE, FAIL, "")).toBe("refuse");
  });
});

test.each([
  ["running", ALLOW_DUPLICATE, "Workflow execution is already running. WorkflowId: order-7, RunId: run-1."],
  [
    "completed",
    ALLOW_DUPLICATE_FAILED_ONLY,
    "Workflow execution already finished successfully. WorkflowId: order-7, RunId: run-1. Workflow Id reuse policy: allow duplicate workflow Id if last run failed.",
  ],
  [
    "failed",
    REJECT_DUPLICATE,
    "Workflow execution already finished. WorkflowId: order-7, RunId: run-1. Workflow Id reuse policy: reject duplicate workflow Id.",
  ],
] as const)("a refusal over a %s run says which run it is", (status, reuse, message) => {
  const latest = latestRuns[status]?.() ?? startTestRun();
  expect(decideStart(latest.state, { reuse, conflict: UNSPECIFIED }, "another")).toEqual({
    verdict: "refuse",
    refusal: { kind: "workflow-already-started", message, startRequestId: "start", runId: "run-1", firstExecutionRunId: "run-1" },
  });
});

test.each([
  [TERMINATE_IF_RUNNING, USE_EXISTING, /^Invalid WorkflowIDReusePolicy: .*TERMINATE_IF_RUNNING cannot be used together with a/],
  [TERMINATE_IF_RUNNING, FAIL, /TERMINATE_IF_RUNNING/],
  [REJECT_DUPLICATE, TERMINATE_EXISTING, /^Invalid WorkflowIDReusePolicy: .*REJECT_DUPLICATE cannot be used together with/],
  [TERMINATE_IF_RUNNING, UNSPECIFIED, null],
  [REJECT_DUPLICATE, USE_EXISTING, null],
  [ALLOW_DUPLICATE, TERMINATE_EXISTING, null],
] as const)("policies that make no sense together: %i with %i", (reuse, conflict, message) => {
  const problem = idPoliciesProblem({ reuse, conflict });
  if (message === null) expect(problem).toBeNull();
  else expect(problem).toMatchObject({ kind: "invalid-argument", message: expect.stringMatching(message) });
});

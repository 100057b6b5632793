import { present } from "../../base/assert.ts";
import type { Json } from "../json.ts";
import type { DagStep } from "../spec/spec.ts";
import type { ParallelKind } from "../step-type/parallel.ts";
import { fatal, succeeded } from "./outcome.ts";
import { isEnded } from "./state.ts";
import { activate, cancelStep, finishStep } from "./step.ts";
import { note, putStep, specOf, stepOf, type Turn } from "./turn.ts";

export function startBranches(turn: Turn, { index, id }: DagStep, kind: ParallelKind): void {
  // In a rerun, some may be there already.
  const ended = kind.branches.map((branch) => stepOf(turn, branch).status).filter(isEnded);
  const good = ended.filter((status) => status === "succeeded").length;
  putStep(turn, index, { branches: { started: 0, open: 0, succeeded: good, failed: ended.length - good } });
  note(turn, "step_parallel_started", {
    stepId: id,
    status: "running",
    data: { steps: kind.branches.map((branch) => specOf(turn, branch).id) },
  });
  turn.agenda.push({ do: "resume", step: index });
}

export function branchEnded(turn: Turn, parallel: number, taken: boolean): void {
  const { branches, status } = stepOf(turn, parallel);
  if (branches === null || isEnded(status)) return;
  const counted = taken ? { succeeded: branches.succeeded + 1 } : { failed: branches.failed + 1 };
  putStep(turn, parallel, { branches: { ...branches, open: branches.open - 1, ...counted } });
  turn.agenda.push({ do: "resume", step: parallel });
}

/** Ends the step when it is decided, and otherwise starts as many branches as may be open. */
export function resumeBranches(turn: Turn, { index }: DagStep, kind: ParallelKind): void {
  const { succeeded: good, failed: bad } = present(stepOf(turn, index).branches, "the branches of a parallel step");
  if (good >= kind.required) {
    finishStep(turn, index, succeeded(outputsOf(turn, kind)));
    cancelRest(turn, kind, "parallel_decided");
    return;
  }
  if (kind.branches.length - bad < kind.required) {
    const failures = kind.branches.map((branch) => specOf(turn, branch).id).filter((_id, position) => hasFailed(turn, kind, position));
    finishStep(turn, index, fatal(`${kind.required} of ${kind.branches.length} steps had to succeed: ${failures.join(", ")} did not`));
    cancelRest(turn, kind, "parallel_failed");
    return;
  }
  for (;;) {
    const branches = present(stepOf(turn, index).branches, "the branches of a parallel step");
    const next = kind.branches[branches.started];
    if (next === undefined || branches.open >= kind.parallelMax) return;
    const isThere = isEnded(stepOf(turn, next).status);
    putStep(turn, index, { branches: { ...branches, started: branches.started + 1, open: branches.open + (isThere ? 0 : 1) } });
    if (!isThere) activate(turn, next);
  }
}

const hasFailed = (turn: Turn, { branches }: ParallelKind, position: number): boolean => {
  const { status } = stepOf(turn, present(branches[position], "a branch"));
  return isEnded(status) && status !== "succeeded";
};

function cancelRest(turn: Turn, { branches }: ParallelKind, reason: string): void {
  for (const branch of branches) cancelStep(turn, branch, reason);
}

const outputsOf = (turn: Turn, { branches }: ParallelKind): Json =>
  Object.fromEntries(
    branches
      .filter((branch) => stepOf(turn, branch).status === "succeeded")
      .map((branch) => [specOf(turn, branch).id, stepOf(turn, branch).output]),
  );

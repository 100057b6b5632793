import { ok, type Result } from "../../base/result.ts";
import type { RunStart } from "../../dag/decider/event.ts";
import { dryRun, type PlannedAction, type PlannedStep } from "../../dag/dry-run.ts";
import { actionOf } from "../../governance/action.ts";
import { inputOfValues } from "../../governance/action-input.ts";
import { type Decision, decide } from "../../governance/policy/decide.ts";
import type { Snapshot } from "../../governance/policy/snapshot.ts";
import type { Session } from "../access/session.ts";
import { gated } from "../built-in/approval-gate.ts";
import { saidIn } from "../policy/wanted-action.ts";
import type { Definition } from "./definitions.ts";
import type { RouteTopic } from "./routes.ts";
import { headerOf, placeOf } from "./step-activity.ts";

/** A step as it would be asked for. `decision` is null for what happens inside of the run. */
export type DryRunStep = PlannedStep & {
  readonly taskQueue: string | null;
  readonly decision: Decision | null;
  readonly compensationTaskQueue: string | null;
  readonly compensationDecision: Decision | null;
};

type Scope = Pick<RunStart, "input" | "labels" | "config"> & {
  readonly namespace: string;
  readonly by: string;
  readonly session?: Session;
  readonly snapshot: Snapshot;
  readonly routeTopic: RouteTopic;
};

/**
 * Decides every step by the policy in force, and does nothing. A rule that looks into an input which is not known before other steps have run
 * sees the template in its place. Refused with a sentence when the input is not what the definition asks for.
 */
export function planOf({ spec, key }: Definition, scope: Scope): Result<readonly DryRunStep[], string> {
  const planned = dryRun(spec, { input: scope.input, workflowId: key.workflowId, config: scope.config?.data ?? {} });
  if (!planned.ok) return planned;
  return ok(
    planned.value.map((step) => ({
      ...step,
      taskQueue: taskQueueOf(step.action, scope.routeTopic),
      compensationTaskQueue: taskQueueOf(step.compensation, scope.routeTopic),
      decision: step.action === null ? null : decisionOn(step.action, step.stepId, key.workflowId, scope),
      compensationDecision:
        step.compensation === null ? null : decisionOn(step.compensation, `${step.stepId}.compensate`, key.workflowId, scope),
    })),
  );
}

const taskQueueOf = (action: PlannedAction | null, routeTopic: RouteTopic): string | null =>
  action?.kind === "activity" ? placeOf(action, routeTopic).taskQueue : null;

const noRun = "dry-run";

function decisionOn(action: PlannedAction, stepId: string, workflowId: string, scope: Scope): Decision {
  const { namespace, by, snapshot, routeTopic } = scope;
  const ids = { namespace, workflowType: workflowId, workflowId: noRun, actionId: stepId, input: inputOfValues([action.input]) };
  const starter = { id: by, kind: "service", roles: [] } as const;
  if (action.kind === "child")
    return decide(snapshot, actionOf({ ...ids, kind: "child-workflow", name: String(action.workflowId), principal: starter }));
  const { taskQueue, activityType } = placeOf(action, routeTopic);
  const labels = {
    ...scope.labels,
    ...action.labels,
    ...(action.workerId === null ? {} : { worker_id: action.workerId }),
    workflow_id: workflowId,
    run_id: noRun,
    step_id: stepId,
  };
  const { actor, ...said } = saidIn(headerOf({ ...action, labels }, noRun));
  // Who had to prove who they are acts as nobody else: see `actionIn`.
  const mayName = (scope.session?.principal ?? null) === null;
  const principal = actor && mayName ? ({ id: actor, kind: "service", roles: [] } as const) : starter;
  return gated(decide(snapshot, actionOf({ ...ids, ...said, kind: "activity", name: activityType, taskQueue, principal }))).decision;
}

import type { EpochMs } from "../../base/time.ts";
import { formatActionId, jobIdOf } from "../action-id.ts";
import type { RunEnd, StepError } from "../decider/effect.ts";
import type { ActionState, DagState, StepState } from "../decider/state.ts";
import type { Json } from "../json.ts";
import type { DagSpec, DagStep } from "../spec/spec.ts";

export type RunStatus = "pending" | "running" | "waiting" | RunEnd["status"];

/** A run as the API shows it. */
export type RunView = {
  readonly id: string;
  readonly workflow_id: string;
  readonly org_id: string;
  readonly team_id: string;
  readonly input: Json;
  readonly context: Json;
  readonly status: RunStatus;
  readonly started_at: string | null;
  readonly completed_at: string | null;
  readonly output: Json;
  readonly error: { readonly message: string; readonly step_id?: string } | null;
  readonly steps: { readonly [id: string]: StepRunView };
  readonly labels: { readonly [name: string]: string };
  readonly updated_at: string | null;
  /** What was compensated, in the order in which that was done. */
  readonly compensations: readonly CompensationView[];
};

export type StepRunView = {
  readonly step_id: string;
  readonly status: string;
  readonly started_at: string | null;
  readonly completed_at: string | null;
  readonly next_attempt_at: string | null;
  readonly attempts: number;
  readonly input: Json;
  readonly output: Json;
  readonly error: { readonly message: string } | null;
  readonly job_id: string;
  readonly item?: Json;
  readonly child_run_id?: string;
  readonly children?: { readonly [id: string]: StepRunView };
};

export type CompensationView = {
  readonly step_id: string;
  readonly status: string;
  readonly attempts: number;
  readonly job_id: string;
  readonly error: { readonly message: string } | null;
};

/** How many items of one step are shown; a run of more says how many there are in the output of the step. */
export const childrenShownMax = 1_000;

export const timeText = (at: EpochMs | null): string | null => (at === null ? null : new Date(at).toISOString());

/** What the run is doing: it waits when something waits for people or for a signal, and nothing else goes on. */
export function runStatus(state: DagState): RunStatus {
  if (state.closed !== null) return state.closed.status;
  if (state.start === null) return "pending";
  if (state.ending !== null) return "running";
  let isWaiting = false;
  for (const { status, action, group } of state.steps) {
    const waits = action?.status === "waiting" || (group?.waiting ?? 0) > 0;
    if (waits) isWaiting = true;
    else if (status === "running" && action !== null) return "running";
  }
  return isWaiting ? "waiting" : "running";
}

export function runView(spec: DagSpec, state: DagState): RunView {
  const runId = state.start?.runId ?? "";
  const { ending } = state;
  const steps: { [id: string]: StepRunView } = {};
  for (const step of spec.steps) {
    const was = state.steps[step.index];
    if (was !== undefined) steps[step.id] = stepView(step, was, runId);
  }
  return {
    id: runId,
    workflow_id: state.start?.workflowId ?? "",
    org_id: spec.orgId ?? "",
    team_id: spec.teamId ?? "",
    input: state.start?.input ?? null,
    context: state.context,
    status: runStatus(state),
    started_at: state.start === null ? null : timeText(state.startedAt),
    completed_at: timeText(state.closed?.at ?? null),
    output: state.closed?.status === "succeeded" ? (ending?.output ?? null) : null,
    error:
      ending === null || ending.error === null
        ? null
        : { message: ending.error.message, ...(ending.stepId === null ? {} : { step_id: ending.stepId }) },
    steps,
    labels: state.start?.labels ?? {},
    updated_at: state.start === null ? null : timeText(state.updatedAt),
    compensations: compensationViews(spec, state, runId),
  };
}

function stepView(
  { id }: DagStep,
  { status, startedAt, completedAt, output, error, action, group }: StepState,
  runId: string,
): StepRunView {
  const seen = action === null ? null : actionView({ stepId: id, item: null }, action, runId);
  return {
    step_id: id,
    status: action !== null && (status === "running" || status === "pending") ? action.status : status,
    started_at: timeText(startedAt),
    completed_at: timeText(completedAt),
    next_attempt_at: seen?.next_attempt_at ?? null,
    attempts: seen?.attempts ?? 0,
    input: seen?.input ?? null,
    output,
    error: errorView(error ?? action?.error ?? null),
    job_id: seen?.job_id ?? "",
    ...(action === null || action.childRunId === null ? {} : { child_run_id: action.childRunId }),
    ...(group === null
      ? {}
      : {
          children: Object.fromEntries(
            group.actions
              .slice(0, childrenShownMax)
              .map((one, item) => [`${id}[${item}]`, { ...actionView({ stepId: id, item }, one, runId), item: group.items[item] ?? null }]),
          ),
        }),
  };
}

function actionView(key: { readonly stepId: string; readonly item: number | null }, action: ActionState, runId: string): StepRunView {
  const { stepId, item } = key;
  return {
    step_id: item === null ? stepId : `${stepId}[${item}]`,
    status: action.status,
    started_at: timeText(action.startedAt),
    completed_at: timeText(action.completedAt),
    next_attempt_at: timeText(action.nextAttemptAt),
    attempts: action.attempt,
    input: action.input,
    output: action.output,
    error: errorView(action.error),
    job_id: jobIdOf(runId, formatActionId({ ...key, compensates: false, attempt: action.attempt })),
  };
}

const errorView = (error: StepError | null): { readonly message: string } | null => (error === null ? null : { message: error.message });

function compensationViews(spec: DagSpec, { compensation }: DagState, runId: string): readonly CompensationView[] {
  if (compensation === null) return [];
  const { results, current } = compensation;
  const under =
    current === null ? [] : [{ ...current.of, status: "running", attempts: current.action.attempt, error: current.action.error }];
  return [...results, ...under].map(({ step, item, status, attempts, error }) => {
    const key = { stepId: spec.steps[step]?.id ?? "", item, compensates: true, attempt: attempts };
    return {
      step_id: item === null ? key.stepId : `${key.stepId}[${item}]`,
      status,
      attempts,
      job_id: jobIdOf(runId, formatActionId(key)),
      error: errorView(error),
    };
  });
}

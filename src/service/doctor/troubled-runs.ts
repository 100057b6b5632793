import type { EpochMs } from "../../base/time.ts";
import { minuteMs } from "../../base/time.ts";
import { isRunning, type MutableState } from "../../execution/execution.ts";
import { WorkflowTaskFailedCause } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { History, type HistoryEvent } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import type { RunKey, Store } from "../../store/store.ts";
import { type Checkup, counted, examplesMax, groupedBy, type Symptom } from "./symptom.ts";

/** More attempts than these are no hiccup any more. */
const workflowTaskAttemptsMax = 3;
const activityAttemptsMax = 5;
/** Events read from the end of a history for the last failure of a workflow task. */
const eventsMax = 64;

type Trouble = {
  readonly kind: "workflow-task-failing" | "activity-failing" | "throttled";
  readonly run: RunKey;
  /** What is in trouble in the same way. */
  readonly of: string;
  readonly attempt: number;
  readonly since: EpochMs;
  /** Null when it has to be read from history. */
  readonly failure: string | null;
};

/** Open runs that do not get on: their workers fail again and again, or the policy slows them down. One symptom for each type of work. */
export function troubledRuns({
  store,
  survey,
}: {
  readonly store: Pick<Store, "readHistoryReverse">;
  /** Open runs, newest first. */
  readonly survey: () => Promise<readonly MutableState[]>;
}): Checkup {
  return async (now) => {
    const troubles = (await survey()).flatMap((state) => troublesOf(state, now));
    const groups = groupedBy(troubles, ({ kind, run, of }) => JSON.stringify([kind, run.namespaceId, of]));
    return Promise.all(groups.map((group) => symptomOf(store, group)));
  };
}

function troublesOf(state: MutableState, now: EpochMs): readonly Trouble[] {
  const { key: run, core, started } = state;
  if (!isRunning(state)) return [];
  const troubles: Trouble[] = [];
  const attempt = Math.max(core.workflowTask?.attempt ?? 1, core.workflowTaskAttempt);
  if (attempt > workflowTaskAttemptsMax)
    troubles.push({
      kind: "workflow-task-failing",
      run,
      of: `workflow \`${started.workflowType?.name ?? ""}\` (task queue \`${started.taskQueue?.name ?? ""}\`)`,
      attempt,
      since: core.workflowTask?.originalScheduledTime ?? core.startTime,
      failure: null,
    });
  for (const activity of state.activities.values()) {
    if (activity.closing || activity.hold !== undefined) continue;
    const about = { run, of: `activity \`${activity.activityType}\` (task queue \`${activity.taskQueue}\`)`, attempt: activity.attempt };
    if (activity.attempt > activityAttemptsMax)
      troubles.push({
        ...about,
        kind: "activity-failing",
        since: activity.scheduledTime,
        failure: activity.lastFailure?.message || "no message",
      });
    // What has not been tried and is not due yet was put off by a rule.
    else if (activity.attempt === 1 && !activity.dispatched && !activity.limited && now - activity.scheduledTime > minuteMs)
      troubles.push({ ...about, kind: "throttled", since: activity.scheduledTime, failure: "a rule of the policy throttles it" });
  }
  return troubles;
}

async function symptomOf(store: Pick<Store, "readHistoryReverse">, troubles: readonly Trouble[]): Promise<Symptom> {
  const worst = troubles.reduce((a, b) => (b.attempt > a.attempt ? b : a));
  const { kind, of, attempt, run } = worst;
  const about = {
    kind,
    namespaceId: run.namespaceId,
    since: Math.min(...troubles.map(({ since }) => since)),
    count: troubles.length,
    examples: troubles.slice(0, examplesMax).map((trouble) => trouble.run),
  };
  switch (kind) {
    case "workflow-task-failing":
      return {
        ...about,
        severity: "critical",
        what: `workflow tasks of ${of} fail again and again in ${counted(troubles.length, "run")}, now at attempt ${attempt}`,
        why: await lastFailure(store, run),
        executed: "everything in the runs' histories has happened, and nothing of the failing workflow tasks",
        safe: "deploy a worker that can replay these histories: the tasks are tried again by themselves. Do not start the workflows again",
      };
    case "activity-failing":
      return {
        ...about,
        severity: "warning",
        what: `${of} fails again and again in ${counted(troubles.length, "run")}, now at attempt ${attempt}`,
        why: `its last failure: ${worst.failure}`,
        executed: "each attempt may have done something before it failed; the activity itself knows",
        safe: "repair what it depends on, or the worker: it is tried again by itself as its retry policy says",
      };
    case "throttled":
      return {
        ...about,
        severity: "warning",
        what: `${of} is slowed down by the policy in ${counted(troubles.length, "run")}`,
        why: `${worst.failure}: see \`holdfast audit list\` for which`,
        executed: "nothing of these activities: they begin when their delay is over",
        safe: "wait; or publish a policy without the throttle, under which they are decided again when they are due",
      };
  }
}

/** How a workflow task of the run ended last without success, as its history has it. Of a row of failures, history has the first. */
async function lastFailure(store: Pick<Store, "readHistoryReverse">, run: RunKey): Promise<string> {
  const batches = await store.readHistoryReverse(run, { fromEventId: 1, toEventId: Number.MAX_SAFE_INTEGER, eventsMax });
  const events = batches.flatMap(({ bytes }) => History.decode(bytes).events).sort((a, b) => b.eventId - a.eventId);
  return events.map(failureIn).find((failure) => failure !== null) ?? "the failure is further back in its history";
}

function failureIn({ attributes }: HistoryEvent): string | null {
  if (attributes?.$case === "workflowTaskTimedOutEventAttributes")
    return "its last failure: the worker took the task and did not answer in time";
  if (attributes?.$case !== "workflowTaskFailedEventAttributes") return null;
  const { cause, failure, identity } = attributes.value;
  const [name = "UNSPECIFIED"] = Object.entries(WorkflowTaskFailedCause).find(([, value]) => value === cause) ?? [];
  return `its last failure: ${name}${failure?.message ? `, ${failure.message}` : ""} (worker \`${identity}\`)`;
}

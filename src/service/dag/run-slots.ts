import { ok } from "../../base/result.ts";
import { type DurationMs, secondMs } from "../../base/time.ts";
import { isRunning } from "../../execution/execution.ts";
import { parseVisibilityQuery } from "../../execution/visibility/query.ts";
import { scheduleWorkflowTask } from "../../execution/workflow-task.ts";
import { WorkflowExecutionInfo } from "../../protocol/generated/temporal/api/workflow/v1/message.ts";
import type { ListedExecution, RunKey, Store } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import { dagTaskQueue } from "../built-in/server-task-queue.ts";
import type { Clock } from "../clock.ts";
import type { Namespaces } from "../namespaces.ts";
import type { Part, Runs } from "../runs.ts";
import { queuedStatus, readStatus } from "./run-record.ts";

type WorkflowRef = { readonly namespaceId: string; readonly workflowId: string };

/**
 * Which runs of a workflow may be open at once, where its definition says how many. A run takes its slot when it begins, and gives it back when
 * it closes; those without one stand in line in the order in which they became ready, and are given a workflow task when it is their turn.
 *
 * Nothing of this is stored beside the runs: a run that has begun says so in its status, in the very commit that begins it. So what is kept
 * here is read from the open runs of the workflow, and whatever a crash interrupts is found again.
 */
export type RunSlots = {
  /** Whether the run may begin now. Once it may, it has its slot until it closes. */
  enter(run: RunKey, of: { readonly workflowId: string; readonly max: number | null }): Promise<boolean>;
  /** The workflow has another definition by now: its runs in line go by that one. */
  changed(workflow: WorkflowRef, max: number | null): void;
  /** To be told of runs that were committed. */
  committed(parts: readonly Part[]): void;
  /** Wakes those whose turn came just before the last process ended. */
  recover(): Promise<void>;
};

/** What a commit says of a run. */
type Fact = { readonly key: RunKey; readonly is: "ready" | "begun" | "closed" };

/** The open runs of one workflow. */
type Group = {
  /** As the definition said last. */
  max: number;
  readonly begun: Set<string>;
  /** By run id, the one whose turn is next at the beginning. */
  readonly line: Map<string, RunKey>;
};

const pageMax = 1_000;
const retryAfterMs: DurationMs = secondMs;

export function createRunSlots(deps: {
  readonly store: Pick<Store, "listExecutions">;
  readonly runs: Pick<Runs<unknown>, "load" | "transact">;
  readonly namespaces: Pick<Namespaces, "byId" | "list">;
  readonly clock: Pick<Clock, "now" | "schedule">;
  readonly log: Log;
}): RunSlots {
  const { store, runs, namespaces, clock, log } = deps;
  const groups = new Map<string, Group>();
  /** Groups that are being read, with what happens meanwhile. */
  const reading = new Map<string, { readonly group: Promise<Group>; readonly facts: Fact[] }>();

  /** Runs that wait, by run id, with their place among all that came since this process began: times alone do not tell them apart. */
  const arrivals = new Map<string, number>();
  let arrived = 0;

  async function groupOf(of: WorkflowRef): Promise<Group> {
    const name = nameOf(of);
    const known = groups.get(name);
    if (known !== undefined) return known;
    const under = reading.get(name);
    if (under !== undefined) return under.group;
    const facts: Fact[] = [];
    const group = read(of, facts).finally(() => reading.delete(name));
    reading.set(name, { group, facts });
    return group;
  }

  async function read(of: WorkflowRef, facts: readonly Fact[]): Promise<Group> {
    const group: Group = { max: 1, begun: new Set(), line: new Map() };
    const open = await openRuns(of.namespaceId, ` AND WorkflowType = '${of.workflowId.replaceAll("'", "''")}'`);
    for (const { key, isQueued } of open) {
      if (!isQueued) group.begun.add(key.runId);
      // One that the policy keeps back stands in no line.
      else if (isReady((await runs.load(key))?.state.core)) group.line.set(key.runId, key);
    }
    for (const fact of facts) take(group, fact);
    groups.set(nameOf(of), group);
    return group;
  }

  /** In the order in which they came: before this process by their start, in one millisecond by their id. */
  async function openRuns(namespaceId: string, further: string): Promise<readonly { readonly key: RunKey; readonly isQueued: boolean }[]> {
    const types = namespaces.byId(namespaceId)?.attributeTypes ?? new Map();
    const query = parseVisibilityQuery(`TaskQueue = '${dagTaskQueue}' AND ExecutionStatus = 'Running'${further}`, types);
    if (!query.ok) throw new Error(`assertion failed: a query of the server's own cannot be read: ${JSON.stringify(query.error)}`);
    const found: ListedExecution[] = [];
    for (let after: string | null = null; ; ) {
      const page: Awaited<ReturnType<Store["listExecutions"]>> = await store.listExecutions({
        namespaceId,
        query: query.value,
        limit: pageMax,
        after,
      });
      found.push(...page.executions);
      after = page.next;
      if (after === null) break;
    }
    return found
      .map(({ key, info }) => {
        const { searchAttributes, startTime } = WorkflowExecutionInfo.decode(info);
        return {
          key,
          isQueued: readStatus(searchAttributes) === queuedStatus,
          startedAt: startTime?.getTime() ?? 0,
          arrival: arrivals.get(key.runId) ?? 0,
        };
      })
      .sort((a, b) => a.arrival - b.arrival || a.startedAt - b.startedAt || (a.key.runId < b.key.runId ? -1 : 1));
  }

  /** Gives whoever is next a workflow task. One that has a task already asks by itself. */
  function wakeNext(group: Group, atLeast = 0): void {
    let room = Math.max(atLeast, group.max - group.begun.size);
    for (const key of group.line.values()) {
      if (room-- <= 0) return;
      void wake(key);
    }
  }

  async function wake(key: RunKey): Promise<void> {
    const again = (why: unknown): void => {
      log.warn("a run whose turn it is was not woken, trying again", { ...key }, why);
      clock.schedule(clock.now() + retryAfterMs, () => void wake(key));
    };
    try {
      const woken = await runs.transact(key, (draft) => {
        scheduleWorkflowTask(draft);
        return ok(undefined);
      });
      // A run that is gone by now needs no waking.
      if (!woken.ok && woken.error.kind === "unavailable") again(new Error(woken.error.message));
    } catch (error) {
      again(error);
    }
  }

  const forgetEmpty = (name: string, { begun, line }: Group): void => {
    if (begun.size === 0 && line.size === 0) groups.delete(name);
  };

  return {
    enter: async (run, { workflowId, max }) => {
      const of = { namespaceId: run.namespaceId, workflowId };
      const group = await groupOf(of);
      group.max = max ?? Number.POSITIVE_INFINITY;
      if (group.begun.has(run.runId)) return true;
      if (!group.line.has(run.runId)) group.line.set(run.runId, run);
      if (!isNext(group, run.runId)) return false;
      take(group, { key: run, is: "begun" });
      return true;
    },
    changed: ({ namespaceId, workflowId }, max) => {
      const group = groups.get(nameOf({ namespaceId, workflowId }));
      if (group === undefined) return;
      group.max = max ?? Number.POSITIVE_INFINITY;
      wakeNext(group);
    },
    committed: (parts) => {
      for (const { draft } of parts) {
        const { key, started, core } = draft;
        if (started.taskQueue?.name !== dagTaskQueue) continue;
        const isQueued = readStatus(core.searchAttributes) === queuedStatus;
        if (!isQueued || !isRunning(draft)) arrivals.delete(key.runId);
        else if (!arrivals.has(key.runId)) arrivals.set(key.runId, ++arrived);
        const name = nameOf({ namespaceId: key.namespaceId, workflowId: started.workflowType?.name ?? "" });
        const group = groups.get(name);
        const facts = reading.get(name)?.facts;
        if (group === undefined && facts === undefined) continue;
        const is = !isRunning(draft) ? "closed" : !isQueued ? "begun" : isReady(core) ? "ready" : null;
        if (is === null) continue;
        facts?.push({ key, is });
        if (group === undefined) continue;
        take(group, { key, is });
        // What has no task under way, or has just lost its place to nobody, is looked at again.
        if (is === "closed" || (is === "ready" && core.workflowTask === undefined)) wakeNext(group);
        forgetEmpty(name, group);
      }
    },
    recover: async () => {
      for (const { id: namespaceId } of namespaces.list()) {
        const queued = await openRuns(namespaceId, ` AND HoldfastRunStatus = '${queuedStatus}'`);
        const workflows = new Set<string>();
        for (const { key } of queued) workflows.add((await runs.load(key))?.state.started.workflowType?.name ?? "");
        for (const workflowId of workflows) wakeNext(await groupOf({ namespaceId, workflowId }), 1);
      }
    },
  };
}

const nameOf = ({ namespaceId, workflowId }: WorkflowRef): string => `${namespaceId}/${workflowId}`;

/** Whether it has a workflow task, or had one: nothing but its turn keeps it from beginning. */
const isReady = (core: Pick<Part["draft"]["core"], "workflowTask" | "lastCompletedStartedEventId"> | undefined): boolean =>
  core !== undefined && (core.workflowTask !== undefined || core.lastCompletedStartedEventId > 0);

/** Whether it stands among those for whom there is room. */
function isNext({ max, begun, line }: Group, runId: string): boolean {
  let room = max - begun.size;
  for (const next of line.keys()) {
    if (room-- <= 0) return false;
    if (next === runId) return true;
  }
  return false;
}

function take({ begun, line }: Group, { key: { runId }, key, is }: Fact): void {
  if (is === "ready") {
    if (!begun.has(runId) && !line.has(runId)) line.set(runId, key);
    return;
  }
  line.delete(runId);
  if (is === "begun") begun.add(runId);
  else begun.delete(runId);
}

import { type QuotaLimits, type QuotaOptions, quotasOf } from "../../access/quota.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { type DurationMs, secondMs } from "../../base/time.ts";
import { type Draft, isRunning, type MutableState } from "../../execution/execution.ts";
import { parseVisibilityQuery } from "../../execution/visibility/query.ts";
import type { Refusal } from "../../protocol/refusal.ts";
import type { RunKey, Store } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { NamespaceEntry, Namespaces } from "../namespaces.ts";
import type { Part, Staged } from "../runs.ts";
import { Allowance } from "./allowance.ts";
import { type QuotaName, quotaExceeded, workerFactor } from "./quota.ts";
import { createStoredBytes } from "./stored-bytes.ts";

/** A worker's `poll` and `answer` are of work that was let in before. */
export type RequestKind = "request" | "poll" | "answer";

export type QuotaUsage = {
  readonly quota: QuotaName;
  /** Null where there is no limit, and nothing is counted. */
  readonly used: number | null;
  readonly limit: number | null;
};

type Stage<I> = (parts: readonly Part[], inline: I | undefined) => Staged;

/**
 * What namespaces take of the server, and whether they may take more. Open runs and activities are counted in the transition that begins or ends
 * them, and what is on its way to disk counts: a limit is never exceeded by requests that come together.
 */
export type Quotas = {
  /** Counts a request; refused when none is left. */
  request(namespaceId: string, kind: RequestKind): Result<void, Refusal>;
  /** Counts a poll that waits, until the returned function is called; refused when too many do. */
  poll(namespaceId: string): Result<() => void, Refusal>;
  /** Refused when the namespace has all the open runs it may have, or is full. To be asked in the turn in which the run is submitted. */
  mayStart(namespaceId: string): Result<void, Refusal>;
  /** Refused when the histories of the namespace are too large for more facts from outside. */
  mayStore(namespaceId: string): Result<void, Refusal>;
  /** Room for one more activity with a worker; null if there is none. To be given back when its start is on disk, and counted there, or failed. */
  takeActivity(namespaceId: string): (() => void) | null;
  /** Calls back with the namespace when an activity that had taken room has ended. */
  onRoom(listener: (namespaceId: string) => void): void;
  /** Counts what a transition begins and ends. */
  following<I>(stage: Stage<I>): Stage<I>;
  /** By name; empty for a namespace that there is not. */
  usageOf(namespace: string): readonly QuotaUsage[];
  /** Counts what the last process left, in namespaces with such limits: each open run is read where activities are limited. Before anything is handed out. */
  recover(load: (key: RunKey) => Promise<{ readonly state: MutableState } | null>): Promise<void>;
  stop(): void;
};

/** What a namespace has taken. */
type Count = {
  readonly name: string;
  readonly limits: QuotaLimits;
  readonly requests: Allowance | null;
  readonly workerRequests: Allowance | null;
  openRuns: number;
  activities: number;
  /** Activities about to be counted. */
  taking: number;
  polls: number;
};

/** How much a transition adds to, or takes from, its namespace. */
type Delta = {
  readonly count: Count;
  readonly namespaceId: string;
  readonly runs: number;
  readonly activities: number;
  readonly bytes: () => number;
};

/** Namespaces that metrics tell apart; the rest is `other`. */
const namespacesInMetricsMax = 100;
const pageSize = 1_000;
/** When a quota that only other work gives back is worth another try. */
const roomAfter: DurationMs = secondMs;
const passes: Result<void, Refusal> = ok(undefined);
const nothing = (): void => {};

export function createQuotas(deps: {
  readonly options: QuotaOptions;
  readonly namespaces: Pick<Namespaces, "byId" | "get" | "list">;
  readonly store: Pick<Store, "countExecutions" | "listExecutions" | "readRuns" | "loadRun">;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "quotaRefusals" | "quotaUsed">;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}): Quotas {
  const { options, namespaces, store, log, metrics, now = () => performance.now() } = deps;
  const counts = new Map<string, Count>();
  const stored = createStoredBytes({
    store,
    log,
    isMeasured: (namespaceId) => (countOf(namespaceId)?.limits.storedBytes ?? null) !== null,
  });
  let hasRoom: (namespaceId: string) => void = nothing;

  /** Null for a namespace that there is not. */
  function countOf(namespaceId: string): Count | null {
    const known = counts.get(namespaceId);
    if (known !== undefined) return known;
    const entry = namespaces.byId(namespaceId);
    if (entry === undefined) return null;
    const count = newCount(entry.name, quotasOf(options, entry.name), now());
    counts.set(namespaceId, count);
    return count;
  }

  const labels = new Set<string>();
  function labelOf(name: string): string {
    if (labels.size < namespacesInMetricsMax) labels.add(name);
    return labels.has(name) ? name : "other";
  }

  function refuse(count: Count, name: Parameters<typeof quotaExceeded>[0], limit: number, retryAfter: DurationMs): Result<never, Refusal> {
    metrics.quotaRefusals.add(1, labelOf(count.name), name);
    return err(quotaExceeded(name, limit, retryAfter));
  }

  function mayStore(namespaceId: string): Result<void, Refusal> {
    const count = countOf(namespaceId);
    const max = count?.limits.storedBytes ?? null;
    if (count === null || max === null || stored.of(namespaceId) < max) return passes;
    return refuse(count, "stored-bytes", max, roomAfter);
  }

  function* deltasOf(parts: readonly Part[]): Generator<Delta> {
    for (const { draft, becomeCurrent } of parts) {
      const { namespaceId } = draft.key;
      const count = countOf(namespaceId);
      if (count === null) continue;
      const { openRuns, concurrentActivities, storedBytes } = count.limits;
      if (openRuns === null && concurrentActivities === null && storedBytes === null) continue;
      const wasOpen = becomeCurrent === undefined && isRunning(draft.base);
      yield {
        count,
        namespaceId,
        runs: Number(isRunning(draft)) - Number(wasOpen),
        activities: concurrentActivities === null ? 0 : startedIn(draft),
        // How large it is becomes known when it is encoded.
        bytes: () => (storedBytes === null ? 0 : draft.core.historyBytes - draft.base.core.historyBytes),
      };
    }
  }

  const add = ({ count }: Delta, runs: number, activities: number): void => {
    count.openRuns += runs;
    count.activities += activities;
  };

  function usageIn(namespaceId: string, count: Count): readonly QuotaUsage[] {
    const { requestsPerSecond, openRuns, storedBytes, concurrentActivities, openPolls } = count.limits;
    const spent = (allowance: Allowance | null) =>
      allowance === null ? null : Math.max(0, Math.ceil(allowance.rate.burst - allowance.leftAt(now())));
    const counted = (limit: number | null, used: number) => ({ used: limit === null ? null : used, limit });
    return [
      { quota: "requests", used: spent(count.requests), limit: requestsPerSecond === null ? null : (count.requests?.rate.burst ?? null) },
      {
        quota: "worker-requests",
        used: spent(count.workerRequests),
        limit: requestsPerSecond === null ? null : (count.workerRequests?.rate.burst ?? null),
      },
      { quota: "open-runs", ...counted(openRuns, count.openRuns) },
      { quota: "stored-bytes", ...counted(storedBytes, stored.of(namespaceId)) },
      { quota: "concurrent-activities", ...counted(concurrentActivities, count.activities) },
      { quota: "open-polls", ...counted(openPolls, count.polls) },
    ];
  }

  metrics.quotaUsed.readFrom(() => {
    const used = [...counts].flatMap(([id, count]) =>
      usageIn(id, count).flatMap(({ quota, used }) => (used === null ? [] : [[used, labelOf(count.name), quota] as const])),
    );
    return used.filter(([, label]) => label !== "other");
  });

  async function recoverOne(
    { id, attributeTypes }: NamespaceEntry,
    load: (key: RunKey) => Promise<{ readonly state: MutableState } | null>,
  ): Promise<void> {
    const count = countOf(id);
    if (count === null) return;
    const query = parseVisibilityQuery("ExecutionStatus = 'Running'", attributeTypes);
    if (!query.ok) throw new Error(`assertion failed: a query of the server's own cannot be read: ${JSON.stringify(query.error)}`);
    const of = { namespaceId: id, query: query.value };
    if (count.limits.openRuns !== null) count.openRuns = (await store.countExecutions(of)).total;
    if (count.limits.concurrentActivities === null) return;
    for (let after: string | null = null; ; ) {
      const page: Awaited<ReturnType<Store["listExecutions"]>> = await store.listExecutions({ ...of, limit: pageSize, after });
      for (const { key } of page.executions) {
        const run = await load(key);
        if (run !== null && isRunning(run.state)) count.activities += startedAmong(run.state.activities.values());
      }
      after = page.next;
      if (after === null) return;
    }
  }

  return {
    request: (namespaceId, kind) => {
      const count = countOf(namespaceId);
      const allowance = kind === "request" ? count?.requests : count?.workerRequests;
      if (count === null || allowance === null || allowance === undefined) return passes;
      const wait = allowance.take(now());
      return wait === 0 ? passes : refuse(count, kind === "request" ? "requests" : "worker-requests", allowance.rate.perSecond, wait);
    },
    poll: (namespaceId) => {
      const count = countOf(namespaceId);
      const max = count?.limits.openPolls ?? null;
      if (count === null || max === null) return ok(nothing);
      if (count.polls >= max) return refuse(count, "open-polls", max, roomAfter);
      count.polls++;
      return ok(() => void count.polls--);
    },
    mayStart: (namespaceId) => {
      const count = countOf(namespaceId);
      const max = count?.limits.openRuns ?? null;
      if (count !== null && max !== null && count.openRuns >= max) return refuse(count, "open-runs", max, roomAfter);
      return mayStore(namespaceId);
    },
    mayStore,
    takeActivity: (namespaceId) => {
      const count = countOf(namespaceId);
      const max = count?.limits.concurrentActivities ?? null;
      if (count === null || max === null) return nothing;
      if (count.activities + count.taking >= max) return null;
      count.taking++;
      return () => {
        count.taking--;
        if (count.activities + count.taking < max) hasRoom(namespaceId);
      };
    },
    onRoom: (listener) => {
      hasRoom = listener;
    },
    following: (stage) => (parts, inline) => {
      const staged = stage(parts, inline);
      const deltas = [...deltasOf(parts)];
      if (deltas.length === 0) return staged;
      // A run that goes on as another one is one run; so what is decided together is counted together.
      const runs = deltas.reduce((sum, delta) => sum + delta.runs, 0);
      const early = (delta: Delta) => [runs > 0 ? delta.runs : 0, Math.max(0, delta.activities)] as const;
      for (const delta of deltas) add(delta, ...early(delta));
      return {
        ...staged,
        committed: () => {
          for (const delta of deltas) {
            const [earlyRuns, earlyActivities] = early(delta);
            add(delta, delta.runs - earlyRuns, delta.activities - earlyActivities);
            stored.grown(delta.namespaceId, delta.bytes());
          }
          staged.committed();
          for (const { activities, namespaceId } of deltas) if (activities < 0) hasRoom(namespaceId);
        },
        failed: () => {
          for (const delta of deltas) {
            const [earlyRuns, earlyActivities] = early(delta);
            add(delta, -earlyRuns, -earlyActivities);
          }
          staged.failed();
        },
      };
    },
    usageOf: (name) => {
      const found = namespaces.get(name);
      const count = found.ok ? countOf(found.value.id) : null;
      return found.ok && count !== null ? usageIn(found.value.id, count) : [];
    },
    recover: async (load) => {
      for (const entry of namespaces.list()) await recoverOne(entry, load);
      if (namespaces.list().some(({ name }) => quotasOf(options, name).storedBytes !== null)) stored.start();
    },
    stop: () => stored.stop(),
  };
}

function newCount(name: string, limits: QuotaLimits, now: number): Count {
  const { requestsPerSecond: perSecond, requestBurst } = limits;
  const rate = perSecond === null ? null : { perSecond, burst: requestBurst ?? 2 * perSecond };
  return {
    name,
    limits,
    requests: rate && new Allowance(rate, now),
    workerRequests: rate && new Allowance({ perSecond: rate.perSecond * workerFactor, burst: rate.burst * workerFactor }, now),
    openRuns: 0,
    activities: 0,
    taking: 0,
    polls: 0,
  };
}

type Attempt = { readonly startedTime: number; readonly closing: boolean };

/** Whether a worker has it. */
const started = ({ startedTime, closing }: Attempt): number => Number(startedTime !== 0 && !closing);
const startedAmong = (attempts: Iterable<Attempt>): number => {
  let sum = 0;
  for (const attempt of attempts) sum += started(attempt);
  return sum;
};

/** How many more activities are with workers than before. Nobody waits for those of a run that has closed. */
function startedIn(draft: Draft): number {
  const { activities, base } = draft;
  if (!isRunning(base)) return isRunning(draft) ? startedAmong(activities.values()) : 0;
  if (!isRunning(draft)) return -startedAmong(base.activities.values());
  let more = 0;
  for (const id of activities.touched) {
    const [before, after] = [base.activities.get(id), activities.get(id)];
    more += (after === undefined ? 0 : started(after)) - (before === undefined ? 0 : started(before));
  }
  return more;
}

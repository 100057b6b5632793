import type { DurationMs, EpochMs } from "../../base/time.ts";
import { hourMs } from "../../base/time.ts";
import type { Store } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { Clock } from "../clock.ts";
import type { InlineWorker } from "../dispatch.ts";
import type { Matching } from "../matching.ts";
import type { Namespaces } from "../namespaces.ts";
import type { Runs } from "../runs.ts";
import type { Transfer } from "../transfer.ts";
import { backlogs } from "./backlogs.ts";
import type { Check, Finding } from "./finding.ts";
import { leakedRoom } from "./leaked-room.ts";
import { openRuns } from "./open-runs.ts";
import { orphanedApprovals } from "./orphaned-approvals.ts";
import { outbox } from "./outbox.ts";
import { overdueRuns } from "./overdue-runs.ts";
import { createRunningRuns } from "./running-runs.ts";

/**
 * Finds what should have moved and has not, repairs what is safe and reports the rest. Nothing of what it looks at can happen while every
 * commit is whole: it is there for what nobody thought of. Each repair is one ordinary transaction on the run as it stands by then, and
 * whatever reaches a worker by it is decided by the policy first.
 */
export type Reconciler = {
  /** One page of each kind; what was found. Whoever calls it often enough has looked at everything. */
  look(): Promise<readonly Finding[]>;
  /** What was found within the last hour, newest first; at most `rememberedMax` (500). */
  recent(): readonly Remembered[];
  /** When the last look ended, null before the first. */
  readonly lookedAt: EpochMs | null;
  /** Looks every so often from now on. */
  start(interval: DurationMs): void;
  /** Resolves when the look under way has ended. */
  stop(): Promise<void>;
};

export type Remembered = Finding & { readonly at: EpochMs };

export const rememberedMax = 500;
const rememberedFor: DurationMs = hourMs;
/** After a longer pause than so many intervals the host has slept, or its clock was set: everything else gets a chance first. */
const pauseIntervalsMax = 3;

export type ReconcilerDeps = {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "reconcilerFindings">;
  readonly runs: Runs<InlineWorker>;
  readonly namespaces: Namespaces;
  readonly matching: Matching;
  readonly transfer: Transfer;
};

export function createReconciler(deps: ReconcilerDeps): Reconciler {
  const { clock, log, metrics } = deps;
  const checks: { readonly [what: string]: Check } = {
    "overdue runs": overdueRuns(deps),
    "the outbox": outbox(deps),
    "open runs": openRuns({ ...deps, running: createRunningRuns(deps) }),
    backlogs: backlogs(deps),
    approvals: orphanedApprovals(deps),
    holdings: leakedRoom(deps),
  };
  const remembered = new Map<string, Remembered>();
  let lookedAt: EpochMs | null = null;
  let stopped = false;
  let cancel = () => {};
  let looking: Promise<unknown> = Promise.resolve();

  /** What stands still is found again by every look, and is news only once. */
  function note(finding: Finding, at: EpochMs): void {
    const name = JSON.stringify([finding.kind, finding.run?.runId, finding.run === null ? finding.detail : ""]);
    const former = remembered.get(name);
    remembered.delete(name);
    remembered.set(name, { ...finding, at });
    const [oldest] = remembered.keys();
    if (remembered.size > rememberedMax && oldest !== undefined) remembered.delete(oldest);
    if (finding.outcome === "reported" && former !== undefined && at - former.at < rememberedFor) return;
    metrics.reconcilerFindings.add(1, finding.kind, finding.outcome);
    const { kind, outcome, run, detail, since } = finding;
    const fields = { kind, detail, since: new Date(since).toISOString(), ...(run ?? {}) };
    log.warn(outcome === "repaired" ? "something stood still, and was repaired" : "something stands still", fields);
  }

  const look: Reconciler["look"] = async () => {
    const found: Finding[] = [];
    for (const [what, check] of Object.entries(checks)) {
      if (stopped) break;
      try {
        found.push(...(await check(clock.now())));
      } catch (error) {
        log.error("cannot look for what stands still, trying again", { what }, error);
      }
    }
    const at = clock.now();
    for (const finding of found) note(finding, at);
    lookedAt = at;
    return found;
  };

  function later(interval: DurationMs): void {
    if (stopped) return;
    const from = clock.now();
    cancel = clock.schedule(from + interval, () => {
      if (clock.now() - from > pauseIntervalsMax * interval) later(interval);
      else looking = look().finally(() => later(interval));
    });
  }

  return {
    look,
    recent: () => {
      const from = clock.now() - rememberedFor;
      return [...remembered.values()].filter(({ at }) => at >= from).reverse();
    },
    get lookedAt() {
      return lookedAt;
    },
    start: later,
    stop: async () => {
      stopped = true;
      cancel();
      await looking;
    },
  };
}

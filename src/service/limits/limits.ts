import { canonicalJson } from "../../base/canonical-json.ts";
import { type DurationMs, type EpochMs, secondMs } from "../../base/time.ts";
import { endDelay } from "../../execution/admitted-activity.ts";
import { type Draft, isRunning } from "../../execution/execution.ts";
import type { LedgerEntry } from "../../governance/ledger/ledger.ts";
import { renewedAt } from "../../governance/limits/budget.ts";
import type { Quota } from "../../governance/limits/limits.ts";
import { reasonOf } from "../../governance/limits/reason.ts";
import { giveBack, isAtRest, type Room, retake, roomOf, type Taken, type Tally, take, unused } from "../../governance/limits/tally.ts";
import type { LimitsChange, RunKey, Store } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { Clock } from "../clock.ts";
import type { Part, Staged } from "../runs.ts";
import { type AttemptEnd, endOf, isOver, spentOf } from "./attempt-end.ts";
import { budgetFromKey, decodeHolding, encodeHolding } from "./holding.ts";
import { type Asker, createLines } from "./lines.ts";

/** What became of an attempt that asks for room under its limits. */
export type Reserved =
  | { readonly outcome: "passes" }
  /** Decided again at `until`, or as soon as there is room. `isNews`: it did not wait for this limit before. */
  | { readonly outcome: "waits"; readonly until: EpochMs; readonly reason: string; readonly isNews: boolean }
  | { readonly outcome: "denied"; readonly reason: string };

/** A limit that has been asked for, as it stands now. */
export type LimitInForce = {
  readonly key: string;
  /** Its numbers are those of the policy under which it was asked last; null after a restart, before it is asked again. */
  readonly quota: Quota;
  readonly isKnown: boolean;
  readonly tally: Tally;
  readonly room: Room;
  readonly waiting: number;
};

/**
 * Holds the limits of the policy. An attempt is counted once: when a worker is about to get it. What it takes is written with its start,
 * what it gives back and has spent with its end, so that neither a crash nor a lost race leaves anything behind. Concurrency and budgets
 * are exact across restarts; rates and breakers begin anew with the process.
 */
export type Limits = {
  /** Takes what the attempt needs, of every limit or of none. The draft is to be committed, whatever the outcome. */
  reserve(quotas: readonly Quota[], attempt: { readonly scheduledEventId: number; readonly attempt: number }, draft: Draft): Reserved;
  /** The stage that hands out tasks, and with it what attempts take and give back: written, or undone, with their drafts. */
  following<I>(stage: Stage<I>): Stage<I>;
  /** Other limits are in force: everybody who waits is decided again. */
  policyChanged(): void;
  /** Takes up what the last process left. To be awaited before the first task is handed out. */
  recover(): Promise<void>;
  /** Wakes nobody any more. */
  stop(): void;
  /** Limits of a tenant by key, beginning after the given one; at most `limit`. */
  list(page: { readonly tenant: string; readonly after: string; readonly limit: number }): readonly LimitInForce[];
};

type Stage<I> = (parts: readonly Part[], inline: I | undefined) => Staged;

/** What an attempt that a worker has, or is about to get, took. */
type Holding = {
  readonly run: RunKey;
  readonly scheduledEventId: number;
  readonly attempt: number;
  readonly taken: readonly Taken[];
  /** Its end is on its way to disk. */
  ending: boolean;
};

/** What a draft does to holdings. */
type Note = { readonly taken: Holding[]; ended: { readonly holding: Holding; readonly end: AttemptEnd }[]; closed: readonly string[] };

type Count = { quota: Quota; isKnown: boolean; tally: Tally };

/** Counts held in memory, about 700 bytes each. Those at rest go when there are more; beyond that, actions wait. */
export const countsMax = 100_000;
/**
 * How long at most nobody looks at an attempt that waits: after a restart nobody remembers that it does, and who found no place in line is not
 * woken at all. So long for the first, and so much longer for each that waits already: some hundred looks a second at most.
 */
const lookAgainAfter: DurationMs = 5 * secondMs;
const lookAgainEach: DurationMs = 10;
const pageSize = 1_000;

export function createLimits(deps: {
  readonly store: Pick<Store, "readHoldings" | "readBudgets">;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Changes one run. False when it is not there. */
  readonly change: (run: RunKey, request: (draft: Draft) => boolean) => Promise<boolean>;
  readonly record: (change: { readonly ledger?: readonly LedgerEntry[]; readonly limits?: LimitsChange }) => Promise<void>;
}): Limits {
  const { store, clock, metrics, log, record } = deps;
  const counts = new Map<string, Count>();
  /** By run, then by event and attempt. */
  const holdings = new Map<string, Map<string, Holding>>();
  /** Budgets that are of one run: nobody can spend them once it has closed. */
  const budgetsOfRuns = new Map<string, Set<string>>();
  const notes = new WeakMap<Draft, Note>();
  let sweptAt = 0;

  const lines = createLines({
    clock,
    roomOf: (key) => {
      const count = counts.get(key);
      return count === undefined ? anyRoom : roomOf(count.quota, count.tally, clock.now());
    },
    wake: (asker) => deps.change(asker.run, (draft) => endDelay(draft, asker)),
  });

  metrics.breakersOpen.readFrom(() => [[[...counts.values()].filter(({ tally }) => tally.breaker.state !== "closed").length]]);

  /** The count of a quota under the numbers that hold now; null when there is no more room for counts. */
  function countOf(quota: Quota): Count | null {
    const found = counts.get(quota.key);
    if (found !== undefined) {
      found.quota = quota;
      found.isKnown = true;
      return found;
    }
    if (counts.size >= countsMax) sweep();
    if (counts.size >= countsMax) return null;
    const count = { quota, isKnown: true, tally: unused };
    add(count);
    return count;
  }

  function add(count: Count): void {
    counts.set(count.quota.key, count);
    const runId = runOfBudget(count.quota);
    if (runId !== null) budgetsOfRuns.set(runId, (budgetsOfRuns.get(runId) ?? new Set()).add(count.quota.key));
  }

  function remove(quota: Quota): void {
    counts.delete(quota.key);
    const runId = runOfBudget(quota);
    if (runId === null) return;
    const keys = budgetsOfRuns.get(runId);
    keys?.delete(quota.key);
    if (keys?.size === 0) budgetsOfRuns.delete(runId);
  }

  /** Forgets counts that say no more than none would, in memory and on disk. */
  function sweep(): void {
    const now = clock.now();
    if (now - sweptAt < sweepEvery) return;
    sweptAt = now;
    const resting = [...counts.values()].filter(({ quota, tally }) => isAtRest(quota, tally, now) && lines.waiting(quota.key) === 0);
    for (const { quota } of resting) remove(quota);
    const forgetBudgets = resting.filter(({ quota }) => quota.kind === "spend").map(({ quota }) => quota.key);
    if (forgetBudgets.length === 0) return;
    record({ limits: { ...nothing, forgetBudgets } }).catch((error: unknown) => log.warn("cannot forget old budgets", {}, error));
  }

  /** Replaces a tally, and says so when a breaker opens or closes by it. */
  function put(count: Count, tally: Tally, cause: { readonly run: RunKey; readonly at: EpochMs }): void {
    const before = count.tally.breaker.state;
    const after = tally.breaker;
    count.tally = tally;
    if (before === after.state) return;
    const { by, source, tenant } = count.quota;
    log.warn("a circuit breaker has changed", { breaker: source, by, state: after.state });
    const body = {
      breaker: source,
      by,
      tenant,
      state: after.state,
      before,
      ...(after.state === "open" ? { until: new Date(after.until).toISOString() } : {}),
      workflow_id: cause.run.workflowId,
    };
    const { namespaceId, runId } = cause.run;
    record({ ledger: [{ namespaceId, at: cause.at, kind: "breaker-changed", runId, body: Buffer.from(canonicalJson(body)) }] }).catch(
      (error: unknown) => log.error("cannot record that a circuit breaker has changed", { breaker: source, state: after.state }, error),
    );
  }

  function reserve(...[quotas, attempt, draft]: Parameters<Limits["reserve"]>): Reserved {
    const { now } = draft.context;
    const asker = askerOf(draft, attempt.scheduledEventId);
    const asked: Count[] = [];
    for (const quota of quotas) {
      const count = countOf(quota);
      if (count === null) {
        lines.leave(asker);
        metrics.actionsLimited.add(1, quota.kind, "throttled");
        return { outcome: "waits", until: nextLook(now), reason: `more than ${countsMax} limits are being counted`, isNews: true };
      }
      asked.push(count);
    }
    for (const { quota, tally } of asked) {
      if (!roomOf(quota, tally, now).exhausted) continue;
      lines.leave(asker);
      metrics.actionsLimited.add(1, quota.kind, "denied");
      return { outcome: "denied", reason: reasonOf(quota, tally) };
    }
    for (const { quota, tally } of asked) {
      if (lines.mayGo(quota.key, asker, roomOf(quota, tally, now))) continue;
      const joined = lines.join(quota.key, asker);
      const isNews = joined !== "waits already";
      if (isNews) metrics.actionsLimited.add(1, quota.kind, "throttled");
      return { outcome: "waits", until: nextLook(now), reason: reasonOf(quota, tally), isNews };
    }
    const taken = asked.map((count) => {
      const { tally, taken: one } = take(count.quota, count.tally, now);
      put(count, tally, { run: draft.key, at: now });
      return one;
    });
    const holding: Holding = { run: draft.key, ...attempt, taken, ending: false };
    hold(holding);
    noteOf(draft).taken.push(holding);
    // Only now that it has taken its room is the place in line for somebody else.
    lines.leave(asker);
    return { outcome: "passes" };
  }

  const nextLook = (now: EpochMs): EpochMs => now + lookAgainAfter + lines.size * lookAgainEach;

  function noteOf(draft: Draft): Note {
    let note = notes.get(draft);
    if (note === undefined) {
      note = { taken: [], ended: [], closed: [] };
      notes.set(draft, note);
    }
    return note;
  }

  function hold(holding: Holding): void {
    const { runId } = holding.run;
    holdings.set(runId, (holdings.get(runId) ?? new Map()).set(attemptName(holding), holding));
  }

  function letGo(holding: Holding): void {
    const ofRun = holdings.get(holding.run.runId);
    ofRun?.delete(attemptName(holding));
    if (ofRun?.size === 0) holdings.delete(holding.run.runId);
  }

  /** What attempts take and give back in this draft; null for nothing. */
  function noted(draft: Draft): LimitsChange | null {
    const ofRun = holdings.get(draft.key.runId);
    const closes = !isRunning(draft) && isRunning(draft.base);
    const closed = closes ? [...(budgetsOfRuns.get(draft.key.runId) ?? [])] : [];
    if (ofRun === undefined && closed.length === 0) return null;
    const over = [...(ofRun?.values() ?? [])].filter((holding) => !holding.ending && isOver(draft, holding));
    const taken = notes.get(draft)?.taken ?? [];
    if (over.length + taken.length + closed.length === 0) return null;
    const note = noteOf(draft);
    note.closed = closed;
    note.ended = over.map((holding) => ({ holding, end: endOf(draft, holding) }));
    for (const holding of over) holding.ending = true;
    return {
      putHoldings: taken
        .filter((holding) => !holding.ending)
        .map((holding) => ({ run: holding.run, scheduledEventId: holding.scheduledEventId, body: encodeHolding(holding) })),
      deleteHoldings: over.map(({ run, scheduledEventId }) => ({ run, scheduledEventId })),
      spend: note.ended.flatMap(({ holding, end }) =>
        holding.taken.flatMap((taken) => {
          const spent = spentOf(taken, end);
          return taken.reservation === null || spent === 0 ? [] : [{ id: taken.quota.key, windowStart: taken.reservation.start, spent }];
        }),
      ),
      forgetBudgets: closed,
    };
  }

  /** Gives back what an attempt took, and lets others go on. */
  function release(holding: Holding, end: AttemptEnd | null): void {
    letGo(holding);
    const at = clock.now();
    for (const taken of holding.taken) {
      const count = counts.get(taken.quota.key);
      if (count === undefined) continue;
      const spent = end === null ? 0 : spentOf(taken, end);
      put(count, giveBack({ ...taken, quota: count.quota }, count.tally, { how: end?.how ?? "never", spent, at }), {
        run: holding.run,
        at,
      });
    }
    for (const { quota } of holding.taken) {
      lines.advance(quota.key);
      const count = counts.get(quota.key);
      // Most counts of attempts at once are needed only as long as there are any.
      if (count?.quota.kind === "concurrency" && count.tally.held === 0 && lines.waiting(quota.key) === 0) remove(count.quota);
    }
  }

  function committed(draft: Draft): void {
    const note = notes.get(draft);
    if (note === undefined) return;
    notes.delete(draft);
    for (const { holding, end } of note.ended) release(holding, end);
    for (const key of note.closed) {
      const count = counts.get(key);
      if (count !== undefined) remove(count.quota);
    }
  }

  function failed(draft: Draft): void {
    const note = notes.get(draft);
    if (note === undefined) return;
    notes.delete(draft);
    for (const { holding } of note.ended) holding.ending = false;
    for (const holding of note.taken) release(holding, null);
  }

  return {
    reserve,
    following: (stage) => (parts, inline) => {
      const staged = stage(parts, inline);
      return {
        ...staged,
        limits: parts.flatMap(({ draft }) => noted(draft) ?? []),
        committed: () => {
          staged.committed();
          for (const { draft } of parts) committed(draft);
        },
        failed: () => {
          staged.failed();
          for (const { draft } of parts) failed(draft);
        },
      };
    },

    policyChanged: () => lines.dissolve(),
    stop: () => lines.stop(),

    recover: async () => {
      const now = clock.now();
      const old: string[] = [];
      for (let after = ""; ; ) {
        const page = await store.readBudgets(after, pageSize);
        for (const { id, windowStart, spent } of page) {
          const quota = budgetFromKey(id);
          const over = quota === null ? null : renewedAt({ start: windowStart, spent, reserved: 0 }, quota.limit.per);
          if (quota === null || (over !== null && over <= now)) old.push(id);
          else add({ quota, isKnown: false, tally: { ...unused, budget: { start: windowStart, spent, reserved: 0 } } });
        }
        const last = page.at(-1);
        if (last === undefined || page.length < pageSize) break;
        after = last.id;
      }
      for (let after: Awaited<ReturnType<Store["readHoldings"]>>[number] | null = null; ; ) {
        const page: Awaited<ReturnType<Store["readHoldings"]>> = await store.readHoldings(after, pageSize);
        for (const { run, scheduledEventId, body } of page) {
          const { attempt, taken } = decodeHolding(body);
          hold({ run, scheduledEventId, attempt, taken, ending: false });
          for (const one of taken) {
            const count = countOf(one.quota);
            if (count !== null) count.tally = retake(one, count.tally);
          }
        }
        const last = page.at(-1);
        if (last === undefined || page.length < pageSize) break;
        after = last;
      }
      if (old.length > 0) await record({ limits: { ...nothing, forgetBudgets: old } });
    },

    list: ({ tenant, after, limit }) => {
      const now = clock.now();
      return [...counts.values()]
        .filter(({ quota }) => quota.tenant === tenant && quota.key > after)
        .sort((a, b) => (a.quota.key < b.quota.key ? -1 : 1))
        .slice(0, limit)
        .map(({ quota, isKnown, tally }) => ({
          key: quota.key,
          quota,
          isKnown,
          tally,
          room: roomOf(quota, tally, now),
          waiting: lines.waiting(quota.key),
        }));
    },
  };
}

const sweepEvery: DurationMs = secondMs;
const nothing: LimitsChange = { putHoldings: [], deleteHoldings: [], spend: [], forgetBudgets: [] };
const anyRoom: Room = { count: Number.POSITIVE_INFINITY, moreAt: null, exhausted: false };

const attemptName = ({ scheduledEventId, attempt }: Pick<Holding, "scheduledEventId" | "attempt">): string =>
  `${scheduledEventId}/${attempt}`;

/** The stamp is the one that a delay gives. */
const askerOf = (draft: Draft, scheduledEventId: number): Asker => ({
  run: draft.key,
  scheduledEventId,
  stamp: (draft.activities.get(scheduledEventId)?.stamp ?? 0) + 1,
});

/** The run that a budget is of; null when it is of more than one. */
const runOfBudget = ({ kind, by }: Quota): string | null =>
  kind === "spend" && by.startsWith("run=") ? by.slice(by.lastIndexOf("/") + 1) : null;

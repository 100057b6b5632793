import { setImmediate as turn } from "node:timers/promises";
import { err, ok, type Result } from "../../base/result.ts";
import { type DurationMs, dayMs, type EpochMs } from "../../base/time.ts";
import { type ActionInput, noInput } from "../../governance/action-input.ts";
import type { ChainedEntry } from "../../governance/ledger/ledger.ts";
import { type Decision, decide } from "../../governance/policy/decide.ts";
import { noticed } from "../../governance/policy/simulate.ts";
import type { Snapshot } from "../../governance/policy/snapshot.ts";
import type { Store } from "../../store/store.ts";
import type { Clock } from "../clock.ts";
import type { Namespaces } from "../namespaces.ts";
import { createRunInputs, type RunInputs } from "../run-inputs.ts";
import { missingInput, type RecordedAction, recordedAction } from "./recorded-action.ts";

export type BacktestQuery = {
  readonly namespace: string;
  /** Inclusive; null for thirty days ago. */
  readonly since: EpochMs | null;
  /** Exclusive; null for now. */
  readonly until: EpochMs | null;
  readonly candidate: Snapshot;
  /** Changes that are listed one by one, at most `changesListedMax`. */
  readonly listed: number;
};

/** Who decided, and how. A null rule is the default. */
export type Verdict = { readonly effect: string; readonly bundle: string | null; readonly rule: string | null };

export type BacktestChange = {
  readonly at: EpochMs;
  readonly runId: string | null;
  readonly workflowId: string;
  readonly actionId: string;
  readonly kind: string;
  readonly name: string;
  readonly topic: string;
  readonly attempt: number;
  readonly from: Verdict;
  /** Null when it cannot be told. */
  readonly to: Verdict | null;
};

export type BacktestReport = {
  readonly decisions: number;
  readonly unchanged: number;
  /** The action would notice: another effect, or other constraints, approval terms or delay. */
  readonly changed: number;
  /** A rule of the candidate looks into an input that is no longer there, or the record is not whole. */
  readonly unknown: number;
  /** By what decided then and would decide now, the largest first, at most `groupsMax`. `to` is null for what cannot be told, of which `why` says why. */
  readonly groups: readonly { readonly from: Verdict; readonly to: Verdict | null; readonly why: string | null; readonly count: number }[];
  /** The first ones. */
  readonly changes: readonly BacktestChange[];
  /** Up to when decisions were looked at, when there were more than `decisionsMax`; null when all were. */
  readonly brokenOffAt: EpochMs | null;
};

/** Decides recorded actions again, by a policy that is not in force. Changes nothing, and records nothing. */
export type Backtest = {
  /** One at a time: refused as `busy` while another one runs. */
  run(query: BacktestQuery): Promise<Result<BacktestReport, "no-such-namespace" | "busy">>;
};

export const changesListedMax = 1_000;
const sinceDefaultMs: DurationMs = 30 * dayMs;
const groupsMax = 500;
const decisionsMax = 1_000_000;
/** Decided in one turn of the event loop: some milliseconds. */
const pageSize = 200;
const snapshotsMax = 16;

export function createBacktest({
  store,
  namespaces,
  clock,
  snapshotOf,
}: {
  readonly store: Pick<Store, "readLedger" | "readHistory">;
  readonly namespaces: Pick<Namespaces, "get">;
  readonly clock: Pick<Clock, "now">;
  /** A snapshot that was in force, by its hash; null when nobody knows it. */
  readonly snapshotOf: (hash: string) => Promise<Snapshot | null>;
}): Backtest {
  let isBusy = false;

  async function run(query: BacktestQuery, namespaceId: string): Promise<BacktestReport> {
    const { namespace, until, candidate } = query;
    const since = query.since ?? clock.now() - sinceDefaultMs;
    const inputs = createRunInputs(store);
    const former = remembered(snapshotOf);
    const tally = createTally(query.listed);
    for (let after: string | null = null; ; ) {
      const page: Awaited<ReturnType<Store["readLedger"]>> = await store.readLedger({
        namespaceId,
        after,
        limit: pageSize,
        since,
        kinds: ["decision"],
        ...(until === null ? {} : { until }),
      });
      for (const entry of page.entries) {
        const recorded = recordedAction(entry.body, { namespace, runId: entry.runId });
        if (recorded === null) tally.unreadable();
        else
          tally.add(
            entry,
            recorded,
            await again(recorded, { namespaceId, entry, candidate, current: await former(recorded.snapshot), inputs }),
          );
      }
      after = page.next;
      if (after === null) return tally.report(null);
      if (tally.decisions >= decisionsMax) return tally.report(page.entries.at(-1)?.at ?? null);
      await turn();
    }
  }

  return {
    run: async (query) => {
      const found = namespaces.get(query.namespace);
      if (!found.ok) return err("no-such-namespace");
      if (isBusy) return err("busy");
      isBusy = true;
      try {
        return ok(await run(query, found.value.id));
      } finally {
        isBusy = false;
      }
    },
  };
}

type Again = { readonly from: Verdict; readonly to: Verdict | null; readonly why: string | null; readonly changed: boolean };

/**
 * What the candidate says of a recorded action. It is compared with what the snapshot then in force says of it, not with what came of that:
 * limits and budgets depend on what else happened.
 */
async function again(
  recorded: RecordedAction,
  given: {
    readonly namespaceId: string;
    readonly entry: ChainedEntry;
    readonly candidate: Snapshot;
    readonly current: Snapshot | null;
    readonly inputs: RunInputs;
  },
): Promise<Again> {
  const { candidate, current, inputs, namespaceId, entry } = given;
  const digest = recorded.inputDigest;
  const both = (input: ActionInput | null) => ({
    to: decided(candidate, recorded, input),
    from: current === null ? null : decided(current, recorded, input),
  });
  let { to, from } = both(digest === null ? noInput : null);
  // Most rules do not look into the input, and most histories need not be read.
  if (digest !== null && entry.runId !== null && (to === null || (from === null && current !== null))) {
    const input = await inputs.find({ namespaceId, workflowId: recorded.action.workflowId, runId: entry.runId }, digest);
    if (input !== null) ({ to, from } = both(input));
  }
  const then: Verdict = from === null ? { effect: recorded.effect, bundle: null, rule: recorded.rule } : verdictOf(from);
  if (to === null) return { from: then, to: null, why: "input not available", changed: false };
  const changed = from === null ? to.effect !== recorded.effect : noticed(from) !== noticed(to);
  return { from: then, to: verdictOf(to), why: null, changed };
}

/** With null for an input that is not at hand: null when the decision rests on it. */
function decided(snapshot: Snapshot, { action, inputDigest }: RecordedAction, input: ActionInput | null): Decision | null {
  if (input !== null) return decide(snapshot, { ...action, input });
  const missing = missingInput(inputDigest ?? "");
  const decision = decide(snapshot, { ...action, input: missing });
  return missing.wasAskedFor ? null : decision;
}

const verdictOf = ({ effect, bundle, ruleId }: Decision): Verdict => ({ effect, bundle, rule: ruleId });

/** Few snapshots decide at one time. */
function remembered(snapshotOf: (hash: string) => Promise<Snapshot | null>): (hash: string) => Promise<Snapshot | null> {
  const known = new Map<string, Snapshot | null>();
  return async (hash) => {
    const found = known.get(hash);
    if (found !== undefined) return found;
    const snapshot = await snapshotOf(hash);
    const [oldest] = known.keys();
    if (known.size >= snapshotsMax && oldest !== undefined) known.delete(oldest);
    known.set(hash, snapshot);
    return snapshot;
  };
}

function createTally(listed: number) {
  const groups = new Map<string, { readonly from: Verdict; readonly to: Verdict | null; readonly why: string | null; count: number }>();
  const changes: BacktestChange[] = [];
  const counts = { decisions: 0, unchanged: 0, changed: 0, unknown: 0 };
  const nobody: Verdict = { effect: "", bundle: null, rule: null };

  function count(from: Verdict, to: Verdict | null, why: string | null): void {
    const key = JSON.stringify([from, to, why]);
    const group = groups.get(key);
    if (group !== undefined) group.count++;
    else if (groups.size < groupsMax) groups.set(key, { from, to, why, count: 1 });
  }

  return {
    get decisions() {
      return counts.decisions;
    },
    unreadable(): void {
      counts.decisions++;
      counts.unknown++;
      count(nobody, null, "the record is not whole");
    },
    add({ at, runId }: ChainedEntry, { action, topic }: RecordedAction, { from, to, why, changed }: Again): void {
      counts.decisions++;
      counts[to === null ? "unknown" : changed ? "changed" : "unchanged"]++;
      if (to !== null && !changed) return;
      count(from, to, why);
      if (!changed || changes.length >= listed) return;
      const { workflowId, actionId, kind, name, attempt } = action;
      changes.push({ at, runId, workflowId, actionId, kind, name, topic, attempt, from, to });
    },
    report: (brokenOffAt: EpochMs | null): BacktestReport => ({
      ...counts,
      groups: [...groups.values()].sort((a, b) => b.count - a.count),
      changes,
      brokenOffAt,
    }),
  };
}

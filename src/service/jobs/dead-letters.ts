import { err, ok, type Result } from "../../base/result.ts";
import { type EpochMs, hourMs } from "../../base/time.ts";
import type { LedgerEntry } from "../../governance/ledger/ledger.ts";
import type { HistoryEvent } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import { type Committer, changeOutsideRuns } from "../committer.ts";
import type { Engine } from "../engine.ts";
import { administrationEntry } from "../ledger/administration-entry.ts";
import { findJob, type Job } from "./job.ts";
import { readEvents } from "./job-history.ts";
import { type DeadState, deadStates, type JobState } from "./job-record.ts";
import type { Asker, JobRefusal, Jobs, Submitted } from "./jobs.ts";
import { type JobPage, listJobs } from "./list-jobs.ts";

/* What failed for good is a closed job: nothing is copied. A small document says of one that somebody has seen to it. */

export type DeadLetterRefusal = JobRefusal | { readonly kind: "no-such-dead-letter" };

/** Which dead letters; null for any. */
export type DeadLetterFilter = {
  readonly topic: string | null;
  readonly states: readonly DeadState[] | null;
  readonly teamId: string | null;
  readonly closedAfter: EpochMs | null;
  readonly closedBefore: EpochMs | null;
};

type Answer<T> = Promise<Result<T, DeadLetterRefusal>>;

/** What came of an act on many: `left` says that there may be more, also when nothing was done. */
export type BulkOutcome<T> = { readonly done: readonly T[]; readonly left: boolean };

export type DeadLetters = {
  /** Jobs that failed, timed out or were denied and that nobody has seen to, the newest first; see `listJobs`. */
  list(
    namespace: string,
    page: { readonly filter: DeadLetterFilter; readonly limit: number; readonly after: string | null },
  ): Answer<JobPage>;
  get(namespace: string, jobId: string): Answer<{ readonly job: Job; readonly history: readonly HistoryEvent[] }>;
  /** Submits the job again and takes it from the list. Asked twice, the answer is the same job. */
  retry(asker: Asker, jobId: string): Answer<Submitted>;
  /** Takes a job from the list, and says so in the ledger. The job itself stays as long as its namespace keeps what is closed. */
  remove(asker: Asker, jobId: string): Answer<void>;
  /** Those that a filter finds, at most `bulkMax` at once. */
  retryAll(asker: Asker, filter: DeadLetterFilter): Answer<BulkOutcome<Submitted & { readonly retried: string }>>;
  removeAll(asker: Asker, filter: DeadLetterFilter): Answer<BulkOutcome<string>>;
  stop(): void;
};

export const bulkMax = 100;
/** Pages read in search of the first dead letter of a bulk. */
const emptyPagesMax = 100;
const markKind = "dead-letter-seen";
const sweepEvery = hourMs;
const sweepPageMax = 100;

/** Who has seen to a dead letter, and what came of it. */
type Mark = { readonly by: string; readonly at: EpochMs; readonly retriedAs: string | null };

export function createDeadLetters(deps: {
  readonly engine: Engine;
  readonly committer: Pick<Committer, "commit">;
  readonly jobs: Jobs;
  /** Whether what is said of jobs goes when they are gone. */
  readonly sweeps: boolean;
}): DeadLetters {
  const { engine, committer, jobs } = deps;
  const { store, clock } = engine;

  // A namespace's id has no `/`, so that one namespace never reads what another one wrote.
  const markId = (namespaceId: string, jobId: string): string => `${namespaceId}/${jobId}`;
  const markOf = async ({ key, jobId }: Pick<Job, "key" | "jobId">): Promise<Mark | null> => {
    const stored = await store.readDocument(markKind, markId(key.namespaceId, jobId));
    return stored === null ? null : (JSON.parse(Buffer.from(stored.body).toString()) as Mark);
  };
  /** Whoever marks first has seen to it; says whether that is `asker`. That a job was submitted again is seen in what was decided on it. */
  const mark = async (job: Job, { by }: Asker, retriedAs: string | null): Promise<boolean> => {
    const { key, jobId } = job;
    const at = clock.now();
    const body = Buffer.from(JSON.stringify({ by, at, retriedAs } satisfies Mark));
    const write = { kind: markKind, id: markId(key.namespaceId, jobId), expectedVersion: 0, body };
    const ledger = retriedAs === null ? [deletion(job, { by, at })] : [];
    return (await committer.commit(changeOutsideRuns({ putDocuments: [write], ledger }))) === "committed";
  };

  /** A job that failed for good, and who has seen to it. */
  async function find(namespace: string, jobId: string): Answer<{ readonly job: Job; readonly seen: Mark | null }> {
    const found = await findJob(engine, { namespace, jobId });
    if (!found.ok) return err({ kind: found.error === "no-such-job" ? "no-such-dead-letter" : found.error });
    if (!isDead(found.value.state)) return err({ kind: "no-such-dead-letter" });
    return ok({ job: found.value, seen: await markOf(found.value) });
  }

  async function retry(asker: Asker, job: Job): Answer<Submitted> {
    const again = await jobs.retry(asker, job);
    if (again.ok) await mark(job, asker, again.value.jobId);
    return again;
  }

  const list: DeadLetters["list"] = async (namespace, { filter, limit, after }) => {
    const found = engine.namespaces.get(namespace);
    if (!found.ok) return err({ kind: "no-such-namespace" });
    const namespaceId = found.value.id;
    const { topic, states, teamId, closedAfter, closedBefore } = filter;
    const listed = await listJobs(engine, {
      namespace,
      filter: { topic, states: states ?? deadStates, teamId, traceId: null, updatedAfter: closedAfter, updatedBefore: closedBefore },
      limit,
      after,
      isWanted: async (jobId) => (await store.readDocument(markKind, markId(namespaceId, jobId))) === null,
    });
    return listed.ok ? listed : err({ kind: listed.error });
  };

  /** The first page that has any: what was seen to may lie before it. */
  async function some(namespace: string, filter: DeadLetterFilter): Answer<JobPage> {
    let after: string | null = null;
    for (let pages = 1; ; pages++) {
      const page = await list(namespace, { filter, limit: bulkMax, after });
      if (!page.ok || page.value.jobs.length > 0 || page.value.next === null || pages === emptyPagesMax) return page;
      after = page.value.next;
    }
  }

  const stopSweeping = deps.sweeps ? sweepMarks(deps) : () => {};

  return {
    list,

    get: async (namespace, jobId) => {
      const found = await find(namespace, jobId);
      if (!found.ok) return found;
      const { job, seen } = found.value;
      return seen === null ? ok({ job, history: await readEvents(store, job.key) }) : err({ kind: "no-such-dead-letter" });
    },

    retry: async (asker, jobId) => {
      const found = await find(asker.namespace, jobId);
      if (!found.ok) return found;
      const { job, seen } = found.value;
      if (seen === null) return retry(asker, job);
      return seen.retriedAs === null ? err({ kind: "no-such-dead-letter" }) : ok({ jobId: seen.retriedAs, traceId: job.record.traceId });
    },

    remove: async (asker, jobId) => {
      const found = await find(asker.namespace, jobId);
      if (!found.ok) return found;
      if (found.value.seen !== null) return err({ kind: "no-such-dead-letter" });
      return (await mark(found.value.job, asker, null)) ? ok(undefined) : err({ kind: "no-such-dead-letter" });
    },

    retryAll: async (asker, filter) => {
      const page = await some(asker.namespace, filter);
      if (!page.ok) return page;
      const done: (Submitted & { readonly retried: string })[] = [];
      for (const job of page.value.jobs) {
        const again = await retry(asker, job);
        if (!again.ok) return again;
        done.push({ ...again.value, retried: job.jobId });
      }
      return ok({ done, left: page.value.next !== null });
    },

    removeAll: async (asker, filter) => {
      const page = await some(asker.namespace, filter);
      if (!page.ok) return page;
      const removed = await Promise.all(page.value.jobs.map(async (job) => ((await mark(job, asker, null)) ? [job.jobId] : [])));
      return ok({ done: removed.flat(), left: page.value.next !== null });
    },

    stop: stopSweeping,
  };
}

/** What the ledger says of a dead letter that was taken from the list. */
const deletion = ({ key, jobId, state, record }: Job, { by, at }: { readonly by: string; readonly at: EpochMs }): LedgerEntry =>
  administrationEntry(
    { namespaceId: key.namespaceId, at, runId: key.runId },
    { act: "dead-letter-deleted", by, job_id: jobId, topic: record.topic, state },
  );

const isDead = (state: JobState): state is DeadState => deadStates.some((dead) => dead === state);

/** Removes what says that a job was seen to once the job itself is gone. Returns how to stop. */
function sweepMarks({ engine, committer }: { readonly engine: Engine; readonly committer: Pick<Committer, "commit"> }): () => void {
  const { store, clock, log } = engine;
  let stopped = false;
  let cancel = () => {};

  async function sweep(): Promise<void> {
    for (let after = ""; !stopped; ) {
      const page = await store.listDocuments(markKind, after, sweepPageMax);
      for (const { kind, id, version } of page) {
        const slash = id.indexOf("/");
        const run = await store.currentRunId({ namespaceId: id.slice(0, slash), workflowId: id.slice(slash + 1) });
        if (run !== null) continue;
        await committer.commit(changeOutsideRuns({ putDocuments: [{ kind, id, expectedVersion: version, body: null }], ledger: [] }));
      }
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.id;
    }
  }

  const later = () => {
    if (stopped) return;
    cancel = clock.schedule(clock.now() + sweepEvery, () => {
      sweep()
        .catch((error: unknown) => log.error("cannot look through the dead letters, trying again", {}, error))
        .finally(later);
    });
  };
  later();
  return () => {
    stopped = true;
    cancel();
  };
}

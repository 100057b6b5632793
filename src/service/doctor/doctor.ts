import type { DurationMs, EpochMs } from "../../base/time.ts";
import type { MutableState } from "../../execution/execution.ts";
import type { Store } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Clock } from "../clock.ts";
import type { Limits } from "../limits/limits.ts";
import type { Matching } from "../matching.ts";
import type { Namespaces } from "../namespaces.ts";
import type { Current } from "../policy/publisher.ts";
import type { Reconciler } from "../reconciler/reconciler.ts";
import { createRunningRuns, runningQuery } from "../reconciler/running-runs.ts";
import type { Transfer } from "../transfer.ts";
import { dueWork } from "./due-work.ts";
import { fullLimits } from "./full-limits.ts";
import { governance, newestCheckpoint } from "./governance.ts";
import { type Host, hostCheckup } from "./host.ts";
import { pendingApprovals } from "./pending-approvals.ts";
import type { Checkup, Symptom } from "./symptom.ts";
import { taskQueues } from "./task-queues.ts";
import { troubledRuns } from "./troubled-runs.ts";

/** Says what is stuck and why, of all namespaces. It changes nothing. */
export type Doctor = {
  /** Looks at everything now; of the open runs at the newest `runsMax` (5,000). */
  examine(): Promise<Examination>;
  status(): Promise<Status>;
};

export type Examination = {
  readonly at: EpochMs;
  /** Critical ones first. */
  readonly symptoms: readonly Reported[];
  /** Open runs that were looked at, and whether these were all. */
  readonly runs: { readonly lookedAt: number; readonly isAll: boolean };
  /** What could not be looked at; the log says why. */
  readonly failed: readonly string[];
};

/** A symptom with the names of namespaces in place of their ids. */
export type Reported = Omit<Symptom, "namespaceId" | "examples"> & {
  readonly namespace: string | null;
  readonly examples: readonly { readonly namespace: string; readonly workflowId: string; readonly runId: string }[];
};

/** What the server is and has. */
export type Status = {
  readonly at: EpochMs;
  readonly startedAt: EpochMs;
  readonly database: { readonly bytes: number; readonly disk: Awaited<ReturnType<Host["disk"]>> };
  /** `publication` is 0 while none was made; `unpublished` is then what happens to every action. */
  readonly policy: {
    readonly publication: number;
    readonly snapshot: string;
    readonly bundles: readonly string[];
    readonly unpublished: "ALLOW" | "DENY" | null;
  };
  readonly checkpoint: { readonly number: number; readonly at: EpochMs } | null;
  readonly namespaces: readonly { readonly name: string; readonly openRuns: number }[];
  readonly runsInMemory: number;
  readonly reconciler: { readonly lookedAt: EpochMs | null; readonly repaired: number; readonly reported: number };
};

const runsMax = 5_000;
const pageMax = 200;

export type DoctorDeps = {
  readonly store: Store;
  readonly clock: Pick<Clock, "now">;
  readonly log: Log;
  readonly namespaces: Namespaces;
  readonly matching: Matching;
  readonly transfer: Transfer;
  readonly reconciler: Reconciler;
  readonly policyLimits: Pick<Limits, "list">;
  readonly runs: { readonly size: number };
  readonly policy: () => Current;
  readonly snapshot: () => Current["snapshot"];
  readonly checkpointInterval: DurationMs | null;
  /** Null where nothing is known of the machine. */
  readonly host: Host | null;
};

export function createDoctor(deps: DoctorDeps): Doctor {
  const { store, clock, log, namespaces, reconciler, host } = deps;
  const startedAt = clock.now();

  async function survey(): Promise<{ readonly states: readonly MutableState[]; readonly isAll: boolean }> {
    const running = createRunningRuns(deps);
    const states: MutableState[] = [];
    while (states.length < runsMax) {
      const page = await running.next(pageMax);
      states.push(...page.states);
      if (page.isLast) return { states, isAll: true };
    }
    return { states, isAll: false };
  }

  const nameOf = (namespaceId: string): string => namespaces.byId(namespaceId)?.name ?? namespaceId;
  const named = ({ namespaceId, examples, ...symptom }: Symptom): Reported => ({
    ...symptom,
    namespace: namespaceId === null ? null : nameOf(namespaceId),
    examples: examples.map(({ namespaceId: id, workflowId, runId }) => ({ namespace: nameOf(id), workflowId, runId })),
  });

  return {
    examine: async () => {
      const at = clock.now();
      const failed: string[] = [];
      let runs = { lookedAt: 0, isAll: false };
      const surveyed = async () => {
        const { states, isAll } = await survey();
        runs = { lookedAt: states.length, isAll };
        return states;
      };
      const checkups: { readonly [what: string]: Checkup } = {
        "task queues": taskQueues(deps),
        approvals: pendingApprovals(deps),
        limits: fullLimits(deps),
        "open runs": troubledRuns({ store, survey: surveyed }),
        "due work": dueWork(deps),
        governance: governance(deps),
        ...(host === null ? {} : { host: hostCheckup(host) }),
      };
      const symptoms: Symptom[] = [];
      for (const [what, checkup] of Object.entries(checkups)) {
        try {
          symptoms.push(...(await checkup(at)));
        } catch (error) {
          log.error("cannot look at this", { what }, error);
          failed.push(what);
        }
      }
      const first = ({ severity }: Symptom) => severity === "critical";
      const sorted = [...symptoms.filter(first), ...symptoms.filter((symptom) => !first(symptom))];
      return { at, symptoms: sorted.map(named), runs, failed };
    },

    status: async () => {
      const { number, bundles, snapshot } = deps.policy();
      const unpublished = deps.snapshot().unpublished?.effect ?? null;
      const checkpoint = await newestCheckpoint(store);
      const recent = reconciler.recent();
      return {
        at: clock.now(),
        startedAt,
        database: { bytes: await store.sizeBytes(), disk: (await host?.disk()) ?? null },
        policy: {
          publication: number,
          snapshot: snapshot.hash,
          bundles: bundles.map(({ id }) => id),
          unpublished: unpublished === null ? null : unpublished === "DENY" ? "DENY" : "ALLOW",
        },
        checkpoint: checkpoint === null ? null : { number: checkpoint.number, at: checkpoint.at },
        namespaces: await Promise.all(
          namespaces.list().map(async ({ id, name }) => ({
            name,
            openRuns: (await store.countExecutions({ namespaceId: id, query: runningQuery })).total,
          })),
        ),
        runsInMemory: deps.runs.size,
        reconciler: {
          lookedAt: reconciler.lookedAt,
          repaired: recent.filter(({ outcome }) => outcome === "repaired").length,
          reported: recent.filter(({ outcome }) => outcome === "reported").length,
        },
      };
    },
  };
}

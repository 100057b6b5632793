import type { EpochMs } from "../../base/time.ts";
import type { RunKey } from "../../store/store.ts";

export const symptomKinds = [
  "no-worker",
  "slow-workers",
  "approval-pending",
  "limited",
  "breaker-open",
  "throttled",
  "workflow-task-failing",
  "activity-failing",
  "overdue-run",
  "effect-failing",
  "repaired",
  "everything-denied",
  "ledger-unsealed",
  "disk-nearly-full",
  "clock-stepped",
] as const;
export type SymptomKind = (typeof symptomKinds)[number];

/** Something that stands still or goes wrong, in the words of the three questions: what has happened, what is stuck, what may safely be done. */
export type Symptom = {
  readonly kind: SymptomKind;
  /** `critical`: work fails, or stands still until somebody does something. */
  readonly severity: "critical" | "warning";
  /** Null when it is of the whole server. */
  readonly namespaceId: string | null;
  readonly what: string;
  /** Null when nobody knows. */
  readonly since: EpochMs | null;
  readonly why: string;
  /** What has happened of it so far. */
  readonly executed: string;
  /** What may be done without doing anything twice. */
  readonly safe: string;
  /** How many tasks, runs, approvals. */
  readonly count: number;
  /** Some of the runs it is about, at most `examplesMax` (3). */
  readonly examples: readonly RunKey[];
};

export const examplesMax = 3;

/** Looks at one thing that may be wrong. */
export type Checkup = (now: EpochMs) => Promise<readonly Symptom[]>;

/** `1 task`, `2 tasks`. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** In the order in which the groups begin. */
export function groupedBy<T>(items: readonly T[], nameOf: (item: T) => string): readonly (readonly T[])[] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(nameOf(item));
    if (group === undefined) groups.set(nameOf(item), [item]);
    else group.push(item);
  }
  return [...groups.values()];
}
